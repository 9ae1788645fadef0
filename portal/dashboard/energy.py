"""Day energy: the lifetime counter's difference between local midnights, with its source, coverage and repairs. Pure.

The publisher's own day counter comes second (it resets late, or never: features.md section 3, no. 1), the integral of
power third. What was not measured is not counted, and every value says how it came about.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from portal.dashboard.days import Day
from portal.dashboard.numbers import of_reader
from portal.words import _
from schema.timeseries.port import CounterDay, Sample

MAX_DAY_KWH = 2_400.0
"""More than a 100 kW inverter makes in 24 hours: a larger difference is a fault of the counter, not energy."""
RESOLUTION_KWH = 0.1
"""The step in which Deye counters count."""
RESTART_CREDIT_KWH = 250.0
"""What a counter shows after a restart counts as energy up to here; above, it is another device's past."""
CREDITED_GAP = timedelta(hours=24)
"""A night and an outage: what the counter gained over a longer silence belongs to no single day."""
MAX_POWER_GAP_S = 900.0
"""Power is not guessed over a longer silence."""

# What every day of that source says; pages have shorter words for them.
FROM_POWER = "Estimated from power; gaps are not counted."
OWN_DAY_COUNTER = "The publisher's own day counter; it has no lifetime counter."


class EnergySource(StrEnum):
    """What a day's energy was computed from."""

    COUNTER = "counter"
    DAY_COUNTER = "day counter"
    POWER = "power"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class DayEnergy:
    """Energy of one local day. ``kwh`` is None where nothing is known; ``coverage`` is the share of the day, so far,
    that the source accounts for (0 to 1); ``repairs`` are plain sentences about what had to be mended.
    """

    date: date
    kwh: float | None
    source: EnergySource
    coverage: float
    repairs: tuple[str, ...] = ()

    @property
    def estimated(self) -> bool:
        """Whether the value is weaker than a counter's."""
        return self.source is EnergySource.POWER


def unknown(on: date, *repairs: str) -> DayEnergy:
    """A day about which nothing is known."""
    return DayEnergy(on, None, EnergySource.NOTHING, 0.0, repairs)


def from_counter(day: Day, counter: CounterDay, now: datetime) -> DayEnergy:
    """Energy of ``day`` by the lifetime counter (kWh); ``kwh`` is None where the counter cannot tell."""
    first, last = counter.first, counter.last
    if first is None or last is None:
        return unknown(day.date)
    base, repairs = _base(counter.before, first, last)
    top = max(counter.maximum if counter.maximum is not None else last.value, first.value, last.value)
    gained = last.value - base.value
    if gained < -RESOLUTION_KWH / 2:
        # The counter fell inside the day: what it had gained before, and what it shows since its restart.
        after = last.value if last.value <= RESTART_CREDIT_KWH else 0.0
        gained = (top - base.value) + after
        repairs = (*repairs, _("The counter started again during the day."))
    if gained > MAX_DAY_KWH or (counter.before is None and first.value == 0.0 and top > MAX_DAY_KWH / 10):
        kwh = of_reader().number(gained)
        return unknown(day.date, _("The counter jumped by %(kwh)s kWh, which no inverter makes in a day.", kwh=kwh))
    return DayEnergy(day.date, max(gained, 0.0), EnergySource.COUNTER, _coverage(day, base.at, last.at, now), repairs)


def _base(before: Sample | None, first: Sample, last: Sample) -> tuple[Sample, tuple[str, ...]]:
    """The sample the day is counted from, and what had to be decided for it."""
    if before is None:
        return first, ()
    gap_kwh = first.value - before.value
    if max(first.value, last.value) < before.value - RESOLUTION_KWH / 2:
        return first, (_("The counter started again since the day before."),)
    if before.value == 0.0 and gap_kwh > RESTART_CREDIT_KWH:
        return first, (_("A counter of 0 the evening before was no measurement."),)
    if first.at - before.at <= CREDITED_GAP:
        return before, ()
    if gap_kwh > RESOLUTION_KWH / 2:
        kwh = of_reader().number(gap_kwh, 1)
        sentence = _("%(kwh)s kWh came in while nothing was received; they belong to no single day.", kwh=kwh)
        return first, (sentence,)
    return first, ()


def from_day_counter(day: Day, counter: CounterDay, now: datetime) -> DayEnergy:
    """Energy of ``day`` by the publisher's own day counter (kWh), which may reset late or not at all."""
    first, last, before = counter.first, counter.last, counter.before
    if first is None or last is None:
        return unknown(day.date)
    repairs: tuple[str, ...] = (OWN_DAY_COUNTER,)
    value = last.value
    if before is not None and first.value >= before.value > 0 and last.value >= first.value:
        value = last.value - before.value
        repairs = (*repairs, _("It did not start again at midnight; only what it gained is counted."))
    return DayEnergy(day.date, value, EnergySource.DAY_COUNTER, _coverage(day, day.start, last.at, now), repairs)


def from_power(day: Day, windows: Sequence[tuple[datetime, float]], window_s: float) -> DayEnergy:
    """Energy of ``day`` by the means (W) of power windows; a silence of more than 15 minutes counts nothing."""
    if not windows:
        return unknown(day.date)
    joules = counted_s = lost_s = 0.0
    previous: tuple[datetime, float] | None = None
    for at, watts in windows:
        if previous:
            gap_s = (at - previous[0]).total_seconds() - window_s
            if gap_s > MAX_POWER_GAP_S:
                lost_s += gap_s
            else:
                joules += gap_s * max((previous[1] + watts) / 2, 0.0)
                counted_s += gap_s
        joules += window_s * max(watts, 0.0)
        counted_s += window_s
        previous = (at, watts)
    coverage = counted_s / (counted_s + lost_s)
    repairs = (FROM_POWER,)
    return DayEnergy(day.date, joules / 3_600_000, EnergySource.POWER, coverage, repairs)


def best(*candidates: DayEnergy) -> DayEnergy:
    """The first candidate that knows a value, with the repairs of those before it; else the first."""
    noted: tuple[str, ...] = ()
    for candidate in candidates:
        if candidate.kwh is not None:
            return DayEnergy(
                candidate.date, candidate.kwh, candidate.source, candidate.coverage, noted + candidate.repairs
            )
        noted += candidate.repairs
    return candidates[0]


def total(energies: Sequence[DayEnergy]) -> float | None:
    """The sum over inverters of one day; None where no inverter knows anything. Each inverter is counted by itself,
    so that one that sleeps or restarts does not shrink the sum.
    """
    known = [energy.kwh for energy in energies if energy.kwh is not None]
    return sum(known) if known else None


def _coverage(day: Day, since: datetime, until: datetime, now: datetime) -> float:
    """The share of the day so far between two samples of a counter."""
    so_far_s = (min(day.end, max(now, until)) - day.start).total_seconds()
    covered_s = (min(until, day.end) - max(since, day.start)).total_seconds()
    return min(max(covered_s / so_far_s, 0.0), 1.0) if so_far_s > 0 else 0.0
