"""The topic layout, built and parsed in one place. No I/O.

``deye/<login>/<rest>``: the broker's ACL lets a login write only below its own name, so the second level proves who
speaks (DESIGN 4.1). Everything after it belongs to the publisher's dialect.

A login that carries several inverters needs a name for each: the **selector** of its feed. It is empty for the one
inverter a login was made for, else what the device is called in its topics, or its serial where only payloads tell:

| what publishes | topic below the login | payload | selector |
|---|---|---|---|
| deye-inverter-mqtt with several loggers | ``2/ac/active_power`` | ``412.5`` | ``2`` |
| OpenDTU | ``114180000002/0/power`` | ``312.4`` | ``114180000002`` |
| a home broker that passes several on | ``roof/ac/active_power`` | ``412.5`` | ``roof`` |
| the same, a client with several loggers | ``roof/2/ac/active_power`` | ``412.5`` | ``roof/2`` |
| our own document | ``roof/reading`` | ``{"ac_power": 1}`` | ``roof`` |
| our own document, one topic for all | ``reading`` | ``{"serial": "2799999999", …}`` | ``2799999999`` |

A topic's name counts before a payload's. A device that has no feed is noted under the selector that its feed would
have (``FoundDevice``); a feed of that selector takes its messages from then on, and what was set aside as
``another_device`` on that login can be replayed into it.
"""

import hashlib
import hmac
from dataclasses import dataclass

ROOT = "deye"

# Digits and capitals without 0 O 1 I L U: nothing that is misread from a screen or misheard on the phone.
LOGIN_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
LOGIN_LENGTH = 10

# The bridge's own user name at the broker; shorter than a login and in lower case, so it can never be one.
BRIDGE_USER = "bridge"
# After each CONNACK the bridge publishes here, where only it may write and reads: what arrives before it was queued.
MARKER_TOPIC = f"{ROOT}/{BRIDGE_USER}/marker"
SUBSCRIPTION = f"{ROOT}/#"
# A login that belongs to nobody: the bridge's self-check uses it to try what no login may do.
CANARY_USER = "canary"
CANARY_TOPIC = f"{ROOT}/{CANARY_USER}/self-check"
# Mosquitto's own log as messages (log_dest topic), by severity: notices tell who connected and who was refused, errors
# (so 2.0.11 calls it) whose connection was taken over.
BROKER_LOG = "$SYS/broker/log/"
BROKER_LOGS = (f"{BROKER_LOG}N", f"{BROKER_LOG}E")
# What Mosquitto counts of itself, published when it changes (sys_interval, 10 s): is its queue full, does it drop?
BROKER_NUMBERS = (
    "$SYS/broker/publish/messages/dropped",
    "$SYS/broker/store/messages/count",
    "$SYS/broker/store/messages/bytes",
    "$SYS/broker/retained messages/count",
    "$SYS/broker/clients/connected",
    "$SYS/broker/messages/stored",
    # Changes always: an idle broker's sign of life.
    "$SYS/broker/uptime",
)

NATIVE_TAIL = "reading"

# Characters; no publisher comes near it. Topics are remembered, and whoever makes them up may not fill our memory.
LONGEST_TOPIC = 256


@dataclass(frozen=True, slots=True)
class Address:
    """A topic taken apart: ``login`` is proved by the broker, ``rest`` is the publisher's own words below it."""

    login: str
    rest: str


def bridge_client_id(password: str) -> str:
    """The bridge's client id, the same at every start and known to nobody without its password.

    Up to 2.0.12 a stranger who names a connected client's id and no user name takes that client out of Mosquitto's
    table: its session is no longer saved, and at the next reload the broker dies or the client goes deaf (measured on
    2.0.11). Only a listener without ``use_username_as_clientid`` takes this id; others use the bridge's user name.
    """
    return f"{BRIDGE_USER}-{hashlib.sha256(f'client id {password}'.encode()).hexdigest()[:32]}"


def canary_secret(bridge_password: str) -> str:
    """The canary's password: provisioner and bridge both make it from the bridge's, which it does not tell."""
    return hmac.new(bridge_password.encode(), CANARY_USER.encode(), hashlib.sha256).hexdigest()


def prefix(login: str) -> str:
    """What a publisher is to put before its own topics: ``deye/<login>``."""
    return f"{ROOT}/{login}"


def native(login: str, selector: str = "") -> str:
    """The topic of our own JSON document; ``selector`` names the device where one login carries several."""
    return "/".join(part for part in (prefix(login), selector, NATIVE_TAIL) if part)


def selector_of(device: str, *, above: str = "") -> str:
    """The selector of a device called so below the selector ``above``; empty where there is no name."""
    return f"{above}/{device}" if above and device else device


def is_login(text: str) -> bool:
    """Whether ``text`` has the form of a login; says nothing about whether it exists."""
    return len(text) == LOGIN_LENGTH and all(character in LOGIN_ALPHABET for character in text)


def parse(topic: str) -> Address | None:
    """The address a topic names, or None where it is not ``deye/<login>/<something>`` or longer than any may be."""
    if len(topic) > LONGEST_TOPIC:
        return None
    root, _, below = topic.partition("/")
    login, _, rest = below.partition("/")
    if root != ROOT or not rest or not is_login(login):
        return None
    return Address(login=login, rest=rest)
