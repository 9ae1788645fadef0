"""Makes one inverter's new bucket equal to its old one, and fetches what came to the old one later. No database.

Counts and sums of each day and field are compared; where they differ the whole day is copied. A value that is copied
twice is one value, so whoever is stopped may begin again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from schema.timeseries.management import BEGINNING, TALLY_EVERY, ReadingsCopier, Tally
from schema.timeseries.port import Destination, Source, StoreUnavailable

AT_ONCE = timedelta(days=28)
"""A stretch is compared and copied, and then noted as done."""
_TRIES = 5

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Way:
    """``old`` and ``new`` are read; ``to`` is the new one, to be written."""

    old: Source
    new: Source
    to: Destination


def stretches(first: datetime, last: datetime) -> Iterator[Span]:
    """Whole UTC days from that of ``first`` to that of ``last``, some at a time; no end is after the last day's."""
    start, end = midnight(first), midnight(last) + TALLY_EVERY
    while start < end:
        stop = min(end, start + AT_ONCE)
        yield start, stop
        start = stop


def midnight(at: datetime) -> datetime:
    """The UTC day's beginning."""
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def oldest(now: datetime, retention_s: int) -> datetime:
    """From where on there is something to copy: what is older goes by itself any day, and is not taken any more."""
    return midnight(now - timedelta(seconds=retention_s)) + TALLY_EVERY if retention_s else BEGINNING


def differing(old: Mapping[datetime, Tally], new: Mapping[datetime, Tally]) -> list[Span]:
    """Days of the old bucket that the new one has not, or has otherwise; neighbours in one span."""
    spans: list[Span] = []
    for day in sorted(day for day, tally in old.items() if new.get(day) != tally):
        if spans and spans[-1][1] == day:
            spans[-1] = (spans[-1][0], day + TALLY_EVERY)
        else:
            spans.append((day, day + TALLY_EVERY))
    return spans


async def even(copier: ReadingsCopier, way: Way, span: Span, *, insist: bool = True) -> int:
    """Copy until both have the same; how many values that are. Raises ``StoreError``.

    Without ``insist`` it is copied once, and not asked whether that sufficed: the old bucket is still written.
    """
    apart: list[Span] = []
    for _ in range(_TRIES):
        old = await copier.tallies(way.old, *span)
        apart = differing(old, await copier.tallies(way.new, *span))
        for start, end in apart:
            await copier.copy(way.old, way.to, start, end)
        if not apart or not insist:
            return sum(count for tally in old.values() for count, _ in tally.values())
    raise StoreUnavailable(f"{apart[0][0]:%Y-%m-%d} differs after it was copied {_TRIES} times")


async def fetch_late(copier: ReadingsCopier, way: Way, span: Span) -> int:
    """Copy what only the old one has: the new one is written by now, and has newer values. Raises ``StoreError``."""
    apart = differing(await copier.tallies(way.old, *span), await copier.tallies(way.new, *span))
    return sum([await copier.copy_missing(way.old, way.new, way.to, *days) for days in apart])
