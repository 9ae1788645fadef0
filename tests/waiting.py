"""Waits for conditions instead of sleeping, with a limit that only a failure reaches."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

LIMIT_S = 15.0

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


async def _ready(value: ValueT) -> ValueT:
    return value
