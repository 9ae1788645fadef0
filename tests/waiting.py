"""Waits for conditions instead of sleeping, with a limit that only a failure reaches."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Self, TypeVar

LIMIT_S = 15.0
_TICK_S = 0.05

ValueT = TypeVar("ValueT")


async def until(condition: Callable[[], ValueT], *, limit_s: float = LIMIT_S) -> ValueT:
    """Let the loop run until ``condition()`` is true; its value."""
    return await until_async(lambda: _ready(condition()), limit_s=limit_s)


async def until_async(condition: Callable[[], Awaitable[ValueT]], *, limit_s: float = LIMIT_S) -> ValueT:
    """The same for a condition that has to be awaited."""
    deadline = time.monotonic() + limit_s
    turns = 0
    while not (value := await condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {limit_s} s")
        turns += 1
        # The first turns let ready tasks run; after that somebody waits for the outside world.
        await asyncio.sleep(0 if turns < 100 else 0.005)
    return value


class StandStill:
    """Watches how long this event loop stands still at most, whatever the reason: ``async with``."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._watching = asyncio.create_task(self._watch(), name="stand_still")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            slept_at = time.monotonic()
            await asyncio.sleep(_TICK_S)
            self.longest_s = max(self.longest_s, time.monotonic() - slept_at - _TICK_S)


async def _ready(value: ValueT) -> ValueT:
    return value
