"""Day energy round a device that was replaced: its lifetime counter goes on somewhere else, higher or lower. Pure.

A counter that falls is mended by ``energy`` alone, but one that goes on *higher* looks like energy that came in during
a silence. So round the time that its owner named, give or take some days, steps that no inverter makes are looked for,
and the day is put together of the parts between them.
"""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from portal.dashboard import energy
from portal.dashboard.days import Day
from portal.dashboard.energy import CREDITED_GAP, RESOLUTION_KWH, DayEnergy, EnergySource
from portal.words import _
from schema.timeseries.port import CounterDay, Window

NEAR = timedelta(days=7)
"""Owners tell of it when they find the time: before the new device speaks, or days afterwards."""
WITHOUT_RATING_KW = 30.0
"""What an inverter of unknown size may make; the claims' evidence takes the same."""
_FACTOR = 1.5
_SLACK_KWH = 0.5
# What came in during a longer silence is believed no further than this, near a replacement.
_MOST_GAP_H = 1.0

Part = tuple[datetime, datetime]


def is_near(day: Day, changes: Sequence[datetime]) -> bool:
    """Whether a device was replaced within some days of this one."""
    return any(day.start - NEAR <= change <= day.end + NEAR for change in changes)


def looked_at(day: Day) -> Part:
    """Where steps are looked for: the day, and the evening it is counted from."""
    return day.start - CREDITED_GAP, day.end


def breaks(counter: Sequence[tuple[datetime, float]], rated_w: int | None, window: timedelta) -> list[Part]:
    """Between which times the counter (means of windows, kWh) goes on as another one.

    The windows on both sides are left out with the step: either may have values of both devices in its mean.
    """
    most_kw = _FACTOR * rated_w / 1000 if rated_w else WITHOUT_RATING_KW
    found: list[Part] = []
    for (start, before), (end, after) in itertools.pairwise(counter):
        hours = min((end - start) / timedelta(hours=1), _MOST_GAP_H)
        if -RESOLUTION_KWH / 2 <= after - before <= _SLACK_KWH + most_kw * hours:
            continue
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], end + window)
        else:
            found.append((start, end + window))
    return found


def counter_points(windows: Sequence[Window], name: str) -> list[tuple[datetime, float]]:
    """Start and mean of each window that has the counter."""
    return [(window.start, window.means[name]) for window in windows if name in window.means]


def parts_of(day: Day, found: Sequence[Part]) -> list[Part]:
    """The day without its breaks, in order; empty parts are left out."""
    parts: list[Part] = []
    start = day.start
    for broken_at, whole_at in found:
        if start < min(broken_at, day.end):
            parts.append((start, min(broken_at, day.end)))
        start = max(start, whole_at)
    if start < day.end:
        parts.append((start, day.end))
    return parts


def joined(day: Day, found: Sequence[Part], counters: Sequence[CounterDay], now: datetime) -> DayEnergy:
    """The day's energy by the counters of its parts: none is counted from a sample on the other side of a break."""
    kwh, covered_s = 0.0, 0.0
    repairs = [_("A device was replaced; each one's counter is counted by itself.")]
    known = [part for part in (_part(day, found, counter, now) for counter in counters) if part[1].kwh is not None]
    if not known:
        return energy.unknown(day.date)
    for seconds, part in known:
        kwh += part.kwh or 0.0
        covered_s += part.coverage * seconds
        repairs += [repair for repair in part.repairs if repair not in repairs]
    so_far_s = (min(day.end, max(now, day.start)) - day.start).total_seconds()
    coverage = min(covered_s / so_far_s, 1.0) if so_far_s > 0 else 0.0
    return DayEnergy(day.date, kwh, EnergySource.COUNTER, coverage, tuple(repairs))


def _part(day: Day, found: Sequence[Part], counter: CounterDay, now: datetime) -> tuple[float, DayEnergy]:
    """How many seconds the part has had so far, and its energy."""
    before = counter.before
    if before is not None and any(before.at < whole_at <= counter.start for _broken_at, whole_at in found):
        counter = replace(counter, before=None)
    seconds = (min(counter.end, max(now, counter.start)) - counter.start).total_seconds()
    return seconds, energy.from_counter(Day(day.date, counter.start, counter.end), counter, now)
