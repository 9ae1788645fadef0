"""What the bridge asks of the world, as Protocols of a few verbs each. No I/O here; the adapters are in ``edges``."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol
from uuid import UUID

from bridge.refusals import Reason
from bridge.routes import Directory, Route
from schema.letters import PayloadForm
from schema.readings import Reading


class Delivery(NamedTuple):
    """One message as it came; a tuple, because there are thousands a second.

    ``token`` is opaque: whoever ends the message hands it to ``Settlement``. ``received_at`` is UTC. ``backlog`` says
    that the broker had kept the message while the bridge was away, ``assembled`` that several messages made this one.
    """

    token: int
    topic: str
    payload: bytes
    received_at: datetime
    retained: bool = False
    backlog: bool = False
    assembled: bool = False


class BrokerSession(Protocol):
    """A persistent session with the broker. Whatever is not settled comes again after a reconnect."""

    async def receive(self) -> list[Delivery]:
        """Everything that has come since the last call; waits where there is nothing."""

    def settle(self, tokens: Sequence[int]) -> int:
        """Acknowledge in any order; returns how many. Tokens of a lost connection are skipped.

        Raises ``SettledTwice``.
        """

    def alive(self, token: int) -> bool:
        """False where the message's connection was lost: the broker sends it again, so this copy may be dropped."""


class SettledTwice(AssertionError):
    """A message was settled a second time: a defect of the bridge."""


class RegistryUnavailable(Exception):
    """The database could not be asked: keep what depends on it and ask again."""


class Registry(Protocol):
    """Who owns what, from the last snapshot, and the questions that need the database."""

    @property
    def directory(self) -> Directory:
        """All routes as known now."""

    async def look_up(self, logins: Collection[str]) -> None:
        """Ask the database for these logins and enter them into the directory. Raises ``RegistryUnavailable``."""

    async def claim(self, route: Route, *, device_key: str, alias: str) -> Route:
        """Activate a feed at its first reading, bind its device and record an alias.

        Returns the route as it is now, active or disputed; without the alias where that serial is active for another
        owner. Raises ``RegistryUnavailable``.
        """

    async def gone(self, inverter_ids: Collection[UUID]) -> set[UUID]:
        """Those of these inverters that nobody can bring back any more. Raises ``RegistryUnavailable``."""

    def refetch(self, inverter_id: UUID | None = None) -> None:
        """Read an inverter's rows, or everything, again soon, because the store refused a credential."""


class Live(Protocol):
    """The live row of each inverter, in memory; written out by and by, never waited for."""

    def topic_right(self, inverter_id: UUID, at: datetime) -> None:
        """A message came on a topic of this inverter."""

    def understood(self, inverter_id: UUID, at: datetime) -> None:
        """A payload could be read."""

    def reading(self, inverter_id: UUID, reading: Reading, at: datetime) -> None:
        """Plausible values came."""

    def refused(self, inverter_id: UUID, reason: Reason, detail: str, at: datetime) -> None:
        """A message, or part of it, was set aside."""

    def newest(self, inverter_id: UUID) -> tuple[Mapping[str, float], datetime | None]:
        """The newest known values and the newest reading's time."""


class Remarks(Protocol):
    """What is noticed beside readings, for owners to be told of; in memory, never waited for. Nothing here raises."""

    def another_device(self, delivery: Delivery, route: Route | None, *, device: str, serial: str) -> None:
        """A device spoke through a login and has no feed there. ``route`` is the feed its topic led to, if any;
        ``device`` is its name in the topic, ``serial`` the one in the payload: one of them is there.
        """

    def reading(self, route: Route, values: Mapping[str, float], received_at: datetime) -> None:
        """A reading of which nothing had to be set aside; called for nearly every one."""

    def impossible_power(
        self, route: Route, quantity: str, value: float, received_at: datetime, *, anybodys: bool
    ) -> None:
        """A power was set aside; ``anybodys`` says that no inverter of any size could have it."""

    def own_time(self, route: Route, behind: timedelta, received_at: datetime) -> None:
        """A document that had not waited in the broker named its own time, so far behind its arrival."""


class NoRemarks:
    """``Remarks`` of messages that have been remarked upon when they came."""

    def another_device(self, delivery: Delivery, route: Route | None, *, device: str, serial: str) -> None:
        """Nothing."""

    def reading(self, route: Route, values: Mapping[str, float], received_at: datetime) -> None:
        """Nothing."""

    def impossible_power(
        self, route: Route, quantity: str, value: float, received_at: datetime, *, anybodys: bool
    ) -> None:
        """Nothing."""

    def own_time(self, route: Route, behind: timedelta, received_at: datetime) -> None:
        """Nothing."""


