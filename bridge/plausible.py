"""Sets values aside that cannot be true: outside the catalogue's range, known bad numbers, counters that jump. Pure.

Sources: the ranges of ``schema.quantities``; known bad values of ``mqtt-publishers.md`` section 3 (KB #2, #309,
SS #398, HS #822: 65535 and 65534; KB #115, ODTU #2730: lifetime counters that fall to 0 at dusk or at a restart).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from operator import ge, le
from typing import NamedTuple
from uuid import UUID

from schema.quantities import CATALOGUE, MAX_EXTRA_PER_INVERTER, Kind
from schema.readings import Reading

# 16-bit registers that were never filled; in W nothing real is exactly this.
_EMPTY_REGISTERS = frozenset({65534.0, 65535.0, -65534.0, -65535.0})
_RATED_FACTOR = 1.5
_RATED = "ac_power"
_WATTS = frozenset(name for name, quantity in CATALOGUE.items() if quantity.unit == "W")
_LIFETIME = frozenset(name for name, quantity in CATALOGUE.items() if quantity.kind is Kind.LIFETIME_COUNTER)
_RANGES = {name: (quantity.low, quantity.high) for name, quantity in CATALOGUE.items()}
_STATES = frozenset(name for name, quantity in CATALOGUE.items() if quantity.kind is Kind.STATE)
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


@dataclass(slots=True)
class _Inverter:
    """What is remembered of one inverter: its lifetime counters, and the extra names it has used."""

    counters: dict[str, _Counter] = field(default_factory=dict)
    extras: set[str] = field(default_factory=set)

    def fault(self, name: str, value: float, at: datetime) -> str:
        """Why ``value`` cannot follow on the last one, or an empty text; accepted values are remembered."""
        counter = self.counters.get(name)
        if counter is None:
            self.counters[name] = _Counter(value, at)
            return ""
        hours = (at - counter.at).total_seconds() / 3600
        if hours < 0:
            # An older reading, delivered late: it cannot judge nor be judged.
            return ""
        why = "" if value == counter.value else self._judged(counter, value, hours)
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


class Impossible(NamedTuple):
    """A power that cannot be true. ``anybodys``: of no inverter at all, whatever its size."""

    quantity: str
    value: float
    anybodys: bool


class Judged(NamedTuple):
    """What may be stored of a reading, and one line naming what was set aside (empty where nothing was).

    ``impossible`` is the first power among that.
    """

    values: Mapping[str, float]
    extra: Mapping[str, float]
    aside: str
    impossible: Impossible | None = None


class _Shape(NamedTuple):
    """What a reading of certain names is measured against; most readings of an inverter have the same ones."""

    lows: tuple[float, ...]
    highs: tuple[float, ...]
    lifetime: tuple[str, ...]
    states: tuple[str, ...]


@lru_cache(maxsize=1_024)
def _shape(names: tuple[str, ...]) -> _Shape:
    return _Shape(
        lows=tuple(_RANGES[name][0] for name in names),
        highs=tuple(_RANGES[name][1] for name in names),
        lifetime=tuple(name for name in names if name in _LIFETIME),
        states=tuple(name for name in names if name in _STATES),
    )


class Plausibility:
    """Judges readings; remembers lifetime counters and which extra names each inverter has used."""

    def __init__(self, newest: Callable[[UUID], tuple[Mapping[str, float], datetime | None]]) -> None:
        """``newest`` gives an inverter's last known values, so that counters are judged across a restart too."""
        self._newest = newest
        self._inverters: dict[UUID, _Inverter] = {}

    def judge(self, inverter_id: UUID, rated_power_w: int | None, reading: Reading) -> Judged:
        """Sift a reading's values and keep to the limit of extra names."""
        inverter = self._inverters.get(inverter_id)
        if inverter is None:
            inverter = self._inverters[inverter_id] = self._remembered(inverter_id)
        values, shape = reading.values, _shape(tuple(reading.values))
        aside = {} if _passes(values, shape, rated_power_w) else _faults(values, rated_power_w)
        for name in shape.lifetime:
            if name not in aside and (why := inverter.fault(name, values[name], reading.at)):
                aside[name] = why
        extra = _few(inverter.extras, reading.extra) if reading.extra else reading.extra
        if not aside:
            return Judged(values, extra, "")
        named = "; ".join(f"{name} {value:g} {aside[name]}" for name, value in values.items() if name in aside)
        kept = {name: value for name, value in values.items() if name not in aside}
        return Judged(kept, extra, named, next(_impossible(values, aside), None))

    def _remembered(self, inverter_id: UUID) -> _Inverter:
        values, at = self._newest(inverter_id)
        inverter = _Inverter()
        if at is not None:
            inverter.counters = {name: _Counter(values[name], at) for name in _LIFETIME & values.keys()}
        return inverter


def has_power(values: Mapping[str, float]) -> bool:
    """Whether a power is among the values."""
    return not _WATTS.isdisjoint(values)


def _impossible(values: Mapping[str, float], aside: Mapping[str, str]) -> Iterator[Impossible]:
    """The powers that were set aside, but for registers that nothing has filled yet: those say nothing of a size."""
    for name in aside:
        if name in _WATTS and values[name] not in _EMPTY_REGISTERS:
            low, high = _RANGES[name]
            yield Impossible(name, values[name], anybodys=not low <= values[name] <= high)


def _passes(values: Mapping[str, float], shape: _Shape, rated_power_w: int | None) -> bool:
    """Whether nothing needs a closer look: all at once, because nearly every reading passes."""
    numbers = values.values()
    return (
        all(map(le, shape.lows, numbers))
        and all(map(ge, shape.highs, numbers))
        and _EMPTY_REGISTERS.isdisjoint(numbers)
        and all(float.is_integer(values[name]) for name in shape.states)
        and (not rated_power_w or abs(values.get(_RATED, 0.0)) <= rated_power_w * _RATED_FACTOR)
    )


def _faults(values: Mapping[str, float], rated_power_w: int | None) -> dict[str, str]:
    """The values that cannot be true whatever came before them, with the reason."""
    found = ((name, _fault(name, value, rated_power_w)) for name, value in values.items())
    return {name: why for name, why in found if why}


def _fault(name: str, value: float, rated_power_w: int | None) -> str:
    low, high = _RANGES[name]
    if not low <= value <= high:
        return f"is outside {low:g} to {high:g}"
    if name in _STATES:
        return "" if value.is_integer() else "is no code"
    if value in _EMPTY_REGISTERS and name in _WATTS:
        return "is an empty register"
    if name == _RATED and rated_power_w and abs(value) > rated_power_w * _RATED_FACTOR:
        return f"is more than the inverter's {rated_power_w} W allow"
    return ""


def _few(known: set[str], extra: Mapping[str, float]) -> Mapping[str, float]:
    """At most so many names for an inverter: the first ones it has used."""
    if extra.keys() <= known:
        return extra
    kept: dict[str, float] = {}
    for name, value in extra.items():
        if name in known or len(known) < MAX_EXTRA_PER_INVERTER:
            known.add(name)
            kept[name] = value
    return kept
