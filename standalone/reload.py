"""When the broker must load its password file again. Pure: the clock is handed in, signals are sent by the caller.

Never between a broker's start and the bridge's first connection: messages in between would be lost (measured on 2.0.11
and 2.0.22). At start the broker reads the file by itself, so nothing is owed then. Each reload makes it check every
connected client again, so changes that come close together share one.
"""

from dataclasses import dataclass

DEBOUNCE_S = 2.0


@dataclass(slots=True)
class ReloadRule:
    """What one broker process has loaded. Times are monotonic seconds."""

    loaded: int | None = None
    bridge_was_here: bool = False
    last_reload: float = float("-inf")

    def broker_starts(self, generation: int | None) -> None:
        """A new process; ``generation`` was read before it started, so it has loaded at least that."""
        self.loaded = generation
        self.bridge_was_here = False

    def bridge_connected(self) -> None:
        """From now on a reload costs no message."""
        self.bridge_was_here = True

    def is_due(self, generation: int | None, *, now: float) -> bool:
        """Whether to send SIGHUP now for ``generation``; the first change at once, the next ones after a pause."""
        return (
            generation is not None
            and generation != self.loaded
            and self.bridge_was_here
            and now - self.last_reload >= DEBOUNCE_S
        )

    def reloaded(self, generation: int, *, now: float) -> None:
        """SIGHUP was sent for ``generation``."""
        self.loaded = generation
        self.last_reload = now
