"""What a task of the portal does for as long as the portal lives: one turn after the other, whatever becomes of one."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any


async def again_and_again(turn: Callable[[], Awaitable[object]], *, every_s: float, log: Any, failed: str) -> None:
    """Take turns until cancelled; one that fails is logged as ``failed``, and the next one tries again."""
    while True:
        try:
            await turn()
        except Exception:  # one turn of a loop: logged, and the next one tries again
            log.exception(failed)
        await asyncio.sleep(every_s)
