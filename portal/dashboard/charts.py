"""Geometry of the server-made drawings: sparkline, day area and bars, in units of their viewBox. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from portal.dashboard.days import Day
from portal.dashboard.energy import DayEnergy

GAP_S = 900.0
"""A silence longer than this is drawn as a gap."""
_LIT_HOURS = (5, 21)
Point = tuple[datetime, float]


@dataclass(frozen=True, slots=True)
class Area:
    """Paths of the line and of the area below it, in a box of ``width`` by ``height``; its upper edge means ``top``."""

    line: str
    area: str
    width: int
    height: int
    top: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One day's bar: ``percent`` of the highest, and the energy it stands for."""

    date: date
    percent: float
    energy: DayEnergy
    is_today: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """The part of a day that is drawn, [start, end): daylight hours, and more where there is more to see."""

    start: datetime
    end: datetime

    def marks(self, count: int) -> Sequence[datetime]:
        """``count`` instants from start to end at equal distances."""
        return [self.start + (self.end - self.start) * step / (count - 1) for step in range(count)]


def frame(day: Day, zone: ZoneInfo, points: Sequence[Point]) -> Frame:
    """From five to nine by the owner's clock, widened in steps of four hours to hold every point with power."""
    lit = [at for at, value in points if value > 0]
    first, last = _LIT_HOURS
    hours = [at.astimezone(zone).hour for at in lit]
    while first > 0 and any(hour < first for hour in hours):
        first = max(first - 4, 0)
    while last < 24 and any(hour >= last for hour in hours):
        last = min(last + 4, 24)
    start = datetime.combine(day.date, time(first), zone).astimezone(UTC)
    end = day.end if last == 24 else datetime.combine(day.date, time(last), zone).astimezone(UTC)
    return Frame(max(start, day.start), end)


def runs(points: Sequence[Point]) -> Sequence[Sequence[Point]]:
    """The points, parted where nothing was received for more than ``GAP_S``."""
    parts: list[list[Point]] = []
    for point in points:
        if parts and (point[0] - parts[-1][-1][0]).total_seconds() <= GAP_S:
            parts[-1].append(point)
        else:
            parts.append([point])
    return parts


def area(points: Sequence[Point], drawn: Frame, *, width: int, height: int) -> Area | None:
    """The power in a frame as a drawing; None where there is nothing to draw."""
    points = [point for point in points if drawn.start <= point[0] < drawn.end]
    if not points:
        return None
    span_s = (drawn.end - drawn.start).total_seconds()
    top = max(1.0, *(value for _, value in points))
    lines, areas = [], []
    for run in runs(points):
        places = [
            (
                (at - drawn.start).total_seconds() / span_s * width,
                height - max(value, 0.0) / top * (height - 2) - 1,
            )
            for at, value in run
        ]
        path = " L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        lines.append(f"M{path}" if len(places) > 1 else f"M{path} h0.5")
        areas.append(f"M{places[0][0]:.1f} {height} L{path} L{places[-1][0]:.1f} {height} Z")
    return Area(" ".join(lines), " ".join(areas), width, height, top)


def bars(energies: Sequence[DayEnergy], today: date) -> Sequence[Bar]:
    """A bar for each day; the highest has 100 percent, and a day with any energy is seen."""
    highest = max((energy.kwh or 0.0 for energy in energies), default=0.0)
    return [Bar(energy.date, _percent(energy.kwh, highest), energy, energy.date == today) for energy in energies]


def _percent(kwh: float | None, highest: float) -> float:
    if not kwh or highest <= 0:
        return 0.0
    return max(round(100 * kwh / highest, 1), 1.5)


def curve(points: Sequence[Point]) -> tuple[list[float], list[float | None]]:
    """Unix seconds and values for a chart library, with a null inside each gap so that it is drawn as one."""
    times: list[float] = []
    values: list[float | None] = []
    for run in runs(points):
        if times:
            times.append(times[-1] + GAP_S / 2)
            values.append(None)
        for at, value in run:
            times.append(at.timestamp())
            values.append(round(value, 1))
    return times, values
