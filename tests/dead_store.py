"""A fake of the reading port: a store that is away, for pages that must not break with it."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from schema.timeseries.port import CounterDay, Sample, Source, StoreUnavailable, Window


class DeadReader:
    """A store that is away, or one that never answers; counts how often it was asked."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.asked: list[tuple[object, ...]] = []
        self._hangs = hangs

    async def _die(self, *asked: object) -> None:
        self.asked.append(asked)
        if self._hangs:
            await asyncio.Event().wait()
        raise StoreUnavailable("nobody answered")

    async def latest(self, source: Source, since: datetime) -> dict[str, Sample]:
        await self._die(source, since)
        return {}

    async def windows(
        self, source: Source, quantities: Sequence[str], start: datetime, end: datetime, every_s: int
    ) -> list[Window]:
        await self._die(source, quantities, start, end, every_s)
        return []

    async def counter_days(
        self, source: Source, quantity: str, ranges: Sequence[tuple[datetime, datetime]]
    ) -> list[CounterDay]:
        await self._die(source, quantity, ranges)
        return []

    async def close(self) -> None:
        """Nothing to close."""
