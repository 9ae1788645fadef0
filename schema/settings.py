"""Every environment variable, typed, with unit and default: one class per process, built once by that process's entry.

``ENV_FILE`` names a file of ``NAME=value`` lines that is read first; the environment wins over it. The variables of the
original system keep their names (DESIGN 4.5). Nothing here is read when the module is imported.
"""

import os
import re
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Self, TypeVar
from urllib.parse import unquote

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from schema import influx_servers
from schema.broker_files import QUEUE_BYTES, QUEUE_MESSAGES
from schema.given import InfluxUrl, LongSecret, Proxies, PublicUrls, TokenKey, TokenKeys
from schema.influx_servers import CAPACITY_BUCKETS, OPEN_FILES, InfluxServer
from schema.timeseries.kinds import StoreKind


class SettingsInvalid(Exception):
    """A variable is missing or wrong; the message names each one and what it should be."""


SettingsT = TypeVar("SettingsT", bound="CommonSettings")


# The last @ ends it, as SQLAlchemy reads it.
_URL_PASSWORD = re.compile(r"://[^:@/]*:(.*)@")


class BrokerEdge(StrEnum):
    """The library under the bridge's session with the broker; both keep the same contract."""

    AIOMQTT = "aiomqtt"
    MQTT5 = "mqtt5"


class BridgeLease(StrEnum):
    """What makes one of several bridges the active one.

    ``auto``: the host's lock, and the database's lease where that is PostgreSQL and answers. ``file``: the host's lock
    alone. ``database``: never active without the database's lease.
    """

    AUTO = "auto"
    FILE = "file"
    DATABASE = "database"