class Line(NamedTuple):
    """An encoded line to be kept for an inverter until the store takes it; ``topic`` is the one it came on.

    A tuple, because there are thousands a second while a store is away.
    """

    inverter_id: UUID
    registry_version: int
    received_at: datetime
    line: bytes
    topic: str = ""


@dataclass(frozen=True, slots=True)
class Raw:
    """A message to be kept as it came, because the registry could not be asked about it."""

    topic: str
    payload: bytes
    received_at: datetime
    registry_version: int
    backlog: bool = False


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter. ``login`` and ``inverter_id`` are empty where nobody could be named.

    ``response`` is the store's own answer, ``size`` the length of the payload as it came where it was cut (else 0), and
    ``replaces`` the numbers of the letters whose replay ended here: they stay, under this reason.
    """

    login: str
    inverter_id: UUID | None
    topic: str
    payload: bytes
    reason: Reason
    detail: str
    at: datetime
    form: PayloadForm = PayloadForm.MESSAGE
    response: str = ""
    size: int = 0
    whole: bool = True
    backlog: bool = False
    replaces: tuple[int, ...] = ()


# Kept dead letters are numbered from here on, so that one kind of token serves them and the spool's other records.
LETTER_RECORDS = 1 << 62


class KeptLetter(NamedTuple):
    """A dead letter's original with its record number."""

    record: int
    login: str
    inverter_id: UUID | None
    topic: str
    payload: bytes
    received_at: datetime
    form: PayloadForm
    backlog: bool


class Tally(NamedTuple):
    """Messages beyond a quota: counted durably under their reason, and not kept (DESIGN 4.2, e)."""

    login: str
    inverter_id: UUID | None
    reason: Reason
    detail: str
    times: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Outage:
    """A time without a connection, in UTC; ``open`` while more messages of it may come. Numbered by ``epoch``."""

    epoch: int
    since: datetime
    until: datetime
    open: bool


@dataclass(frozen=True, slots=True)
class Untimed:
    """A message without a time of its own that the broker had kept: ``cycle`` is its place in its source's order."""

    outage: Outage
    source: str
    cycle: int
    topic: str
    payload: bytes
    received_at: datetime


Entry = Line | Raw | Letter | Tally | Untimed | Outage


class KeptLine(NamedTuple):
    """A spooled line with its record number and the topic it came on."""

    record: int
    line: bytes
    topic: str = ""


class KeptRaw(NamedTuple):
    """A spooled message with its record number."""

    record: int
    raw: Raw


@dataclass(frozen=True, slots=True)
class Known:
    """What the process before knew of a backlog: the outage that is still open, with its size in bytes and the newest
    cycle of each source, and the number of the newest outage at all.
    """

    outage: Outage | None
    newest_epoch: int
    cycles: Mapping[str, int]
    size: int


class KeptUntimed(NamedTuple):
    """A message of a backlog with its record number and cycle."""

    record: int
    cycle: int
    topic: str
    payload: bytes
    received_at: datetime


class SpoolUnavailable(Exception):
    """Nothing can be kept now (full, or the disk failed): do not acknowledge, try again later."""


class Spool(Protocol):
    """What is kept on disk. Returning means: a power cut does not lose it."""

    async def commit(self, entries: Sequence[Entry], forgotten: Sequence[int]) -> list[int]:
        """Keep ``entries`` and drop the records ``forgotten`` in one transaction; returns the new record numbers.

        Raises ``SpoolUnavailable``.
        """

    async def oldest_lines(self, inverter_id: UUID, *, lines: int, size: int) -> list[KeptLine]:
        """The oldest lines of an inverter, at most ``lines`` and ``size`` bytes, at least one where there is one."""

    async def oldest_raws(self, limit: int) -> list[KeptRaw]:
        """The oldest messages kept as they came."""

    async def holdings(self) -> dict[UUID, tuple[int, int]]:
        """How many lines are kept for each inverter, and how many bytes they have."""

    async def drop_lines(self, inverter_id: UUID, tally: Tally, limit: int) -> int:
        """Drop an inverter's oldest lines, at most ``limit``, and count them durably as ``tally``; how many."""


class KeptBacklog(Protocol):
    """Untimed messages on disk. Every verb may raise ``SpoolUnavailable``."""

    async def known(self) -> Known:
        """What is open."""

    async def closed(self) -> list[Outage]:
        """Outages whose messages may be spread, oldest first."""

    async def sources(self, epoch: int, after: str, limit: int) -> list[tuple[str, int]]:
        """Sources that have messages in an outage, by name after ``after``, with the number of their last cycle."""

    async def oldest(self, epoch: int, source: str, limit: int) -> list[KeptUntimed]:
        """The first messages of a source, by cycle and order."""

    async def turn(self, records: Sequence[int], entries: Sequence[Entry]) -> None:
        """Drop messages and keep what they became, in one transaction."""

    async def finish(self, epoch: int) -> bool:
        """Forget an outage that has no messages left; false where it has."""
