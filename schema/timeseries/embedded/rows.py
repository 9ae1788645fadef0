"""From encoded lines to rows: scaled, type-checked, merged by inverter and time. Pure; the writer executes them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from schema.quantities import CATALOGUE, Kind
from schema.timeseries.embedded.tables import Scales
from schema.timeseries.line_protocol import NotLineProtocol, parse
from schema.timeseries.port import PointsRefused

_STATES = frozenset(quantity.name for quantity in CATALOGUE.values() if quantity.kind is Kind.STATE)
_INTEGER_LIMIT = 2**63

Instant = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Point:
    """One line as the tables want it: whole numbers for catalogue columns, floats for extras."""

    at_ms: int
    columns: dict[str, int]
    extras: dict[str, float]


@dataclass(slots=True)
class Rows:
    """What one transaction writes: (inverter, at_ms) to its columns, (name, at_ms) to its value. Last one wins."""

    points: dict[Instant, dict[str, int]] = field(default_factory=dict)
    extras: dict[Instant, float] = field(default_factory=dict)

    def by_columns(self) -> dict[tuple[str, ...], list[tuple[int, ...]]]:
        """The points grouped by the columns they fill: each group is one ``executemany``.

        Merging came first, so no instant is in two groups and their order does not matter.
        """
        groups: dict[tuple[str, ...], list[tuple[int, ...]]] = {}
        for instant, columns in self.points.items():
            groups.setdefault(tuple(columns), []).append((*instant, *columns.values()))
        return groups


def points(lines: Sequence[bytes], scales: Scales) -> list[Point]:
    """The lines as points. One bad line refuses them all, as in InfluxDB: ``PointsRefused`` 400, or 422 for a type."""
    return [_point(line, scales) for line in lines]


def _point(line: bytes, scales: Scales) -> Point:
    try:
        parsed = parse(line)
    except NotLineProtocol as error:
        raise PointsRefused(f"not line protocol: {error}", status=400) from error
    columns: dict[str, int] = {}
    extras: dict[str, float] = {}
    for name, value in parsed.fields.items():
        if isinstance(value, int) is not (name in _STATES):
            raise PointsRefused(f"{name}: states are integers, everything else floats", status=422)
        scale = scales.get(name)
        if scale is None:
            extras[name] = value
        else:
            columns[name] = _scaled(name, value, scale)
    return Point(parsed.at_ms, columns, extras)


def _scaled(name: str, value: float, scale: int) -> int:
    scaled = value * scale
    if not -_INTEGER_LIMIT < scaled < _INTEGER_LIMIT:
        raise PointsRefused(f"{name} is too large", status=422)
    return round(scaled)


@lru_cache(maxsize=1024)
def upsert(columns: tuple[str, ...]) -> str:
    """The statement that writes these columns of an instant and leaves its others alone. Names are the catalogue's."""
    names = "".join(f', "{name}"' for name in columns)
    marks = ", ?" * len(columns)
    updates = ", ".join(f'"{name}" = excluded."{name}"' for name in columns)
    return (
        f"INSERT INTO point (inverter, at_ms{names}) VALUES (?, ?{marks}) "
        f"ON CONFLICT (inverter, at_ms) DO UPDATE SET {updates}"
    )
