"""Fakes of the bridge's ports, in memory, with the ports' own rules: settled once, kept in order, failing on demand."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from bridge.clock import Clock
from bridge.ports import Delivery, RegistryUnavailable
from bridge.records import FeedRow, pack
from bridge.refusals import Reason
from bridge.routes import Claim, Directory, Route
from bridge.window import Window
from schema.readings import Reading
from schema.timeseries.port import Destination, StoreError

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
ALICE_LOGIN = "AACE234567"
BOB_LOGIN = "BBCE234567"


class FakeTime:
    """A clock that moves only when told to, or when somebody sleeps on it."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []

    def clock(self) -> Clock:
        """This time as the bridge's clock; a sleep ends at once and moves the time."""
        return Clock(now=self.now, monotonic=lambda: self.seconds, sleep=self.sleep, dice=lambda: 0.5)

    def now(self) -> datetime:
        """Noon and what has passed since."""
        return NOON + timedelta(seconds=self.seconds)

    async def sleep(self, seconds: float) -> None:
        """Pass this time."""
        self.slept.append(seconds)
        self.seconds += seconds
        await asyncio.sleep(0)


class FakeSession:
    """A broker session without a broker: hand it messages, see what is acknowledged."""

    def __init__(self) -> None:
        self.window = Window()
        self.acknowledged: list[int] = []
        self._next_packet = 1

    def deliver(
        self, topic: str, payload: bytes | str, *, at: datetime = NOON, retained: bool = False, again: int = 0
    ) -> Delivery:
        """A message as the edge would hand it on; ``again`` is the packet id of one that the broker repeats."""
        token = self.window.admit(again or self._next_packet, bool(again))
        self._next_packet += not again
        body = payload.encode() if isinstance(payload, str) else payload
        return Delivery(token, topic, body, at, retained)

    def lose_connection(self) -> None:
        """What is not settled will come again."""
        self.window.connection_opened()

    async def receive(self) -> list[Delivery]:
        """Nothing comes by itself."""
        await asyncio.Event().wait()
        return []

    def settle(self, tokens: Sequence[int]) -> int:
        """Acknowledge."""
        packets = self.window.settle(tokens)
        self.acknowledged.extend(packets)
        return len(packets)

    def alive(self, token: int) -> bool:
        """Whether the message waits."""
        return self.window.alive(token)


class FakeRegistry:
    """A directory in memory; ``away`` makes the database unreachable, ``absent`` logins appear at a look-up.
    ``thinks`` is waited for before each answer, and ``asked`` counts the questions.
    """

    def __init__(self, *routes: Route) -> None:
        self.away = False
        self.thinks: Callable[[], Awaitable[object]] | None = None
        self.asked = 0
        self.claims: list[tuple[UUID, str, str]] = []
        self.disputed: set[UUID] = set()
        self.held_elsewhere: set[str] = set()
        self.refetched = 0
        self.looked_up = 0
        self.deleted: set[UUID] = set()
        self.absent: dict[str, Route] = {}
        self._directory = directory(*routes)

    @property
    def directory(self) -> Directory:
        """What is known."""
        return self._directory

    async def gone(self, inverter_ids: Collection[UUID]) -> set[UUID]:
        """Those somebody deleted."""
        if self.away:
            raise RegistryUnavailable("away")
        return self.deleted & set(inverter_ids)

    async def _answering(self) -> None:
        self.asked += 1
        if self.thinks is not None:
            await self.thinks()
        if self.away:
            raise RegistryUnavailable("away")

    def set(self, *routes: Route) -> None:
        """A resync with these routes."""
        self._directory = directory(*routes)

    async def look_up(self, logins: Collection[str]) -> None:
        """Find absent logins."""
        self.looked_up += 1
        await self._answering()
        for login in logins:
            if login in self.absent:
                self._directory.put(login, pack([row_of(self.absent[login])], revoked=False))

    async def claim(self, route: Route, *, device_key: str, alias: str) -> Route:
        """Activate, bind, remember."""
        await self._answering()
        self.claims.append((route.feed_id, device_key, alias))
        claim = Claim.DISPUTED if route.inverter_id in self.disputed else Claim.ACTIVE
        alias = "" if alias in self.held_elsewhere else alias
        current = replace(
            route,
            claim=claim if route.claim is Claim.PENDING else route.claim,
            device_key=device_key or route.device_key,
            aliases=route.aliases | {alias} if alias else route.aliases,
        )
        self._directory.amend(current)
        return current

    def refetch(self, inverter_id: UUID | None = None) -> None:  # noqa: ARG002  # the port's name
        """Count the wish."""
        self.refetched += 1


