"""One bridge per host: a second one waits for the first one's lock (DESIGN 4.2, "One active bridge per broker")."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from bridge.clock import Clock

_log = structlog.get_logger(__name__)

_ASK_AGAIN_S = 0.5


@asynccontextmanager
async def only_bridge(data_dir: Path, clock: Clock, stopping: asyncio.Event) -> AsyncIterator[bool]:
    """Hold ``bridge.lock``; the kernel frees it when the process ends, however that happens.

    Yields False where the waiting was ended by ``stopping``.
    """
    await asyncio.to_thread(data_dir.mkdir, parents=True, exist_ok=True)
    handle = os.open(data_dir / "bridge.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        told = False
        while not (taken := _taken(handle)) and not stopping.is_set():
            if not told:
                _log.warning("bridge.standing_by", detail="another bridge holds bridge.lock")
                told = True
            await clock.sleep(_ASK_AGAIN_S)
        yield taken
    finally:
        os.close(handle)


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
