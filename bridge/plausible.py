"""Sets values aside that cannot be true: outside the catalogue's range, known bad numbers, counters that jump. Pure.

Sources: the ranges of ``schema.quantities``; known bad values of ``mqtt-publishers.md`` section 3 (KB #2, #309,
SS #398, HS #822: 65535 and 65534; KB #115, ODTU #2730: lifetime counters that fall to 0 at dusk or at a restart).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from schema.quantities import CATALOGUE, MAX_EXTRA_PER_INVERTER, Kind
from schema.readings import Reading

# 16-bit registers that were never filled; in W nothing real is exactly this.
_EMPTY_REGISTERS = frozenset({65534.0, 65535.0, -65534.0, -65535.0})
_RATED_FACTOR = 1.5
_RATED = frozenset({"ac_power"})
_WATTS = frozenset(name for name, quantity in CATALOGUE.items() if quantity.unit == "W")
_LIFETIME = frozenset(name for name, quantity in CATALOGUE.items() if quantity.kind is Kind.LIFETIME_COUNTER)
_RANGES = {name: (quantity.low, quantity.high) for name, quantity in CATALOGUE.items()}
# Judged by their range alone: most values of most readings.
_PLAIN = {name: limits for name, limits in _RANGES.items() if name not in _WATTS | _LIFETIME | _RATED}
# Nothing residential delivers more; the slack covers coarse counters and clocks.
_FASTEST_KW = 200.0
_SLACK_KWH = 10.0
# A counter that goes on from its new value this often was replaced or reset, not disturbed.
_PERSISTENT = 10


@dataclass(slots=True)
class _Counter:
    value: float
    at: datetime
    doubted: float = 0.0
    doubts: int = 0


class LifetimeMemory:
    """The last accepted value of every lifetime counter, by inverter."""

    def __init__(self) -> None:
        self._counters: dict[tuple[UUID, str], _Counter] = {}

    def remember(self, inverter_id: UUID, values: Mapping[str, float], at: datetime) -> None:
        """Start from values known before, for example those of the live row."""
        for name in _LIFETIME & values.keys():
            self._counters[inverter_id, name] = _Counter(values[name], at)

    def fault(self, inverter_id: UUID, name: str, value: float, at: datetime) -> str:
        """Why ``value`` cannot follow on the last one, or an empty text; accepted values are remembered."""
        counter = self._counters.get((inverter_id, name))
        if counter is None:
            self._counters[inverter_id, name] = _Counter(value, at)
            return ""
        hours = (at - counter.at).total_seconds() / 3600
        if hours < 0:
            # An older reading, delivered late: it cannot judge nor be judged.
            return ""
        why = self._judged(counter, value, hours)
        if not why:
            counter.value, counter.at, counter.doubts = value, at, 0
        return why

    @staticmethod
    def _judged(counter: _Counter, value: float, hours: float) -> str:
        if value == 0 and counter.value > 0:
            return "fell to 0"
        falls = value < counter.value - _SLACK_KWH / 10
        jumps = value > counter.value + _SLACK_KWH + _FASTEST_KW * hours
        if not falls and not jumps:
            return ""
        steady = counter.doubts > 0 and 0 <= value - counter.doubted <= _SLACK_KWH
        counter.doubts = counter.doubts + 1 if steady else 1
        counter.doubted = value
        if counter.doubts >= _PERSISTENT:
            return ""
        return f"fell from {counter.value:g}" if falls else f"jumped from {counter.value:g}"


@dataclass(frozen=True, slots=True)
class Judged:
    """What may be stored of a reading, and one line naming what was set aside (empty where nothing was)."""

    values: dict[str, float]
    extra: dict[str, float]
    aside: str


class Plausibility:
    """Judges readings; remembers lifetime counters and which extra names each inverter has used."""

    def __init__(self, newest: Callable[[UUID], tuple[Mapping[str, float], datetime | None]]) -> None:
        """``newest`` gives an inverter's last known values, so that counters are judged across a restart too."""
        self._newest = newest
        self._memory = LifetimeMemory()
        self._known: set[UUID] = set()
        self._extras: dict[UUID, set[str]] = {}

    def judge(self, inverter_id: UUID, rated_power_w: int | None, reading: Reading) -> Judged:
        """Sift a reading's values and keep to the limit of extra names."""
        if inverter_id not in self._known:
            self._known.add(inverter_id)
            values, at = self._newest(inverter_id)
            if at is not None:
                self._memory.remember(inverter_id, values, at)
        kept: dict[str, float] = {}
        aside: list[str] = []
        for name, value in reading.values.items():
            if name in _PLAIN:
                low, high = _PLAIN[name]
                if low <= value <= high:
                    kept[name] = value
                    continue
            why = self._fault(inverter_id, rated_power_w, name, value, reading.at)
            if why:
                aside.append(f"{name} {value:g} {why}")
            else:
                kept[name] = value
        return Judged(kept, self._few(inverter_id, reading.extra) if reading.extra else {}, "; ".join(aside))

    def _fault(self, inverter_id: UUID, rated_power_w: int | None, name: str, value: float, at: datetime) -> str:
        low, high = _RANGES[name]
        if not low <= value <= high:
            return f"is outside {low:g} to {high:g}"
        if value in _EMPTY_REGISTERS and name in _WATTS:
            return "is an empty register"
        if name in _RATED and rated_power_w and abs(value) > rated_power_w * _RATED_FACTOR:
            return f"is more than the inverter's {rated_power_w} W allow"
        return self._memory.fault(inverter_id, name, value, at) if name in _LIFETIME else ""

    def _few(self, inverter_id: UUID, extra: Mapping[str, float]) -> dict[str, float]:
        known = self._extras.setdefault(inverter_id, set())
        kept: dict[str, float] = {}
        for name, value in extra.items():
            if name in known or len(known) < MAX_EXTRA_PER_INVERTER:
                known.add(name)
                kept[name] = value
        return kept
