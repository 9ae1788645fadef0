"""From topic to feed, inverter and owner; and whether a device or serial may speak on that feed. Pure.

The broker's ACL proves the login in a topic (DESIGN 4.1); a serial only identifies.
"""

from dataclasses import dataclass

from bridge.decoded import Refused
from bridge.dialects import told_by
from bridge.refusals import Reason, sentence
from bridge.routes import Claim, Directory, LoginEntry, Route
from schema.serials import InvalidSerial, normalised
from schema.topics import Address


@dataclass(frozen=True, slots=True)
class Stranger:
    """A login the directory does not have: ask the database once before it is a dead letter."""

    login: str


@dataclass(frozen=True, slots=True)
class Found:
    """The feed a topic belongs to and what is left of the topic for its dialect."""

    route: Route
    rest: str


@dataclass(frozen=True, slots=True)
class Admitted:
    """The device may speak. ``device_key`` and ``alias`` are what the registry has to learn, empty for nothing."""

    device_key: str = ""
    alias: str = ""


def feed_of(directory: Directory, address: Address) -> Found | Stranger | Refused:
    """The feed of a topic: of the login's selectors the one its first level names, else the empty one."""
    entry = directory.login(address.login)
    if entry is None:
        return Stranger(address.login)
    if entry.revoked:
        return Refused(Reason.REVOKED_LOGIN, sentence(Reason.REVOKED_LOGIN))
    return _by_selector(entry, address)


def _by_selector(entry: LoginEntry, address: Address) -> Found | Refused:
    if len(entry.routes) > 1 or "" not in entry.routes:
        selector, _, below = address.rest.partition("/")
        route = entry.routes.get(selector)
        if route is not None and below:
            # OpenDTU's topics begin with the device by themselves; its dialect expects it there.
            return Found(route, address.rest if told_by(address.rest) == "opendtu" else below)
    route = entry.routes.get("")
    if route is None:
        return Refused(Reason.WRONG_TOPIC, sentence(Reason.WRONG_TOPIC, address.rest))
    return Found(route, address.rest)


def admit(route: Route, directory: Directory, *, device: str, serial: str, sums: bool = False) -> Admitted | Refused:
    """Whether what a message says of its device fits the feed.

    ``device`` comes from the topic and ``serial`` (normalised) from the payload, both may be empty. The first one that
    speaks is bound to the feed; another one is refused, so that two devices are never mixed in one curve. ``sums`` says
    that a message without a device may be a sum over several.
    """
    serial = serial or _serial_in(device)
    if serial and not route.knows(serial) and directory.foreign(serial, route.owner_id):
        return Refused(Reason.FOREIGN_SERIAL, sentence(Reason.FOREIGN_SERIAL, serial))
    key = "" if device == route.selector else device
    key = key or serial
    bound = route.device_key
    if not key:
        # The root of a client with several numbered loggers carries their sum (mqtt-publishers 2a, trap d).
        if sums and len(bound) <= 2 and bound.isdecimal() and not route.selector:
            return Refused(Reason.ANOTHER_DEVICE, sentence(Reason.ANOTHER_DEVICE, "the sum of all loggers"))
        return Admitted()
    if not bound:
        return Admitted(device_key=key, alias="" if not serial or route.knows(serial) else serial)
    if key == bound or (serial and route.knows(serial)):
        return Admitted()
    return Refused(Reason.ANOTHER_DEVICE, sentence(Reason.ANOTHER_DEVICE, key))


def _serial_in(device: str) -> str:
    """A device name that has a serial's form and at least ten characters is taken for one."""
    if len(device) < 10:
        return ""
    try:
        return normalised(device)
    except InvalidSerial:
        return ""


def needs_claim(route: Route, admitted: Admitted) -> bool:
    """Whether the registry has to be changed before this message may be acknowledged."""
    return route.claim is Claim.PENDING or bool(admitted.device_key) or bool(admitted.alias)
