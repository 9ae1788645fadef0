"""One line in the log for a trouble that lasts, not one for each turn of a loop. Pure: the clock is handed in."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

AGAIN_S = 60.0


class Warns(Protocol):
    """A logger of structlog's."""

    def warning(self, event: str, **details: Any) -> Any:
        """Say it."""


class Seldom:
    """Says when to speak: at once, then once a minute while the trouble lasts."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._spoken_at: float | None = None
        self.times = 0

    def due(self) -> bool:
        """The trouble is there; whether to say so now. ``times`` counts how often it was seen."""
        self.times += 1
        now = self._monotonic()
        if self._spoken_at is not None and now - self._spoken_at < AGAIN_S:
            return False
        self._spoken_at = now
        return True

    def over(self) -> bool:
        """The trouble is gone; whether it had been there."""
        was = self._spoken_at is not None
        self._spoken_at = None
        self.times = 0
        return was

    @contextmanager
    def outlived(self, faults: tuple[type[Exception], ...], log: Warns, event: str) -> Iterator[None]:
        """One turn of a loop that outlives these faults: each is logged as ``event`` when it is due, and swallowed."""
        try:
            yield
        except faults as fault:
            if self.due():
                log.warning(event, detail=type(fault).__name__, times=self.times)
        else:
            self.over()
