"""Notices an interrupt that was sent to ``make`` alone: make passes SIGTERM on to its recipe, but not SIGINT.

While make sits in its signal handler waiting for us, the signal is blocked there, and Linux says so in ``/proc``. Where
there is no ``/proc`` nothing is noticed; Ctrl-C at a terminal reaches us anyway, for it goes to the whole group.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

POLL_S = 0.3
_NAMES = {"make", "gmake"}


def interrupted(status: str) -> bool:
    """Whether the process with this ``/proc/<pid>/status`` is handling SIGINT right now."""
    masks = (line.split()[1] for line in status.splitlines() if line.startswith("SigBlk:"))
    return any(int(mask, 16) >> (signal.SIGINT - 1) & 1 for mask in masks)


async def watch_make(stop: Callable[[], None]) -> None:
    """Call ``stop`` once make was interrupted or is gone. Returns then, or at once where make is not our parent.

    Whoever starts a process blocks all signals for an instant, so only what is seen twice is an interrupt.
    """
    parent = os.getppid()
    about, sightings = Path(f"/proc/{parent}"), 0
    try:
        # MAKELEVEL alone says only that make is among our ancestors.
        if "MAKELEVEL" not in os.environ or (about / "comm").read_text().strip() not in _NAMES:
            return
        while os.getppid() == parent and sightings < 2:
            sightings = sightings + 1 if interrupted((about / "status").read_text()) else 0
            await asyncio.sleep(POLL_S)
    except OSError:
        return
    stop()
