"""What the bridge keeps on its own disk, and the ports it lies behind. No I/O here; the adapters are in ``edges``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID
from zlib import crc32

from bridge.refusals import Reason
from schema.letters import PayloadForm


class Line(NamedTuple):
    """An encoded line to be kept for an inverter until the store takes it; ``topic`` is the one it came on.

    A tuple, because there are thousands a second while a store is away.
    """

    inverter_id: UUID
    registry_version: int
    received_at: datetime
    line: bytes
    topic: str = ""


# What tells one message from another while the broker waits for its PUBACK: packet id, topic, CRC-32 of the payload.
Sent = tuple[int, str, int]
# Where a kept message stands: outage and cycle.
Numbered = tuple[int, int]


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
    """A message without a time of its own that the broker had kept: ``cycle`` is its place in its source's order.

    By ``packet_id`` it is recognised where the broker sends it again.
    """

    outage: Outage
    source: str
    cycle: int
    topic: str
    payload: bytes
    received_at: datetime
    packet_id: int


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
    cycle of each source, the number of the newest outage at all, and the messages kept last.
    """

    outage: Outage | None
    newest_epoch: int
    cycles: Mapping[str, int]
    size: int
    last: Mapping[Sent, Numbered]


def sent(packet_id: int, topic: str, payload: bytes) -> Sent:
    """By what a message is recognised that comes again; it is small, whatever the payload."""
    return packet_id, topic, crc32(payload)


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

    async def known(self, last: int) -> Known:
        """What is open, and so many of the messages that were kept last."""

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
