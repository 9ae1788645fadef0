"""What the store knows about a day: power for curves, energy by the best source. A store that is away is said once."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime

import structlog

from portal.dashboard import energy
from portal.dashboard.days import Day
from portal.dashboard.energy import DayEnergy
from portal.dashboard.production import POWER_QUANTITIES, power_of
from schema.timeseries.port import SeriesReader, Source, StoreError, StoreUnavailable, Window

_log = structlog.get_logger(__name__)

WINDOW_S = 300
"""Five minutes: what loggers resolve, and fine enough for a day on any screen."""
LIFETIME = "total_energy"
DAY_COUNTER = "day_energy"


class HistoryAway(Exception):
    """The store did not answer: show what the live row has, and say so."""


class History:
    """Asks the store patiently but not for ever, and not everything at once.

    A server that did not answer is left alone for ``rest_s``, so that a page of fifty inverters waits once, not fifty
    times. ``clock`` is a monotonic one, in seconds.
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
        self._places = asyncio.Semaphore(at_once)

    async def day_windows(self, source: Source, day: Day, now: datetime) -> Sequence[Window]:
        """Five-minute means of all power quantities in ``day``. Raises ``HistoryAway``."""
        async with self._asking(source.server, "windows"):
            return await self._reader.windows(source, POWER_QUANTITIES, day.start, min(day.end, now), WINDOW_S)

    async def energies(self, source: Source, days: Sequence[Day], now: datetime) -> Sequence[DayEnergy]:
        """The energy of each day by its best source, in their order. Raises ``HistoryAway``."""
        async with self._asking(source.server, "energies"):
            return await self._energies(source, [replace(day, end=min(day.end, now)) for day in days], now)

    async def _energies(self, source: Source, days: Sequence[Day], now: datetime) -> Sequence[DayEnergy]:
        counters = await self._reader.counter_days(source, LIFETIME, [(day.start, day.end) for day in days])
        known = [energy.from_counter(day, counter, now) for day, counter in zip(days, counters, strict=True)]
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
        points = power_points(await self._reader.windows(source, POWER_QUANTITIES, first, last, WINDOW_S))
        for index in open_days:
            day = days[index]
            inside = [point for point in points if day.start <= point[0] < day.end]
            known[index] = energy.best(known[index], energy.from_power(day, inside, WINDOW_S))
        return known

    @asynccontextmanager
    async def _asking(self, server: str, what: str) -> AsyncIterator[None]:
        """One question: waits for its turn, gives up after the patience, and turns every failure into one."""
        async with self._places:
            if self._clock() < self._away_until.get(server, 0.0):
                raise HistoryAway
            try:
                async with asyncio.timeout(self._patience_s):
                    yield
            except (StoreError, TimeoutError) as error:
                if isinstance(error, StoreUnavailable | TimeoutError):
                    self._away_until[server] = self._clock() + self._rest_s
                _log.warning("history.away", question=what, error=type(error).__name__)
                raise HistoryAway from error


def power_points(windows: Sequence[Window]) -> Sequence[tuple[datetime, float]]:
    """Start and production (W) of each window that tells it."""
    told = ((window.start, power_of(window.means)) for window in windows)
    return [(start, watts) for start, watts in told if watts is not None]
