"""Notices that the process has stood still (SIGSTOP, a paused container, a starved machine) before anything else runs.

The event loop waits in its selector; a process that is stopped there wakes there. So the selector compares the clock
with the time it was to wait, and whoever listens is told before the loop handles a single event. What a callback was
in the middle of is told when it has ended.
"""

import asyncio
import selectors
import time
from collections.abc import Callable

FROZEN_S = 8.0


class WatchfulSelector(selectors.DefaultSelector):
    """``on_gap`` gets the seconds that are missing, when they are more than ``FROZEN_S``."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.on_gap: Callable[[float], None] | None = None
        self._monotonic = monotonic
        self._returned = monotonic()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """As its parent; tells of a gap first."""
        entered = self._monotonic()
        self._judge(entered - self._returned)
        events = super().select(timeout)
        self._returned = self._monotonic()
        if timeout is not None:
            self._judge(self._returned - entered - max(0.0, timeout))
        return events

    def _judge(self, gap: float) -> None:
        if gap > FROZEN_S and self.on_gap is not None:
            self.on_gap(gap)


def loop_with(selector: WatchfulSelector) -> asyncio.AbstractEventLoop:
    """An event loop that waits in this selector."""
    return asyncio.SelectorEventLoop(selector)
