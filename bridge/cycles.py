"""Assembles scalars of one device into readings (DESIGN 4.4). Pure: the clock is handed in.

A cycle's time is its first scalar's arrival. It ends at the dialect's start marker, at a repeated topic, or when it is
too old. Parts leave after a short quiet, at an age, or all at once when the window gets full; all parts of a cycle have
the same time, so they merge in the store, and each part settles its own messages.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from bridge.decoded import Scalar

QUIET_S = 0.3
PART_AGE_S = 0.7
# A publisher that sends a topic only when it changes never repeats one: what comes this late is another cycle.
CYCLE_AGE_S = 10.0

_TICK = timedelta(milliseconds=1)

SourceT = TypeVar("SourceT", bound=Hashable)


@dataclass(slots=True)
class Cycle:
    """An open cycle: everything it has shown, and what of it has not left yet."""

    at: datetime
    opened: float
    values: dict[str, float] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    fresh: list[str] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    part_opened: float = 0.0
    touched: float = 0.0
    topic: str = ""


@dataclass(frozen=True, slots=True)
class Part(Generic[SourceT]):
    """What leaves together: ``fresh`` names the values that are new, ``values`` all of the cycle so far."""

    source: SourceT
    at: datetime
    values: dict[str, float]
    fresh: list[str]
    seen: frozenset[str]
    tokens: list[int]
    topic: str


class Cycles(Generic[SourceT]):
    """The open cycles by source (a feed and its device)."""

    def __init__(self) -> None:
        self._cycles: dict[SourceT, Cycle] = {}
        self._waiting: dict[SourceT, Cycle] = {}
        self._last: dict[SourceT, datetime] = {}

    @property
    def held(self) -> int:
        """Messages that wait in parts."""
        return sum(len(cycle.tokens) for cycle in self._waiting.values())

    def add(
        self, source: SourceT, scalar: Scalar, token: int, *, topic: str, at: datetime, now: float
    ) -> Part[SourceT] | None:
        """Take one scalar in; the part of the cycle before, if this scalar ended it. ``now`` is monotonic seconds."""
        cycle = self._cycles.get(source)
        ended = None
        if cycle is None or scalar.tail in cycle.seen or now - cycle.opened > CYCLE_AGE_S:
            ended = self.end(source)
            cycle = self._cycles[source] = Cycle(at=self._own_time(source, at), opened=now)
        if not cycle.tokens:
            cycle.part_opened = now
            self._waiting[source] = cycle
        cycle.values[scalar.name] = scalar.value
        cycle.seen.add(scalar.tail)
        cycle.fresh.append(scalar.name)
        cycle.tokens.append(token)
        cycle.touched = now
        cycle.topic = topic
        return ended

    def _own_time(self, source: SourceT, at: datetime) -> datetime:
        """``at``, or a millisecond after the cycle before: cycles of a backlog arrive at once and must not merge."""
        last = self._last.get(source)
        if last is not None and at - last < _TICK:
            at = last + _TICK
        self._last[source] = at
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

    def flush(self) -> list[Part[SourceT]]:
        """Every part, now; the cycles stay open."""
        return self._all(list(self._waiting))

    def _all(self, sources: list[SourceT]) -> list[Part[SourceT]]:
        return [part for source in sources if (part := self._leave(source)) is not None]

    def _leave(self, source: SourceT) -> Part[SourceT] | None:
        cycle = self._waiting.pop(source, None)
        if cycle is None:
            return None
        part = Part(source, cycle.at, dict(cycle.values), cycle.fresh, frozenset(cycle.seen), cycle.tokens, cycle.topic)
        cycle.fresh, cycle.tokens = [], []
        return part
