"""From topic to feed, inverter and owner; and whether a device or serial may speak on that feed. Pure.

The broker's ACL proves the login in a topic (DESIGN 4.1); a serial only identifies. A login may carry several
inverters: ``schema.topics`` says what a device is called then, and ``whose`` finds its feed, by topic or by payload.
"""

from typing import NamedTuple

from bridge.decoded import Refused
from bridge.dialects import opendtu
from bridge.refusals import Reason, sentence
from bridge.routes import Claim, Directory, LoginEntry, Route
from schema.serials import InvalidSerial, normalised
from schema.topics import LOGIN_LENGTH, LONGEST_TOPIC, ROOT, Address, parse, selector_of


class Stranger(NamedTuple):
    """A login the directory does not have, or has without a feed: ask the database before it is a dead letter."""

    login: str


class Found(NamedTuple):
    """The feed a topic leads to and what is left of the topic for its dialect.

    ``entry`` is the login where it has more to choose from than this one feed: then the device decides (``whose``), and
    ``route`` is None where a topic alone leads to none.
    """

    route: Route | None
    rest: str
    entry: LoginEntry | None = None


class Barred(NamedTuple):
    """The login is in quarantine. ``route`` is one of its feeds, whose owner is told."""

    route: Route
    refused: Refused


class Admitted(NamedTuple):
    """The device may speak. ``device_key`` and ``alias`` are what the registry has to learn, empty for nothing."""

    device_key: str = ""
    alias: str = ""


_NOTHING_NEW = Admitted()
_LOGIN_BEGINS = len(ROOT) + 1
_LOGIN_ENDS = _LOGIN_BEGINS + LOGIN_LENGTH
_REST_BEGINS = _LOGIN_ENDS + 1
_PREFIX = f"{ROOT}/"
# A name that is shorter is not taken for a serial.
_SHORTEST_SERIAL = 10


def find(directory: Directory, topic: str) -> Found | Stranger | Barred | Refused:
    """The feed of a topic as it is on the wire. Most are of a known login with one feed: those are found by cutting."""
    entry = directory.login(topic[_LOGIN_BEGINS:_LOGIN_ENDS])
    if entry is not None and topic.startswith(_PREFIX) and topic[_LOGIN_ENDS:_REST_BEGINS] == "/":
        routes = entry.routes
        route = routes.get("") if len(routes) == 1 and not (entry.revoked or entry.quarantined) else None
        if route is not None and len(topic) <= LONGEST_TOPIC and (rest := topic[_REST_BEGINS:]):
            return Found(route, rest)
    address = parse(topic)
    if address is None:
        return Refused(Reason.WRONG_TOPIC, sentence(Reason.WRONG_TOPIC, topic))
    return feed_of(directory, address)


def feed_of(directory: Directory, address: Address) -> Found | Stranger | Barred | Refused:
    """The feed of a topic: of the login's selectors the one its first level names, else the empty one."""
    entry = directory.login(address.login)
    if entry is None:
        return Stranger(address.login)
    if entry.revoked:
        return Refused(Reason.REVOKED_LOGIN, sentence(Reason.REVOKED_LOGIN))
    if not entry.routes:
        return Stranger(address.login)
    found = _by_selector(entry, address.rest)
    if entry.quarantined:
        quarantined = Refused(Reason.QUARANTINED, sentence(Reason.QUARANTINED))
        return Barred(found.route or next(iter(entry.routes.values())), quarantined)
    return found


def _by_selector(entry: LoginEntry, rest: str) -> Found:
    plain = entry.routes.get("")
    if plain is not None and len(entry.routes) == 1:
        return Found(plain, rest)
    selector, _, below = rest.partition("/")
    route = entry.routes.get(selector) if selector and below else None
    if route is None:
        return Found(plain, rest, entry)
    # OpenDTU's topics begin with the device by themselves; its dialect expects it there.
    return Found(route, rest if opendtu.speaks(rest) else below, entry)


def whose(found: Found, *, device: str, serial: str) -> Route | None:
    """The feed of a device: the one made for it, else the one its topic led to; None where there is neither.

    ``device`` comes from the topic and ``serial`` (normalised) from the payload, both may be empty.
    """
    route, entry = found.route, found.entry
    if entry is None:
        return route
    above = route.selector if route is not None else ""
    for key in (device, serial):
        if key and (own := _feed_for(entry, selector_of(key, above=above), key)) is not None:
            return own
    return route


def _feed_for(entry: LoginEntry, selector: str, key: str) -> Route | None:
    own = entry.routes.get(selector)
    if own is not None or len(key) < _SHORTEST_SERIAL:
        return own
    # A serial is the same device wherever it stands, and perhaps under another selector by now.
    own = entry.routes.get(key)
    return own or next((route for route in entry.routes.values() if route.device_key == key), None)


def nobodys(rest: str, *, device: str, serial: str) -> Refused:
    """Why a message of a login with several inverters belongs to none of them."""
    key = device or serial
    if key:
        return Refused(Reason.ANOTHER_DEVICE, sentence(Reason.ANOTHER_DEVICE, key))
    return Refused(Reason.WRONG_TOPIC, sentence(Reason.WRONG_TOPIC, rest))


def is_sum(found: Found, device: str) -> bool:
    """Whether a scalar is the sum over several loggers: the root of a client that has them numbered carries it, and
    added to its parts it would double the production (mqtt-publishers 2a, trap d).
    """
    if found.entry is None:
        return found.route is not None and _is_number(found.route.device_key, device)
    above = found.route.selector if found.route is not None else ""
    name = selector_of(device, above=above) or above
    return any(
        _is_number(route.selector, name) or _is_number(selector_of(route.device_key, above=route.selector), name)
        for route in found.entry.routes.values()
    )


def _is_number(name: str, above: str) -> bool:
    """Whether ``name`` is that of a numbered logger below ``above``."""
    if above:
        if not name.startswith(f"{above}/"):
            return False
        name = name[len(above) + 1 :]
    return 0 < len(name) <= 2 and name.isdecimal()


def admit(route: Route, *, device: str, serial: str) -> Admitted | Refused:
    """Whether what a message says of its device fits the feed.

    ``device`` comes from the topic and ``serial`` (normalised) from the payload, both may be empty. The first one that
    speaks is bound to the feed; another one is refused, so that two devices are never mixed in one curve.

    Who else holds the serial plays no part: the login has proved who speaks, and an answer that depended on it would
    tell a guesser which serials exist. The registry keeps it from becoming an alias.
    """
    bound = route.device_key
    if not device and not serial and not bound:
        return _NOTHING_NEW
    serial = serial or serial_in(device)
    key = "" if device == route.selector else device
    key = key or serial
    if not key:
        return _NOTHING_NEW
    if not bound:
        return Admitted(device_key=key, alias="" if not serial or route.knows(serial) else serial)
    if key == bound or (serial and route.knows(serial)):
        return _NOTHING_NEW
    return Refused(Reason.ANOTHER_DEVICE, sentence(Reason.ANOTHER_DEVICE, key))


def serial_in(device: str) -> str:
    """A device name that has a serial's form and at least ten characters is taken for one."""
    if len(device) < _SHORTEST_SERIAL:
        return ""
    try:
        return normalised(device)
    except InvalidSerial:
        return ""


def needs_claim(route: Route, admitted: Admitted) -> bool:
    """Whether the registry has to be changed before this message may be acknowledged."""
    return route.claim is Claim.PENDING or bool(admitted.device_key) or bool(admitted.alias)
