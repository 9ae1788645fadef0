"""Local days as explicit UTC ranges. Days have 23 or 25 hours twice a year; no store is ever asked to know that."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


@dataclass(frozen=True, slots=True)
class Day:
    """One calendar day of a zone as [start, end) in UTC."""

    date: date
    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        """How long the day is: 82,800, 86,400 or 90,000 seconds."""
        return (self.end - self.start).total_seconds()


def zone_named(name: str) -> ZoneInfo:
    """The zone, or UTC where the name is no longer known."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def day_of(on: date, zone: ZoneInfo) -> Day:
    """The day ``on`` in ``zone``."""
    return Day(on, _midnight(on, zone), _midnight(on + timedelta(days=1), zone))


def today(now: datetime, zone: ZoneInfo) -> date:
    """The date on the owner's wall calendar at ``now``."""
    return now.astimezone(zone).date()


def last_days(count: int, last: date, zone: ZoneInfo) -> Sequence[Day]:
    """``count`` days ending with ``last``, ascending."""
    return [day_of(last - timedelta(days=back), zone) for back in reversed(range(count))]


def _midnight(on: date, zone: ZoneInfo) -> datetime:
    # Where a clock change skips midnight, zoneinfo answers with the offset before it: the instant the day begins.
    return datetime.combine(on, time(), zone).astimezone(UTC)
