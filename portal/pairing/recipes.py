"""Settings to paste, for each kind of publisher. Pure text: what goes where stands in each publisher's own documents.

Sources: kbialek/deye-inverter-mqtt ``config.env.example`` (2026-06); OpenDTU's page "MqTT Settings" (base topic with a
closing slash, at most 32 characters); mosquitto.conf(5), "Bridges"; mosquitto_pub(1).
"""

from dataclasses import dataclass, field

from portal.words import _
from schema.topics import native, prefix

NO_SECRET = "YOUR-SECRET"  # noqa: S105  # what stands where the secret was, once it is no longer shown


@dataclass(frozen=True, slots=True)
class Broker:
    """Where publishers outside reach the broker."""

    host: str
    port: int
    tls: bool


@dataclass(frozen=True, slots=True)
class Connection:
    """Everything a publisher needs. ``secret`` is None once it has been shown."""

    broker: Broker
    login: str
    secret: str | None = field(repr=False)

    @property
    def topic_prefix(self) -> str:
        """What the publisher puts before its own topics."""
        return prefix(self.login)

    @property
    def shown_secret(self) -> str:
        """The secret, or what stands in its place."""
        return self.secret or NO_SECRET


@dataclass(frozen=True, slots=True)
class Recipe:
    """One publisher: ``fields`` are form fields to fill in, ``text`` is something to paste; one of the two is empty."""

    key: str
    title: str
    lead: str
    fields: tuple[tuple[str, str], ...] = ()
    text: str = ""


def recipes(connection: Connection) -> tuple[Recipe, ...]:
    """Every publisher we know settings for, the most used first."""
    return (_deye_mqtt(connection), _opendtu(connection), _home_bridge(connection), _by_hand(connection))


def _deye_mqtt(connection: Connection) -> Recipe:
    broker = connection.broker
    lines = [
        f"MQTT_HOST={broker.host}",
        f"MQTT_PORT={broker.port}",
        f"MQTT_USERNAME={connection.login}",
        f"MQTT_PASSWORD={connection.shown_secret}",
        f"MQTT_TOPIC_PREFIX={connection.topic_prefix}",
        *(["MQTT_TLS_ENABLED=true"] if broker.tls else []),
    ]
    return Recipe(
        key="deye-mqtt",
        title="deye-inverter-mqtt",
        lead=_("Put these lines into its config.env in place of the ones with the same names, and start it again."),
        text="\n".join(lines),
    )


def _opendtu(connection: Connection) -> Recipe:
    broker = connection.broker
    return Recipe(
        key="opendtu",
        title="OpenDTU",
        lead=_("In OpenDTU open Settings, MQTT, and fill in these fields."),
        fields=(
            (_("Enable MQTT"), _("on")),
            (_("Hostname"), broker.host),
            (_("Port"), str(broker.port)),
            (_("Username"), connection.login),
            (_("Password"), connection.shown_secret),
            (_("Base Topic"), f"{connection.topic_prefix}/"),
            (_("Enable TLS"), _("on") if broker.tls else _("off")),
        ),
    )


def _home_bridge(connection: Connection) -> Recipe:
    broker = connection.broker
    lines = [
        "connection deye-hard",
        f"address {broker.host}:{broker.port}",
        f"remote_username {connection.login}",
        f"remote_password {connection.shown_secret}",
        "cleansession false",
        "notifications false",
        "try_private false",
        f"topic # out 1 deye/ {connection.topic_prefix}/",
        *(["bridge_capath /etc/ssl/certs"] if broker.tls else []),
    ]
    return Recipe(
        key="home-bridge",
        title=_("Your own Mosquitto"),
        lead=_(
            "Add these lines to its configuration and start it again. They pass on what your devices publish below "
            "deye/; change that word in the topic line if yours use another. One inverter per bridge."
        ),
        text="\n".join(lines),
    )


def _by_hand(connection: Connection) -> Recipe:
    broker = connection.broker
    tls = " --capath /etc/ssl/certs" if broker.tls else ""
    return Recipe(
        key="by-hand",
        title=_("Try it by hand, or write your own"),
        lead=_(
            "This sends one reading of 412.5 W. Your own program sends such a document to the same topic; "
            "more names and their units stand in the API description."
        ),
        text=(
            f"mosquitto_pub -h {broker.host} -p {broker.port}{tls} -u {connection.login} "
            f"-P {connection.shown_secret} -q 1 -t {native(connection.login)} -m '{{\"ac_power\": 412.5}}'"
        ),
    )
