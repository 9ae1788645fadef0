"""What one computer runs: ports, folder and the environment of each child. Decides; starts nothing, opens nothing.

The environment may name another database or store than the ones in the data folder; every other variable of the
children is made here, so that a stray one of the shell does not reach them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Settings taken over when set; every other one that our processes read is made by ``environment``.
KEPT = (
    *("DATABASE_URL", "LIVE_DATABASE_URL", "INFLUX_URL", "INFLUX_OPERATOR_TOKEN", "WEB_DEV_TESTING"),
    *("INFLUX_SERVERS", "INFLUX_SERVERS_FILE", "INFLUX_CAPACITY_BUCKETS", "INFLUX_OPEN"),
    *("INFLUX_MEMORY_MB", "INFLUX_OPEN_FILES"),
    *("SMTP_HOST", "SMTP_PORT", "SMTP_USERNAME", "SMTP_PASSWORD", "SMTP_STARTTLS", "MAIL_FROM"),
    *("ARGON2_SMALL_BOARD", "RETENTION_DAYS", "SHARD_GROUP_WEEKS", "METRICS_HOST", "METRICS_PORT", "DEAD_LETTER_DAYS"),
    *("BRIDGE_LEASE", "BRIDGE_CELL", "BROKER_EDGE", "MQTT_KEEPALIVE_S", "BROKER_QUEUE_MESSAGES", "BROKER_QUEUE_BYTES"),
    *("SPOOL_MAX_BYTES", "SPOOL_SHARE_BYTES", "DISK_FLOOR_BYTES", "WRITES_IN_FLIGHT"),
    *("QUOTA_MESSAGES_PER_S", "QUOTA_BURST_MESSAGES", "RECONCILE_S"),
    *("BASE_URL", "COOKIE_SECURE", "ALLOWED_HOSTS", "TRUSTED_PROXIES", "MQTT_PUBLIC_TLS"),
    *("ADMIN_BEARER_READS_INFLUX_TOKENS", "INFLUX_PUBLIC_URLS"),
)
# Whoever breaks into one of our processes finds that one's secrets and no other's.
_SECRETS = frozenset(
    {
        *("AUTH_SECRET", "TOKEN_KEY", "TOKEN_KEY_OLD", "BRIDGE_MQTT_PASSWORD", "SMTP_USERNAME", "SMTP_PASSWORD"),
        *("INFLUX_OPERATOR_TOKEN", "INFLUX_SERVERS", "INFLUX_SERVERS_FILE"),
    }
)
_OWN_SECRETS = {
    "bridge": {"TOKEN_KEY", "TOKEN_KEY_OLD", "BRIDGE_MQTT_PASSWORD"},
    "provisioner": {
        *("TOKEN_KEY", "TOKEN_KEY_OLD", "BRIDGE_MQTT_PASSWORD"),
        *("INFLUX_OPERATOR_TOKEN", "INFLUX_SERVERS", "INFLUX_SERVERS_FILE"),
    },
    "portal": {"TOKEN_KEY", "TOKEN_KEY_OLD", "AUTH_SECRET", "SMTP_USERNAME", "SMTP_PASSWORD"},
}
_SHELL = ("PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", "SSL_CERT_FILE", "LD_LIBRARY_PATH", "VIRTUAL_ENV")


class CannotStart(Exception):
    """Something outside this program is in the way; the message is one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Plan:
    """``host`` is this computer's name or address for other devices at home; ports are real ones, never 0.

    Loggers use ``mqtt_port``, the bridge alone ``bridge_port`` (``mosquitto/bridge-listener.conf`` says why).
    """

    data_dir: Path
    portal_port: int
    mqtt_port: int
    bridge_port: int
    host: str

    @property
    def broker_dir(self) -> Path:
        """Password file, generations and the broker's own state."""
        return self.data_dir / "broker"

    @property
    def portal_url(self) -> str:
        """What a browser at home opens."""
        return f"http://{self.host}:{self.portal_port}"

    @property
    def mqtt_address(self) -> str:
        """What a logger at home is set to."""
        return f"{self.host}:{self.mqtt_port}"


def port(environment: Mapping[str, str], name: str, default: int) -> int:
    """A port from the environment; 0 leaves the choice to the kernel. Raises ``CannotStart``."""
    text = environment.get(name, "") or str(default)
    if not text.isdecimal() or not 0 <= int(text) <= 65_535:
        raise CannotStart(f"{name} is {text!r}, but a port is a number from 1 to 65535.")
    return int(text)


def environment(plan: Plan, secrets: Mapping[str, str], outside: Mapping[str, str]) -> dict[str, str]:
    """The variables of every child. ``secrets`` are those of the data folder, ``outside`` this process's own."""
    made = {
        "PYTHONUNBUFFERED": "1",
        "DATABASE_URL": f"sqlite:///{plan.data_dir}/deye.db",
        "DATA_DIR": str(plan.data_dir),
        "BROKER_DIR": str(plan.broker_dir),
        "MQTT_HOST": "127.0.0.1",
        "MQTT_PORT": str(plan.bridge_port),
        "MQTT_LOGGERS_PORT": str(plan.mqtt_port),
        "MQTT_PUBLIC_HOST": plan.host,
        "MQTT_PUBLIC_PORT": str(plan.mqtt_port),
        "PORTAL_HOST": "0.0.0.0",  # noqa: S104  # telephones at home open it too
        "PORTAL_PORT": str(plan.portal_port),
        "BASE_URL": plan.portal_url,
        "COOKIE_SECURE": "true" if outside.get("BASE_URL", "").lower().startswith("https://") else "false",
        "LOG_FORMAT": "json",
    }
    shell = {name: value for name, value in outside.items() if name in _SHELL or name.startswith(("LC_", "PYTHON"))}
    kept = {name: outside[name] for name in KEPT if outside.get(name)}
    return {**shell, **made, **secrets, **kept}


def environment_of(child: str, everything: Mapping[str, str]) -> dict[str, str]:
    """What one child is told of ``environment``: of secrets its own alone."""
    return {name: value for name, value in everything.items() if name not in _SECRETS - _OWN_SECRETS[child]}
