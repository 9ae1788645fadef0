"""What the overview and an inverter's page say: live values from the live row, the past from the store."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncEngine

from portal.dashboard import charts, energy, stations, verdict
from portal.dashboard.charts import Area, Bar, Frame
from portal.dashboard.days import Day, day_of, last_days, today
from portal.dashboard.energy import DayEnergy
from portal.dashboard.history import LIFETIME, WINDOW_S, History, HistoryAway, power_points
from portal.dashboard.numbers import Numbers
from portal.dashboard.production import STRINGS, power_of
from portal.dashboard.stations import Station
from portal.dashboard.verdict import Verdict
from schema import live
from schema.database import Sessions, reading
from schema.models import LiveRow
from schema.quantities import TIME_ESTIMATED
from schema.sealing import Sealer
from schema.timeseries.port import Window

_SPARK = (240, 56)
_AREA = (960, 240)
_DAYS = 7
MOST_CARDS = 30
"""Inverters that the overview draws with their day: each asks the store. Beyond that there is the fleet."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What every question here needs: where rows, live rows, history and keys are, the reader's numbers, the time.

    Sessions are opened for a moment and closed before the store is asked: a slow store holds up no database.
    """

    sessions: Sessions
    live_engine: AsyncEngine
    history: History
    sealer: Sealer
    numbers: Numbers
    now: datetime


@dataclass(frozen=True, slots=True)
class Card:
    """One inverter at a glance. ``power_w`` is None unless fresh; ``today`` is None where history is away."""

    station: Station
    verdict: Verdict
    power_w: float | None
    row: LiveRow | None
    today: DayEnergy | None
    spark: Area | None

    @property
    def counter_base(self) -> float | None:
        """The lifetime counter (kWh) at which today began, so that an open page can go on counting."""
        total = self.row.values.get(LIFETIME) if self.row else None
        if total is None or self.today is None or self.today.kwh is None or self.today.estimated:
            return None
        return total - self.today.kwh


@dataclass(frozen=True, slots=True)
class Overview:
    """The first screen, about ``size`` inverters. ``verdict`` is None where there is none yet.

    Of more than ``MOST_CARDS`` those that need somebody first have a card, and ``today_kwh`` is None: it would take a
    question to the store for each of the others.
    """

    verdict: Verdict | None
    power_w: float | None
    today_kwh: float | None
    newest: datetime | None
    cards: Sequence[Card]
    size: int
    history_away: bool


@dataclass(frozen=True, slots=True)
class Hour:
    """One row of the day's table: mean power (W) and energy (kWh) of an hour of the owner's clock."""

    start: datetime
    mean_w: float
    peak_w: float


@dataclass(frozen=True, slots=True)
class DayCurve:
    """One day's power: five-minute means (W) by line, for the drawing library and for the page without it.

    ``estimated`` are the first and the last instant whose place in time is an estimate.
    """

    day: Day
    frame: Frame
    times: Sequence[float]
    lines: dict[str, Sequence[float | None]] = field(repr=False)
    area: Area | None
    hours: Sequence[Hour]
    peak: tuple[datetime, float] | None
    estimated: tuple[datetime, datetime] | None = None


@dataclass(frozen=True, slots=True)
class Detail:
    """One inverter's page: ``curve`` of ``on``, seven days up to today; both None where history is away."""

    card: Card
    on: date
    today: date
    curve: DayCurve | None
    week: Sequence[Bar]
    lifetime_kwh: float | None


async def overview(desk: Desk, account_id: UUID) -> Overview:
    """The first screen of an account."""
    async with reading(desk.sessions) as session:
        mine = await stations.visible(session, account_id, desk.now, desk.sealer)
    rows = await live.of(desk.live_engine, [station.id for station in mine])
    known = [_assembled(desk, station, rows.get(station.id), None, None) for station in mine]
    few = len(known) <= MOST_CARDS
    drawn = known if few else sorted(known, key=lambda card: verdict.urgency(card.verdict))[:MOST_CARDS]
    cards = await asyncio.gather(*(_with_history(desk, card) for card in drawn))
    watts = [card.power_w for card in known if card.power_w is not None]
    power_w = sum(watts) if watts else None
    return Overview(
        verdict=verdict.of_all([(card.station.name, card.verdict) for card in known], power_w, desk.numbers),
        power_w=power_w,
        today_kwh=energy.total([card.today for card in cards if card.today]) if few else None,
        newest=max((card.row.reading_at for card in known if card.row and card.row.reading_at), default=None),
        cards=cards,
        size=len(known),
        history_away=any(card.today is None for card in cards),
    )


async def _visible(desk: Desk, account_id: UUID, inverter_id: UUID) -> Station | None:
    async with reading(desk.sessions) as session:
        return await stations.one_visible(session, account_id, inverter_id, desk.now, desk.sealer)