@dataclass
class FakeLive:
    """Remembers what the live row would show."""

    readings: list[tuple[UUID, Reading]] = field(default_factory=list)
    refusals: list[tuple[UUID, Reason, str]] = field(default_factory=list)
    seen: dict[UUID, datetime] = field(default_factory=dict)
    understood_by: set[UUID] = field(default_factory=set)
    known: dict[UUID, tuple[Mapping[str, float], datetime]] = field(default_factory=dict)

    def topic_right(self, inverter_id: UUID, at: datetime) -> None:
        """Seen."""
        self.seen[inverter_id] = at

    def understood(self, inverter_id: UUID, at: datetime) -> None:
        """Read."""
        self.seen[inverter_id] = at
        self.understood_by.add(inverter_id)

    def reading(self, inverter_id: UUID, reading: Reading, at: datetime) -> None:
        """Plausible."""
        self.seen[inverter_id] = at
        self.readings.append((inverter_id, reading))

    def refused(self, inverter_id: UUID, reason: Reason, detail: str, at: datetime) -> None:
        """Set aside."""
        self.seen[inverter_id] = at
        self.refusals.append((inverter_id, reason, detail))

    def newest(self, inverter_id: UUID) -> tuple[Mapping[str, float], datetime | None]:
        """What was known before."""
        return self.known.get(inverter_id, ({}, None))


class FakeStore:
    """A point writer that fails as told, by inverter: an exception raises, an event is waited for, None writes."""

    def __init__(self) -> None:
        self.written: list[tuple[Destination, bytes]] = []
        self.requests: list[tuple[UUID, int]] = []
        self.faults: dict[UUID, StoreError | asyncio.Event | None] = {}
        self.refused_lines: dict[bytes, StoreError] = {}
        self.largest = 1_000_000
        self.too_large: StoreError | None = None

    durable = True

    async def write(self, destination: Destination, lines: Sequence[bytes]) -> None:
        """Write, or do as told."""
        self.requests.append((destination.inverter_id, len(lines)))
        await asyncio.sleep(0)
        fault = self.faults.get(destination.inverter_id)
        if isinstance(fault, asyncio.Event):
            await fault.wait()
        elif fault is not None:
            raise fault
        if self.too_large is not None and len(lines) > self.largest:
            raise self.too_large
        for line in lines:
            if line in self.refused_lines:
                raise self.refused_lines[line]
        self.written.extend((destination, line) for line in lines)

    async def close(self) -> None:
        """Nothing to close."""

    def lines_of(self, inverter_id: UUID) -> list[bytes]:
        """What this inverter's bucket holds, in the order of arrival."""
        return [line for destination, line in self.written if destination.inverter_id == inverter_id]


def route(
    login: str = ALICE_LOGIN,
    *,
    serial: str = "2711111111",
    selector: str = "",
    claim: Claim = Claim.ACTIVE,
    placed: bool = True,
    owner_id: UUID | None = None,
    device_key: str = "",
    aliases: frozenset[str] = frozenset(),
    rated_power_w: int | None = None,
    token: str = "token-1",
) -> Route:
    """A feed with its inverter and owner, active and placed unless told otherwise."""
    inverter_id, owner = uuid4(), owner_id or uuid4()
    return Route(
        feed_id=uuid4(),
        login=login,
        selector=selector,
        dialect="auto",
        claim=claim,
        device_key=device_key,
        inverter_id=inverter_id,
        owner_id=owner,
        serial=serial,
        rated_power_w=rated_power_w,
        aliases=aliases,
        destination=Destination(inverter_id, owner, token=token) if placed else None,
    )


def directory(*routes: Route, revoked: Collection[str] = (), quarantined: Collection[str] = ()) -> Directory:
    """A directory of these feeds, of which ``revoked`` logins are withdrawn and what others send is set aside."""
    feeds: dict[str, list[FeedRow]] = {}
    for one in routes:
        feeds.setdefault(one.login, []).append(row_of(one))
    made = Directory(lambda sealed, _: sealed.decode())
    made.version = 1
    for login, mine in feeds.items():
        made.put(login, pack(mine, revoked=login in revoked, quarantined=login in quarantined))
    return made


def row_of(route: Route) -> FeedRow:
    """A route as the row it might have been made of, its token unsealed."""
    place = route.destination
    return FeedRow(
        feed_id=route.feed_id.bytes,
        inverter_id=route.inverter_id.bytes,
        owner_id=route.owner_id.bytes,
        selector=route.selector,
        dialect=route.dialect,
        claim=str(route.claim),
        device_key=route.device_key,
        serial=route.serial,
        rated_power_w=route.rated_power_w,
        placed=place is not None,
        server=place.server if place else "",
        org_id=place.org_id if place else "",
        bucket_id=place.bucket_id if place else "",
        sealed=place.token.encode() if place else b"",
        aliases=tuple(sorted(route.aliases)),
    )
