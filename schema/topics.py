"""The topic layout, built and parsed in one place. No I/O.

``deye/<login>/<rest>``: the broker's ACL lets a login write only below its own name, so the second level proves who
speaks (DESIGN 4.1). Everything after it belongs to the publisher's dialect.
"""

import hashlib
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
# Mosquitto's own log as messages (log_dest topic): tells who connected and who was refused.
BROKER_LOG_SUBSCRIPTION = "$SYS/broker/log/#"

NATIVE_TAIL = "reading"


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


def prefix(login: str) -> str:
    """What a publisher is to put before its own topics: ``deye/<login>``."""
    return f"{ROOT}/{login}"


def native(login: str, selector: str = "") -> str:
    """The topic of our own JSON document; ``selector`` names the device where one login carries several."""
    return "/".join(part for part in (prefix(login), selector, NATIVE_TAIL) if part)


def is_login(text: str) -> bool:
    """Whether ``text`` has the form of a login; says nothing about whether it exists."""
    return len(text) == LOGIN_LENGTH and all(character in LOGIN_ALPHABET for character in text)


def parse(topic: str) -> Address | None:
    """The address a topic names, or None where it is not ``deye/<login>/<something>``."""
    root, _, below = topic.partition("/")
    login, _, rest = below.partition("/")
    if root != ROOT or not rest or not is_login(login):
        return None
    return Address(login=login, rest=rest)