async def _with_history(desk: Desk, card: Card) -> Card:
    """The card with its day; the store being away costs the day's energy and the sparkline, nothing else."""
    station = card.station
    day = day_of(today(desk.now, station.zone), station.zone)
    spark: Area | None = None
    so_far: DayEnergy | None = energy.unknown(day.date)
    if station.source is not None:
        try:
            found = await desk.history.energies(station.source, [day], desk.now, station.device)
            windows = await desk.history.day_windows(station.source, day, desk.now)
            so_far = found[0]
            points = power_points(windows)
            drawn = charts.frame(day, station.zone, points)
            spark = charts.area(points, drawn, width=_SPARK[0], height=_SPARK[1])
        except HistoryAway:
            so_far = None
    return replace(card, today=so_far, spark=spark)


def _assembled(desk: Desk, station: Station, row: LiveRow | None, so_far: DayEnergy | None, spark: Area | None) -> Card:
    fresh = row if verdict.is_fresh(row, desk.now) else None
    return Card(
        station=station,
        verdict=verdict.of_inverter(row, station.zone, desk.now, desk.numbers, given_away_at=station.given_away_at),
        power_w=power_of(fresh.values) if fresh else None,
        row=row,
        today=so_far,
        spark=spark,
    )


async def detail(desk: Desk, account_id: UUID, inverter_id: UUID, on: date | None) -> Detail | None:
    """One inverter's page for the day ``on`` (today where None); None where it is none of the account's business."""
    station = await _visible(desk, account_id, inverter_id)
    if station is None:
        return None
    row = (await live.of(desk.live_engine, [station.id])).get(station.id)
    current = today(desk.now, station.zone)
    shown = _not_after(on, current)
    days = last_days(_DAYS, current, station.zone)
    week: Sequence[DayEnergy] = [energy.unknown(day.date) for day in days]
    so_far: DayEnergy | None = week[-1]
    drawn: DayCurve | None = curve_of(day_of(shown, station.zone), (), station.zone)
    if station.source is not None:
        try:
            week = await desk.history.energies(station.source, days, desk.now, station.device)
            so_far = week[-1]
            drawn = await _curve(desk, station, shown)
        except HistoryAway:
            week, so_far, drawn = (), None, None
    lifetime = row.values.get(LIFETIME) if row else None
    card = _assembled(desk, station, row, so_far, None)
    return Detail(card, shown, current, drawn, charts.bars(week, current), lifetime)


async def curve(desk: Desk, account_id: UUID, inverter_id: UUID, on: date | None) -> DayCurve | None:
    """One day's power; None for a stranger. Raises ``HistoryAway``."""
    station = await _visible(desk, account_id, inverter_id)
    if station is None:
        return None
    return await _curve(desk, station, _not_after(on, today(desk.now, station.zone)))


def _not_after(on: date | None, current: date) -> date:
    """The future has no readings: its addresses show today."""
    return min(on, current) if on else current


async def _curve(desk: Desk, station: Station, on: date) -> DayCurve:
    day = day_of(on, station.zone)
    windows = await desk.history.day_windows(station.source, day, desk.now) if station.source else ()
    return curve_of(day, windows, station.zone)


def curve_of(day: Day, windows: Sequence[Window], zone: ZoneInfo) -> DayCurve:
    """Windows as one line of production, one of the battery and one for each string, on shared times."""
    points = power_points(windows)
    drawn = charts.frame(day, zone, points)
    times, total_w = charts.curve(points)
    by_time = {window.start.timestamp(): window.means for window in windows}
    lines: dict[str, Sequence[float | None]] = {"total": total_w}
    names = {f"string {string}": f"dc_pv{string}_power" for string in STRINGS} | {"battery": "battery_power"}
    for label, name in names.items():
        found = [by_time[at].get(name) if at in by_time else None for at in times]
        if any(value is not None for value in found):
            lines[label] = [None if value is None else round(value, 1) for value in found]
    if sum(label.startswith("string") for label in lines) == 1:
        lines.pop(next(label for label in lines if label.startswith("string")))
    return DayCurve(
        day=day,
        frame=drawn,
        times=times,
        lines=lines,
        area=charts.area(points, drawn, width=_AREA[0], height=_AREA[1]),
        hours=_hours(points, zone),
        peak=max(points, key=lambda point: point[1], default=None),
        estimated=_estimated(windows),
    )


def _estimated(windows: Sequence[Window]) -> tuple[datetime, datetime] | None:
    found = [window.start for window in windows if TIME_ESTIMATED in window.means]
    return (found[0], found[-1] + timedelta(seconds=WINDOW_S)) if found else None


def _hours(points: Sequence[charts.Point], zone: ZoneInfo) -> Sequence[Hour]:
    by_hour: dict[datetime, list[float]] = {}
    for at, watts in points:
        # Cut in UTC minutes of the local hour, so that both halves of a repeated hour stay apart.
        local = at.astimezone(zone)
        by_hour.setdefault(at - timedelta(minutes=local.minute, seconds=local.second), []).append(watts)
    return [Hour(start, sum(values) / len(values), max(values)) for start, values in by_hour.items()]


__all__ = ["WINDOW_S", "Desk", "curve", "detail", "overview"]
