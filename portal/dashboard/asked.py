"""What a program asks of the past: instants, days and quantities, checked and cut into bounded parts. Pure, no HTTP.

Ranges are half-open for instants and closed for days. One that holds nothing (its end before its beginning, the future,
the time before all inverters) is answered with nothing; one that holds too much is answered in parts.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from schema.quantities import CATALOGUE, Kind
from schema.timeseries.line_protocol import is_field

FIRST_DAY = date(2000, 1, 1)
FIRST_INSTANT = datetime(2000, 1, 1, tzinfo=UTC)
LAST_INSTANT = datetime(9999, 12, 31, tzinfo=UTC)
MOST_WINDOWS = 1000
# The embedded store reads every point for a mean: a year of two a minute (20 quantities) takes it longer than the four
# seconds that ``history`` has, so it was never answered. A month takes a tenth.
LONGEST_PART = timedelta(days=31)
MOST_DAYS = 92
MOST_QUANTITIES = 20
SHORTEST_STEP_S = 60
LONGEST_STEP_S = 86_400

# RFC 3339 section 5.6: an offset is no option, and a "+" that was not escaped arrives as a blank.
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:(\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)", re.IGNORECASE | re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LEAP_SECOND = "60"


class NotAsked(ValueError):
    """The text is not what the parameter takes; the message says what that is."""


def instant(text: str) -> datetime:
    """An RFC 3339 instant in UTC; what UTC's calendar cannot hold becomes an instant long before or after all readings.

    Raises ``NotAsked``.
    """
    found = _INSTANT.fullmatch(text)
    if found is None:
        raise NotAsked("must be an instant with an offset, for instance 2026-06-01T12:00:00Z; write + as %2B")
    leap = found[1] == _LEAP_SECOND
    try:
        at = datetime.fromisoformat((text[:17] + "59" + text[19:] if leap else text).upper())
    except ValueError:
        raise NotAsked("is no instant of the calendar") from None
    try:
        return at.astimezone(UTC) + timedelta(seconds=leap)
    except OverflowError:
        return FIRST_INSTANT if at.year == 1 else LAST_INSTANT


def day(text: str) -> date:
    """A calendar date. Raises ``NotAsked``."""
    try:
        found = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        found = None
    if found is None:
        raise NotAsked("must be a date, for instance 2026-06-01")
    return found


def askable(name: str) -> bool:
    """Whether means of this quantity say anything: those of the catalogue but states, and sanitised extras."""
    known = CATALOGUE.get(name)
    return known.kind is not Kind.STATE if known else is_field(name)


def quantities(names: Sequence[str]) -> Sequence[str]:
    """The names, each once, in their order. Raises ``NotAsked``."""
    chosen = list(dict.fromkeys(names))
    if len(names) > MOST_QUANTITIES:
        raise NotAsked(f"takes at most {MOST_QUANTITIES} names")
    if unknown := [name for name in chosen if not askable(name)]:
        raise NotAsked(f"has no means of {unknown[0][:60]!r}; /api/quantities lists what there is")
    return chosen


@dataclass(frozen=True, slots=True)
class Span:
    """One part of a range of instants; ``following`` is where the next part begins, None for the last part."""

    start: datetime
    end: datetime
    following: datetime | None

    @property
    def is_empty(self) -> bool:
        """Whether it holds no instant."""
        return self.start >= self.end


def span(start: datetime, end: datetime, step_s: int, now: datetime) -> Span:
    """The first part of [start, end): at most ``MOST_WINDOWS`` windows and ``LONGEST_PART`` long, nothing of the
    future. Parts meet where windows meet, so that no window is cut in two.
    """
    step = timedelta(seconds=step_s)
    first, last = max(start, FIRST_INSTANT), min(end, now + step)
    if first >= last:
        return Span(start, start, None)
    window = _EPOCH + (first - _EPOCH) // step * step
    cut = window + step * min(MOST_WINDOWS, LONGEST_PART // step)
    return Span(first, last, None) if last <= cut else Span(first, cut, cut)


@dataclass(frozen=True, slots=True)
class DaySpan:
    """One part of a range of days, both ends included; ``first`` after ``last`` is none."""

    first: date
    last: date
    following: date | None


def days_span(first: date, last: date, today: date) -> DaySpan:
    """The first part of a range of days: at most ``MOST_DAYS``, none of the future."""
    begin, end = max(first, FIRST_DAY), min(last, today)
    cut = begin + timedelta(days=MOST_DAYS - 1) if begin <= end else end
    return DaySpan(begin, min(cut, end), cut + timedelta(days=1) if cut < end else None)
