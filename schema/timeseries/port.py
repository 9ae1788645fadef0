"""The time-series port: what bridge and portal may ask of a store, and what a write's failure tells the writer to do.

Writers and readers are separate on purpose: the bridge cannot query, the portal cannot write points. No I/O here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Destination:
    """Where one inverter's points go, as one row of the registry names it: never assembled from parts of two.

    ``server`` is the store's base URL, empty for the embedded store; ``token`` may only write into ``bucket_id``.
    The inverter is the identity; the embedded store needs nothing else.
    """

    inverter_id: UUID
    owner_id: UUID
    server: str = ""
    org_id: str = ""
    bucket_id: str = ""
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Source:
    """What to read: one inverter of one owner. ``token`` may only read the owner's organisation.

    The bucket is named, never numbered: InfluxDB 2.9.1 looks a name up with the token's rights, but answers
    ``from(bucketID: …)`` to every valid token, whoever owns the bucket (measured; ``test_store_contract``).
    """

    owner_id: UUID
    inverter_id: UUID
    server: str = ""
    org_id: str = ""
    bucket_name: str = ""
    token: str = field(default="", repr=False)


class StoreError(Exception):
    """A write or query that did not happen. Its subclasses say what to do next."""


class StoreUnavailable(StoreError):
    """Nobody answered, or the store asked for patience (429, 5xx, time-out): keep the points, try again later.

    ``retry_after_s`` is the store's own wish, None where it named none. ``answered`` is False where no answer came at
    all, or where it was about no place in particular: then the whole server is away. Part may have landed; writing
    again is safe.
    """

    def __init__(self, detail: str, *, retry_after_s: float | None = None, answered: bool = True) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s
        self.answered = answered


class StoreMisconfigured(StoreError):
    """The store knows us not (401, 403) or knows not the place (404): park it, fetch its credential again."""

    def __init__(self, detail: str, *, status: int) -> None:
        super().__init__(detail)
        self.status = status


class BatchTooLarge(StoreError):
    """The request was too large (413): send its halves."""


class PointsRefused(StoreError):
    """At least one line can never be stored (400, 422): find it by halving, keep the rest."""

    def __init__(self, detail: str, *, status: int) -> None:
        super().__init__(detail)
        self.status = status


class PointWriter(Protocol):
    """Writes encoded lines of one inverter. Returning means written durably when ``durable`` is true."""

    @property
    def durable(self) -> bool:
        """Whether a returned ``write`` survives a power cut: the bridge acknowledges on nothing less."""

    async def write(self, destination: Destination, lines: Sequence[bytes]) -> None:
        """Store all lines or raise a ``StoreError``. Lines are those of ``line_protocol``, times in milliseconds."""

    async def close(self) -> None:
        """Finish what is under way and release connections and files."""


@dataclass(frozen=True, slots=True)
class Window:
    """Means of gauges between ``start`` (inclusive, UTC) and the next window; a quantity without a value is absent."""

    start: datetime
    means: dict[str, float]


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one quantity at one instant (UTC)."""

    at: datetime
    value: float


# How far before a range a counter's last value is looked for.
COUNTER_LOOK_BACK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class CounterDay:
    """What a counter showed in one range [start, end): its last value before it, its first, last and largest in it.

    ``before`` looks back ``COUNTER_LOOK_BACK``; every part is None where there is no sample.
    """

    start: datetime
    end: datetime
    before: Sample | None
    first: Sample | None
    last: Sample | None
    maximum: float | None


class SeriesReader(Protocol):
    """Asks the store about one inverter of one owner. All times are aware and UTC, all answers ``StoreError`` or data.

    Quantities are catalogue names or sanitised extras; anything else is a mistake of ours and raises ``ValueError``.
    """

    async def latest(self, source: Source, since: datetime) -> dict[str, Sample]:
        """The newest sample of every quantity (extras too) at or after ``since``; empty where there is none."""

    async def windows(
        self, source: Source, quantities: Sequence[str], start: datetime, end: datetime, every_s: int
    ) -> list[Window]:
        """Means per window of ``every_s`` seconds in [start, end), epoch-aligned, ascending; none for empty ones."""

    async def counter_days(
        self, source: Source, quantity: str, ranges: Sequence[tuple[datetime, datetime]]
    ) -> list[CounterDay]:
        """One ``CounterDay`` for each range, in their order."""

    async def close(self) -> None:
        """Release connections and files."""
