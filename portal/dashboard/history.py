"""What the store knows about a day: power for curves, energy by the best source. A store that is away is said once."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID
from weakref import WeakValueDictionary

import structlog

from portal.dashboard import energy, replaced
from portal.dashboard.days import Day
from portal.dashboard.energy import DayEnergy
from portal.dashboard.production import POWER_QUANTITIES, power_of
from schema.quantities import TIME_ESTIMATED
from schema.timeseries.port import Sample, SeriesReader, Source, StoreError, StoreUnavailable, Window

_log = structlog.get_logger(__name__)

WINDOW_S = 300
"""Five minutes: what loggers resolve, and fine enough for a day on any screen."""
_NOT_ONES_FAULT = 3
"""So many owners wait in vain at one time: it is the server and none of them."""
LIFETIME = "total_energy"
DAY_COUNTER = "day_energy"


@dataclass(frozen=True, slots=True)
class Device:
    """What is known of the devices behind a history: their rated power (W), and when one was replaced."""

    rated_power_w: int | None = None
    replaced_at: Sequence[datetime] = ()


SAME_DEVICE = Device()


class HistoryAway(Exception):
    """The store did not answer: show what the live row has, and say so."""


class History:
    """Asks the store patiently but not for ever, not everything at once, and for each owner half of that at most.

    A server that did not answer is left alone for ``rest_s``, so that a page of fifty inverters waits once, not fifty
    times. An answer that takes too long may be the question's fault: only its owner rests, until it happens to others
    too. ``clock`` is a monotonic one, in seconds.
    """

    def __init__(
        self,
        reader: SeriesReader,
        *,
        patience_s: float = 4.0,
        rest_s: float = 5.0,
        at_once: int = 8,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader = reader
        self._patience_s = patience_s
        self._rest_s = rest_s
        self._clock = clock
        self._away_until: dict[str, float] = {}
        self._slow_until: dict[str, dict[UUID, float]] = {}
        self._places = asyncio.Semaphore(at_once)
        self._most_of_one = max(1, at_once // 2)
        self._shares: WeakValueDictionary[UUID, asyncio.Semaphore] = WeakValueDictionary()

    async def day_windows(self, source: Source, day: Day, now: datetime) -> Sequence[Window]:
        """Five-minute means of all power quantities in ``day``; ``TIME_ESTIMATED`` is among them where a time is an
        estimate. Raises ``HistoryAway``.
        """
        async with self._asking(source, "windows"):
            wanted = (*POWER_QUANTITIES, TIME_ESTIMATED)
            return await self._reader.windows(source, wanted, day.start, min(day.end, now), WINDOW_S)

    async def windows(
        self, source: Source, quantities: Sequence[str], start: datetime, end: datetime, every_s: int
    ) -> Sequence[Window]:
        """Means of any quantities in [start, end). Raises ``HistoryAway``."""
        async with self._asking(source, "windows"):
            return await self._reader.windows(source, quantities, start, end, every_s)

    async def energies(
        self, source: Source, days: Sequence[Day], now: datetime, device: Device = SAME_DEVICE
    ) -> Sequence[DayEnergy]:
        """The energy of each day by its best source, in their order. Raises ``HistoryAway``."""
        async with self._asking(source, "energies"):
            return await self._energies(source, [replace(day, end=min(day.end, now)) for day in days], now, device)

    async def _energies(
        self, source: Source, days: Sequence[Day], now: datetime, device: Device
    ) -> Sequence[DayEnergy]:
        counters = await self._reader.counter_days(source, LIFETIME, [(day.start, day.end) for day in days])
        known = [energy.from_counter(day, counter, now) for day, counter in zip(days, counters, strict=True)]
        for index, day in enumerate(days):
            if counters[index].first is not None and replaced.is_near(day, device.replaced_at):
                mended = await self._round_a_replacement(source, day, now, device, counters[index].before)
                known[index] = mended or known[index]
        open_days = [index for index, found in enumerate(known) if found.kwh is None]
        if not open_days:
            return known
        ranges = [(days[index].start, days[index].end) for index in open_days]
        for index, counter in zip(open_days, await self._reader.counter_days(source, DAY_COUNTER, ranges), strict=True):
            known[index] = energy.best(known[index], energy.from_day_counter(days[index], counter, now))
        open_days = [index for index in open_days if known[index].kwh is None]
        if not open_days:
            return known
        first, last = days[open_days[0]].start, days[open_days[-1]].end
        wanted = (*POWER_QUANTITIES, TIME_ESTIMATED)
        # Power whose time is an estimate says what there was, not how long: it is not integrated (DESIGN 4.4).
        windows = [
            window
            for window in await self._reader.windows(source, wanted, first, last, WINDOW_S)
            if TIME_ESTIMATED not in window.means
        ]
        points = power_points(windows)
        for index in open_days:
            day = days[index]
            inside = [point for point in points if day.start <= point[0] < day.end]
            known[index] = energy.best(known[index], energy.from_power(day, inside, WINDOW_S))
        return known

    async def _round_a_replacement(
        self, source: Source, day: Day, now: datetime, device: Device, before: Sample | None
    ) -> DayEnergy | None:
        """The day put together of what each device counted; None where its counter goes on as one, from ``before``."""
        start, end = replaced.looked_at(day)
        windows = await self._reader.windows(source, [LIFETIME], start, end, WINDOW_S)
        points = replaced.counter_points(windows, LIFETIME)
        begun = before.at if before is not None else day.start
        every = timedelta(seconds=WINDOW_S)
        found = [part for part in replaced.breaks(points, device.rated_power_w, every) if part[1] > begun]
        if not found:
            return None
        counters = await self._reader.counter_days(source, LIFETIME, replaced.parts_of(day, found))
        return replaced.joined(day, found, counters, now)

    @asynccontextmanager
    async def _asking(self, source: Source, what: str) -> AsyncIterator[None]:
        """One question: waits for its turn, gives up after the patience, and turns every failure into one."""
        share = self._shares.get(source.owner_id) or asyncio.Semaphore(self._most_of_one)
        self._shares[source.owner_id] = share
        async with share, self._places:
            if self._rests(source):
                raise HistoryAway
            try:
                async with asyncio.timeout(self._patience_s):
                    yield
            except (StoreError, TimeoutError) as error:
                if isinstance(error, StoreUnavailable):
                    self._away_until[source.server] = self._clock() + self._rest_s
                elif isinstance(error, TimeoutError):
                    self._took_too_long(source)
                _log.warning("history.away", question=what, error=type(error).__name__)
                raise HistoryAway from error

    def _rests(self, source: Source) -> bool:
        slow = self._slow_until.get(source.server, {})
        until = max(self._away_until.get(source.server, 0.0), slow.get(source.owner_id, 0.0))
        return self._clock() < until

    def _took_too_long(self, source: Source) -> None:
        now, slow = self._clock(), self._slow_until.get(source.server, {})
        slow = {owner: until for owner, until in slow.items() if until > now} | {source.owner_id: now + self._rest_s}
        self._slow_until[source.server] = slow
        if len(slow) >= _NOT_ONES_FAULT:
            self._away_until[source.server] = now + self._rest_s


def power_points(windows: Sequence[Window]) -> Sequence[tuple[datetime, float]]:
    """Start and production (W) of each window that tells it."""
    told = ((window.start, power_of(window.means)) for window in windows)
    return [(start, watts) for start, watts in told if watts is not None]
