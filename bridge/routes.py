"""Who owns what: a feed with its inverter, owner and destination as one value, and the directory of all. No I/O."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from bridge.records import FeedRow, inverters, is_quarantined, is_revoked, pack, unpack
from schema.timeseries.port import Destination

# Logins whose routes stand ready as objects; the others are made from their records when they speak (10 us).
MOST_READY = 20_000


class Claim(StrEnum):
    """The claim states of ``schema.models.ClaimState``, without its tables."""

    PENDING = "pending"
    ACTIVE = "active"
    DISPUTED = "disputed"
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class Route:
    """One feed, read from the registry as one row: never assembled from parts of two.

    ``destination`` is None while provisioning has not finished. ``aliases`` are serials seen in its payloads before.
    """

    feed_id: UUID
    login: str
    selector: str
    dialect: str
    claim: Claim
    device_key: str
    inverter_id: UUID
    owner_id: UUID
    serial: str
    rated_power_w: int | None = None
    aliases: frozenset[str] = frozenset()
    destination: Destination | None = field(default=None, repr=False)

    def knows(self, serial: str) -> bool:
        """Whether ``serial`` (normalised) is this inverter's own or one seen from it before."""
        return serial == self.serial or serial in self.aliases


@dataclass(frozen=True, slots=True)
class LoginEntry:
    """One login and its feeds by selector. What a quarantined one sends is set aside (``schema.models.Login``)."""

    name: str
    revoked: bool
    routes: dict[str, Route]
    quarantined: bool = False


OpenToken = Callable[[bytes, UUID], str | None]
"""Opens the sealed write token of an inverter; None where it does not open."""


class Directory:
    """All logins as records, those that speak as objects too. Changed login by login; ``version`` is the registry's.

    A change of the registry is *applied* when ``version`` has reached it: from then on nothing is decided by what was
    true before.
    """

    def __init__(self, open_token: OpenToken) -> None:
        self.version = -1
        self._open_token = open_token
        self._records: dict[str, bytes] = {}
        self._spoken_by: dict[bytes, str] = {}
        # Their login has gone or speaks of something else now; another one may speak of them still.
        self._orphans: set[bytes] = set()
        self._ready: dict[str, LoginEntry] = {}
        self._destinations: dict[UUID, Destination | None] = {}

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[str]:
        """The names of all logins."""
        return iter(self._records)

    def __contains__(self, name: str) -> bool:
        """Whether there is such a login, withdrawn or not; nothing is made ready for it."""
        return name in self._records

    def may_speak(self, name: str) -> bool:
        """Whether there is such a login and it was not withdrawn; nothing is made ready for it."""
        record = self._records.get(name)
        return record is not None and not is_revoked(record)

    def login(self, name: str) -> LoginEntry | None:
        """The login, or None where nobody has this name."""
        entry = self._ready.get(name)
        if entry is None and (record := self._records.get(name)) is not None:
            entry = self._ready[name] = self._entry(name, record)
            if len(self._ready) > MOST_READY:
                del self._ready[next(iter(self._ready))]
        return entry

    def destination(self, inverter_id: UUID) -> Destination | None:
        """Where the inverter's points go now; None while it has no place, or is not known."""
        try:
            return self._destinations[inverter_id]
        except KeyError:
            found = self._destinations[inverter_id] = self._destination(inverter_id)
            if len(self._destinations) > MOST_READY:
                del self._destinations[next(iter(self._destinations))]
            return found

    def speaks(self, login: str, selector: str, inverter_id: UUID) -> bool:
        """Whether the login may still speak of the inverter. One that is not known at all is not judged here."""
        entry = self.login(login)
        if entry is None:
            return True
        route = entry.routes.get(selector)
        if entry.revoked or route is None:
            return False
        return route.inverter_id is inverter_id or route.inverter_id == inverter_id

    def logins_of(self, inverter_id: UUID) -> list[str]:
        """A login that speaks of the inverter, as a list of one or none."""
        name = self._speaker(inverter_id.bytes)
        return [name] if name is not None else []

    def put(self, name: str, record: bytes) -> bool:
        """Enter or replace one login; false where it was known so already. Raises ``RecordUnreadable``."""
        before = self._records.get(name)
        if before == record:
            return False
        mine = inverters(record)
        if before is not None:
            self._forget(name, before)
        self._records[name] = record
        for inverter_id in mine:
            self._spoken_by[inverter_id] = name
            self._orphans.discard(inverter_id)
            self._destinations.pop(UUID(bytes=inverter_id), None)
        return True

    def remove(self, name: str) -> None:
        """A login that the registry does not have any more."""
        record = self._records.pop(name, None)
        if record is not None:
            self._forget(name, record)

    def amend(self, route: Route) -> bytes:
        """Enter what a claim has changed of a known feed; the login's record as it is now."""
        feeds = [
            feed._replace(claim=str(route.claim), device_key=route.device_key, aliases=tuple(sorted(route.aliases)))
            if feed.feed_id == route.feed_id.bytes
            else feed
            for feed in unpack(self._records[route.login])
        ]
        before = self._records[route.login]
        record = pack(feeds, revoked=is_revoked(before), quarantined=is_quarantined(before))
        self.put(route.login, record)
        return record

    def _forget(self, name: str, record: bytes) -> None:
        self._ready.pop(name, None)
        for inverter_id in inverters(record):
            if self._spoken_by.get(inverter_id) == name:
                del self._spoken_by[inverter_id]
                self._orphans.add(inverter_id)
            self._destinations.pop(UUID(bytes=inverter_id), None)

    def _entry(self, name: str, record: bytes) -> LoginEntry:
        routes = {feed.selector: self._route(name, feed) for feed in unpack(record) if not feed.former}
        return LoginEntry(name, is_revoked(record), routes, is_quarantined(record))

    def _speaker(self, inverter_id: bytes) -> str | None:
        if inverter_id in self._orphans:
            self._orphans.discard(inverter_id)
            others = (name for name, record in self._records.items() if inverter_id in inverters(record))
            if (other := next(others, None)) is not None:
                self._spoken_by[inverter_id] = other
        return self._spoken_by.get(inverter_id)

    def _destination(self, inverter_id: UUID) -> Destination | None:
        name = self._speaker(inverter_id.bytes)
        if name is None:
            return None
        feeds = unpack(self._records[name])
        return next((self._place(feed) for feed in feeds if feed.inverter_id == inverter_id.bytes), None)

    def _route(self, login: str, feed: FeedRow) -> Route:
        inverter_id = UUID(bytes=feed.inverter_id)
        return Route(
            feed_id=UUID(bytes=feed.feed_id),
            login=login,
            selector=feed.selector,
            dialect=feed.dialect,
            claim=Claim(feed.claim),
            device_key=feed.device_key,
            inverter_id=inverter_id,
            owner_id=UUID(bytes=feed.owner_id),
            serial=feed.serial,
            rated_power_w=feed.rated_power_w,
            aliases=frozenset(feed.aliases),
            destination=self.destination(inverter_id),
        )

    def _place(self, feed: FeedRow) -> Destination | None:
        """Where the points go, from this one row; None while there is no place or its token does not open."""
        if not feed.placed:
            return None
        inverter_id = UUID(bytes=feed.inverter_id)
        token = self._open_token(feed.sealed, inverter_id) if feed.sealed else ""
        if token is None:
            return None
        return Destination(
            inverter_id=inverter_id,
            owner_id=UUID(bytes=feed.owner_id),
            server=feed.server,
            org_id=feed.org_id,
            bucket_id=feed.bucket_id,
            token=token,
        )
