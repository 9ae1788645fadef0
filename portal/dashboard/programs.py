"""What an inverter's past says to a program: means of windows, and energy by day. The account comes first; no HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from portal.dashboard import asked, energy, stations
from portal.dashboard.asked import DaySpan, Span
from portal.dashboard.days import day_of, today
from portal.dashboard.energy import DayEnergy
from portal.dashboard.history import History
from portal.dashboard.stations import Station
from schema.database import Sessions, reading
from schema.sealing import Sealer
from schema.timeseries.port import Window

WEEK = timedelta(days=6)


@dataclass(frozen=True, slots=True)
class Archive:
    """What every question here needs. The session is closed before the store is asked."""

    sessions: Sessions
    history: History
    sealer: Sealer
    now: datetime

    async def station(self, account_id: UUID, inverter_id: UUID) -> Station | None:
        """An inverter that the account may see, or None."""
        async with reading(self.sessions) as session:
            return await stations.one_visible(session, account_id, inverter_id, self.now, self.sealer)


@dataclass(frozen=True, slots=True)
class Means:
    """Means of ``names`` in windows of one part of a range."""

    names: Sequence[str]
    span: Span
    windows: Sequence[Window]


@dataclass(frozen=True, slots=True)
class Energies:
    """Energy of each day of one part of a range, days of the zone ``zone``."""

    zone: ZoneInfo
    span: DaySpan
    days: Sequence[DayEnergy]


async def means(
    archive: Archive, account_id: UUID, inverter_id: UUID, *, names: Sequence[str], span: Span, step_s: int
) -> Means | None:
    """None where it is none of the account's business; no windows while the inverter's place is being made.

    Raises ``HistoryAway``.
    """
    station = await archive.station(account_id, inverter_id)
    if station is None:
        return None
    if station.source is None or span.is_empty:
        return Means(names, span, ())
    return Means(names, span, await archive.history.windows(station.source, names, span.start, span.end, step_s))


async def energies(
    archive: Archive, account_id: UUID, inverter_id: UUID, *, first: date | None, last: date | None
) -> Energies | None:
    """By day of the owner's zone, the last seven by default; None where it is none of the account's business.

    Raises ``HistoryAway``.
    """
    station = await archive.station(account_id, inverter_id)
    if station is None:
        return None
    current = today(archive.now, station.zone)
    end = last or current
    begin = first or max(end, asked.FIRST_DAY + WEEK) - WEEK
    span = asked.days_span(begin, end, current)
    count = max((span.last - span.first).days + 1, 0)
    days = [day_of(span.first + timedelta(days=number), station.zone) for number in range(count)]
    if station.source is None or not days:
        return Energies(station.zone, span, [energy.unknown(day.date) for day in days])
    found = await archive.history.energies(station.source, days, archive.now, station.device)
    return Energies(station.zone, span, found)
