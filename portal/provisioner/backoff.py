"""When to try again: twice as long after each failure, up to a limit, diced so that retries do not march."""

from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass, field

FIRST_S = 1.0
LONGEST_S = 60.0


@dataclass(slots=True)
class Backoff:
    """Failures per key. ``clock`` is monotonic seconds, ``dice`` gives 0 to 1."""

    clock: Callable[[], float]
    dice: Callable[[], float]
    _failures: dict[Hashable, int] = field(default_factory=dict)
    _due: dict[Hashable, float] = field(default_factory=dict)

    def is_due(self, key: Hashable) -> bool:
        """Whether ``key`` may be tried now."""
        return self._due.get(key, 0.0) <= self.clock()

    def failed(self, key: Hashable) -> float:
        """Wait before the next try; returns the seconds."""
        failures = self._failures.get(key, 0)
        delay = min(LONGEST_S, FIRST_S * 2.0 ** min(failures, 16)) * (0.5 + self.dice() / 2)
        self._failures[key] = failures + 1
        self._due[key] = self.clock() + delay
        return delay

    def succeeded(self, key: Hashable) -> None:
        """Forget what went wrong before."""
        self._failures.pop(key, None)
        self._due.pop(key, None)

    def due_in_s(self, key: Hashable) -> float:
        """Seconds until ``key`` may be tried, 0 where it may be now."""
        return max(0.0, self._due.get(key, 0.0) - self.clock())

    def only(self, keys: Collection[Hashable]) -> None:
        """Forget every other key: whatever it stood for is not wanted any more."""
        for key in self._due.keys() - set(keys):
            self.succeeded(key)

    def next_due_s(self) -> float | None:
        """Seconds until the first waiting key is due, None where none waits."""
        return max(0.0, min(self._due.values()) - self.clock()) if self._due else None
