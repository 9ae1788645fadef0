"""Assembles scalars of one device into readings (DESIGN 4.4). Pure: the clock is handed in.

A cycle's time is its first scalar's arrival. It ends at the dialect's start marker, at a repeated topic, when it is too
old, or at a scalar of another time. Parts leave after a short quiet, at an age, or all at once when the window gets
full; all parts of a cycle have the same time, so they merge in the store, and each part settles its own messages.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from bridge.decoded import Scalar
from bridge.ports import Delivery

QUIET_S = 0.3
PART_AGE_S = 0.7
# A publisher that sends a topic only when it changes never repeats one: what comes this late is another cycle.
CYCLE_AGE_S = 10.0

_TICK = timedelta(milliseconds=1)
_CYCLE_AGE = timedelta(seconds=CYCLE_AGE_S)

SourceT = TypeVar("SourceT", bound=Hashable)


@dataclass(slots=True)
class Cycle:
    """An open cycle: everything it has shown, and what of it has not left yet."""

    at: datetime
    arrived: datetime
    opened: float
    values: dict[str, float] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    fresh: list[str] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    part_opened: float = 0.0
    touched: float = 0.0
    topic: str = ""
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Part(Generic[SourceT]):
    """What leaves together: ``fresh`` names the values that are new, ``values`` all of the cycle so far.

    ``estimated_for`` is the arrival of a cycle whose time ``at`` is an estimate, else None.
    """

    source: SourceT
    at: datetime
    values: dict[str, float]
    fresh: list[str]
    seen: frozenset[str]
    tokens: list[int]
    topic: str
    estimated_for: datetime | None = None

    @property
    def received_at(self) -> datetime:
        """When its first message arrived."""
        return self.estimated_for or self.at


class Cycles(Generic[SourceT]):
    """The open cycles by source (a feed and its device)."""

    def __init__(self, *, estimates: bool = False) -> None:
        """With ``estimates`` the arrival of what had waited in the broker is an estimate of its time."""
        self._estimates = estimates
        self._cycles: dict[SourceT, Cycle] = {}
        self._waiting: dict[SourceT, Cycle] = {}
        # Of each source's newest cycle: when it arrived, and its time.
        self._last: dict[SourceT, tuple[datetime, datetime]] = {}
        # Messages that wait in parts.
        self.held = 0

    def add(self, source: SourceT, scalar: Scalar, delivery: Delivery, now: float) -> Part[SourceT] | None:
        """Take one scalar in; the part of the cycle before, if this scalar ended it. ``now`` is monotonic seconds."""
        _, tail, name, value = scalar
        cycle = self._cycles.get(source)
        ended = None
        if (
            cycle is None
            or tail in cycle.seen
            or now - cycle.opened > CYCLE_AGE_S
            # A message that was kept as it came is taken up long after it arrived.
            or abs(delivery.received_at - cycle.arrived) > _CYCLE_AGE
        ):
            ended = self.end(source)
            arrived = delivery.received_at
            cycle = self._cycles[source] = Cycle(self._own_time(source, arrived), arrived, now)
            cycle.estimated = self._estimates and delivery.backlog
        if not cycle.tokens:
            cycle.part_opened = now
            cycle.topic = delivery.topic
            self._waiting[source] = cycle
        cycle.values[name] = value
        cycle.seen.add(tail)
        cycle.fresh.append(name)
        cycle.tokens.append(delivery.token)
        cycle.touched = now
        self.held += 1
        return ended

    def _own_time(self, source: SourceT, arrived: datetime) -> datetime:
        """The arrival, or a millisecond after the cycle before: a backlog's arrive at once and must not merge."""
        at = arrived
        if (last := self._last.get(source)) is not None:
            last_arrived, last_at = last
            if abs(arrived - last_arrived) <= _CYCLE_AGE and arrived - last_at < _TICK:
                at = last_at + _TICK
        self._last[source] = arrived, at
        return at

    def end(self, source: SourceT) -> Part[SourceT] | None:
        """End a source's cycle; what of it has not left yet."""
        cycle = self._cycles.pop(source, None)
        return self._leave(source) if cycle is not None else None

    def due(self, now: float) -> list[Part[SourceT]]:
        """Parts that have been quiet, or are old enough. Forgets cycles that can take nothing more."""
        for source in [source for source, cycle in self._cycles.items() if now - cycle.opened > CYCLE_AGE_S]:
            if source not in self._waiting:
                del self._cycles[source]
        ripe = [
            source
            for source, cycle in self._waiting.items()
            if now - cycle.touched >= QUIET_S or now - cycle.part_opened >= PART_AGE_S
        ]
        return self._all(ripe)

    def connection_lost(self) -> None:
        """Forget what is open: the broker sends again what had not left, and that opens other cycles."""
        self._cycles.clear()
        self._waiting.clear()
        self.held = 0

    def flush(self) -> list[Part[SourceT]]:
        """Every part, now; the cycles stay open."""
        return self._all(list(self._waiting))

    def _all(self, sources: list[SourceT]) -> list[Part[SourceT]]:
        return [part for source in sources if (part := self._leave(source)) is not None]

    def _leave(self, source: SourceT) -> Part[SourceT] | None:
        cycle = self._waiting.pop(source, None)
        if cycle is None:
            return None
        arrived = cycle.at if cycle.estimated else None
        part = Part(
            source,
            cycle.at,
            dict(cycle.values),
            cycle.fresh,
            frozenset(cycle.seen),
            cycle.tokens,
            cycle.topic,
            arrived,
        )
        self.held -= len(cycle.tokens)
        cycle.fresh, cycle.tokens = [], []
        return part
