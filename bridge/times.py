"""How long things take: histograms of plain integers, and when the messages in the window arrived. No I/O, no clock.

The hot path pays per batch, not per message: a batch has the waiting time of its oldest message, so every figure is an
upper bound. All times are monotonic seconds.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

# From the fsync of a fast disk (0.1 ms) to a destination that is tried again once a minute.
BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_MOST_MARKS = 4_096


class Histogram:
    """Counts durations in fixed ranges; ``counts`` has one more than there are bounds, for what is longer than all."""

    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.sum_s = 0.0

    def add(self, seconds: float, count: int = 1) -> None:
        """Count ``count`` events that took ``seconds``; a bound belongs to the range below it (Prometheus' ``le``)."""
        self.counts[bisect_left(BOUNDS_S, seconds)] += count
        self.sum_s += seconds * count


class Arrivals:
    """When each batch of messages arrived, looked up by token: tokens rise, so one mark serves a whole batch.

    At most 4,096 marks: beyond that every second one of the older half goes, and its messages count as older than they
    are.
    """

    __slots__ = ("at", "first")

    def __init__(self) -> None:
        self.first: list[int] = []
        self.at: list[float] = []

    def note(self, first_token: int, at: float) -> None:
        """A batch that begins with this token arrived."""
        self.first.append(first_token)
        self.at.append(at)
        if len(self.first) > _MOST_MARKS:
            del self.first[1 : _MOST_MARKS // 2 : 2]
            del self.at[1 : _MOST_MARKS // 2 : 2]

    def of(self, token: int) -> float | None:
        """When the message arrived; None where no mark is that old."""
        place = bisect_right(self.first, token) - 1
        return self.at[place] if place >= 0 else None


@dataclass(slots=True)
class Times:
    """One histogram per stage. ``settled`` is from arrival to the acknowledgement, by outcome."""

    arrivals: Arrivals = field(default_factory=Arrivals)
    decided: Histogram = field(default_factory=Histogram)
    settled: dict[str, Histogram] = field(default_factory=dict)
    store_request: Histogram = field(default_factory=Histogram)
    spool_commit: Histogram = field(default_factory=Histogram)

    def ended(self, tokens: Sequence[int], outcome: str, settled: int, now: Callable[[], float]) -> None:
        """``settled`` messages ended together; they count with the wait of the first of them."""
        # Written out instead of called: there is an end for every message where each one goes by itself.
        place = bisect_right(self.arrivals.first, tokens[0])
        if place:
            seconds = now() - self.arrivals.at[place - 1]
            histogram = self.settled.get(outcome)
            if histogram is None:
                histogram = self.settled[outcome] = Histogram()
            histogram.counts[bisect_left(BOUNDS_S, seconds)] += settled
            histogram.sum_s += seconds * settled