class CommonSettings(BaseSettings):
    """What every process of ours needs: the database, the store and the key that opens sealed tokens."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    database_url: str = "sqlite:///data/deye.db"
    live_database_url: str = ""
    data_dir: Path = Path("data")
    influx_url: InfluxUrl = ""
    web_dev_testing: bool = False
    token_key: TokenKey
    # What TOKEN_KEY was before, separated by commas: they open what is not sealed anew yet (docs/keys.md).
    token_key_old: TokenKeys | None = None
    log_format: str = Field(default="json", pattern="^(json|console)$")

    @model_validator(mode="after")
    def _new_key_is_another(self) -> Self:
        if self.token_keys[0] in self.token_keys[1:]:
            raise ValueError("TOKEN_KEY_OLD holds TOKEN_KEY itself: it names the keys from before")
        return self

    @property
    def token_keys(self) -> tuple[str, ...]:
        """The key that seals, then older ones, which only open."""
        older = self.token_key_old.get_secret_value().split(",") if self.token_key_old else []
        return (self.token_key.get_secret_value(), *(key.strip() for key in older))

    @property
    def store(self) -> StoreKind:
        """InfluxDB where an address is given, unless the original's ``WEB_DEV_TESTING`` switches it off."""
        return StoreKind.INFLUX2 if self.influx_url and not self.web_dev_testing else StoreKind.EMBEDDED

    @property
    def readings_path(self) -> Path:
        """The embedded store's file."""
        return self.data_dir / "readings.db"

    @property
    def live_url(self) -> str:
        """Beside the other tables on PostgreSQL; a file of its own on SQLite, where its commits need no fsync."""
        if self.live_database_url:
            return self.live_database_url
        return f"sqlite:///{self.data_dir}/live.db" if self.database_url.startswith("sqlite") else self.database_url

    def secrets(self) -> list[str]:
        """Every secret among the settings, so that logs can blank it wherever it turns up."""
        values = [value for _, value in self]
        found = [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
        urls = (self.database_url, self.live_database_url)
        passwords = [match[1] for url in urls if (match := _URL_PASSWORD.search(url))]
        return [secret for word in (*found, *passwords, *self.token_keys) for secret in {word, unquote(word)}]


class BridgeSettings(CommonSettings):
    """The bridge's own."""

    mqtt_host: str = "127.0.0.1"
    mqtt_port: int = Field(default=1883, ge=1, le=65535)
    # Where loggers connect, if the bridge has a listener of its own: the self-check tries their rules there.
    mqtt_loggers_port: int | None = Field(default=None, ge=1, le=65535)
    # The broker's own max_queued_messages and max_queued_bytes: alarms come at 50 and 80 % of them.
    broker_queue_messages: int = Field(default=QUEUE_MESSAGES, ge=1)
    broker_queue_bytes: int = Field(default=QUEUE_BYTES, ge=1)
    # mqtt5 costs half of aiomqtt for each message: for fleets that send a topic for each value.
    broker_edge: BrokerEdge = BrokerEdge.AIOMQTT
    # A connection that has died is noticed after at most one and a half times this.
    mqtt_keepalive_s: int = Field(default=60, ge=4, le=3600)
    bridge_mqtt_password: SecretStr
    bridge_lease: BridgeLease = BridgeLease.AUTO
    # Bridges of one cell (a broker with its bridge) stand by for one another; cells that share a database have names.
    bridge_cell: str = Field(default="", max_length=64)
    receive_maximum: int = Field(default=1000, ge=1, le=65535)
    session_expiry_s: int = 7 * 86_400
    hold_s: float = Field(default=2.0, gt=0)
    probe_s: float = Field(default=5.0, gt=0)
    store_timeout_s: float = Field(default=10.0, gt=0)
    writes_in_flight: int = Field(default=64, ge=1)
    reading_max_bytes: int = 16_384
    spool_max_bytes: int = 2 * 1024**3
    # What one inverter may have of it: a week of a reading of a kilobyte every ten seconds.
    spool_share_bytes: int = Field(default=64 * 1024**2, ge=1)
    # With less than this free on the disk nothing is added to the spool, and what would need it is not acknowledged.
    disk_floor_bytes: int = Field(default=200 * 1024**2, ge=0)
    # What a login may send in the long run and at once. A gateway with ten inverters of 60 values each needs a tenth.
    quota_messages_per_s: float = Field(default=200.0, gt=0)
    quota_burst_messages: int = Field(default=5_000, ge=1)
    # A login that stays beyond that for the first time is not heard for the second, in seconds.
    quota_patience_s: float = Field(default=30.0, ge=0)
    quarantine_s: float = Field(default=300.0, gt=0)
    # After this many days without a repetition what was set aside is forgotten.
    dead_letter_days: int = Field(default=14, ge=1, le=365)
    stop_timeout_s: float = Field(default=5.0, gt=0)
    metrics_host: str = "127.0.0.1"
    # Metrics and health are served where a port is given; 0 lets the system choose, and the log names it.
    metrics_port: int | None = Field(default=None, ge=0, le=65535)

    @property
    def mqtt_logger_port(self) -> int:
        """The port whose rules are checked."""
        return self.mqtt_loggers_port or self.mqtt_port

    @property
    def spool_path(self) -> Path:
        """What is kept until the store takes it, and the dead letters."""
        return self.data_dir / "spool.db"

    @property
    def snapshot_path(self) -> Path:
        """The last registry, tokens sealed, so that a bridge starts while the database is away."""
        return self.data_dir / "registry-snapshot.db"


class ProvisionerSettings(CommonSettings):
    """The provisioner's own; the only process that holds operator tokens and writes the broker's password file.

    ``INFLUX_URL`` is the first InfluxDB server. Further ones stand in ``INFLUX_SERVERS``, or in a file that
    ``INFLUX_SERVERS_FILE`` names (``schema.influx_servers``).
    """

    influx_operator_token: SecretStr = SecretStr("")
    influx_capacity_buckets: int = Field(default=CAPACITY_BUCKETS, ge=1)
    influx_open: bool = True
    influx_memory_mb: int | None = Field(default=None, ge=1)
    influx_open_files: int = Field(default=OPEN_FILES, ge=1)
    influx_servers: SecretStr = SecretStr("")
    influx_servers_file: Path | None = None
    bridge_mqtt_password: SecretStr
    broker_dir: Path = Path("data/broker")
    # How long a change that somebody made in InfluxDB by hand stays at most.
    reconcile_s: float = Field(default=60.0, ge=1, le=86_400)
    retention_days: int = Field(default=730, ge=0)
    shard_group_weeks: int = Field(default=52, ge=1, le=520)

    @model_validator(mode="after")
    def _operator_token_for_influx(self) -> Self:
        if self.store is StoreKind.INFLUX2 and not self.influx_operator_token.get_secret_value():
            raise ValueError("INFLUX_OPERATOR_TOKEN is needed where INFLUX_URL is set")
        return self

    @model_validator(mode="after")
    def _servers_that_can_be_used(self) -> Self:
        further = self._further_servers
        if further and not self.influx_url:
            raise ValueError("INFLUX_SERVERS names further servers: the first one is INFLUX_URL")
        if self.store is StoreKind.INFLUX2:
            influx_servers.all_different((self._first_server, *further))
        return self

    @cached_property
    def _further_servers(self) -> tuple[InfluxServer, ...]:
        return influx_servers.written_down(self.influx_servers.get_secret_value(), self.influx_servers_file)

    @property
    def _first_server(self) -> InfluxServer:
        return InfluxServer(
            url=self.influx_url,
            operator_token=self.influx_operator_token,
            capacity_buckets=self.influx_capacity_buckets,
            open=self.influx_open,
            memory_mb=self.influx_memory_mb,
            open_files=self.influx_open_files,
        )

    @property
    def servers(self) -> tuple[InfluxServer, ...]:
        """All InfluxDB servers, that of ``INFLUX_URL`` first; none where readings lie in the embedded store."""
        return (self._first_server, *self._further_servers) if self.store is StoreKind.INFLUX2 else ()

    def secrets(self) -> list[str]:
        """The operator tokens of all servers too."""
        return [*super().secrets(), *(server.operator_token.get_secret_value() for server in self._further_servers)]


class PortalSettings(CommonSettings):
    """The portal's own. ``base_url`` is what links in mails begin with, never a request's Host header."""

    auth_secret: LongSecret
    cookie_secure: bool = True
    base_url: str = "http://localhost:8000"
    portal_host: str = "127.0.0.1"
    portal_port: int = Field(default=8000, ge=0, le=65535)
    mqtt_public_host: str = "localhost"
    mqtt_public_port: int = Field(default=1883, ge=1, le=65535)
    mqtt_public_tls: bool = False
    smtp_host: str = ""
    smtp_port: int = 25
    smtp_username: str = ""
    smtp_password: SecretStr = SecretStr("")
    smtp_starttls: bool = False
    mail_from: str = "Deye Hard <no-reply@localhost>"
    # Addresses and networks of reverse proxies whose X-Forwarded-For and -Proto count, separated by commas.
    trusted_proxies: Proxies = ""
    # Names by which the portal is asked for, separated by commas; others are refused. None: any.
    allowed_hosts: str = ""
    admin_bearer_reads_influx_tokens: bool = False
    # What collectors are told instead of an InfluxDB server's own address: "ours=theirs", separated by commas.
    influx_public_urls: PublicUrls = ""
    argon2_small_board: bool = False

    @model_validator(mode="after")
    def _no_cookie_in_clear(self) -> Self:
        if self.base_url.lower().startswith("https://") and not self.cookie_secure:
            raise ValueError("COOKIE_SECURE must be true where BASE_URL begins with https://")
        return self

    @property
    def public_urls(self) -> dict[str, str]:
        """How collectors reach an InfluxDB server, by our own address of it."""
        return influx_servers.pairs(self.influx_public_urls)

    @property
    def outbox_dir(self) -> Path:
        """Where mails are kept as files where no SMTP server is named."""
        return self.data_dir / "outbox"


def load(kind: type[SettingsT]) -> SettingsT:
    """Settings of ``kind`` from the environment and ``ENV_FILE``. Raises ``SettingsInvalid`` naming what is wrong."""
    env_file = os.environ.get("ENV_FILE")
    if env_file and not Path(env_file).is_file():
        raise SettingsInvalid(f"ENV_FILE names {env_file}, which is not a file")
    try:
        return kind(_env_file=env_file)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc']).upper() or 'settings'}: {fault['msg']}"
            for fault in error.errors(include_input=False, include_url=False)
        )
        raise SettingsInvalid(faults) from None
