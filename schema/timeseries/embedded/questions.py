"""What the embedded store is asked, in SQL: the owner and the inverter come first in every question. No threads here.

Column names in statements are those of the file's ``quantity`` table, which the catalogue filled; all else is bound.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from schema.timeseries.embedded.tables import scales
from schema.timeseries.line_protocol import LATEST_MS, from_milliseconds, milliseconds_up
from schema.timeseries.port import COUNTER_LOOK_BACK, CounterDay, Sample, Source, Window


@dataclass(frozen=True, slots=True)
class _Series:
    """Where one quantity of one inverter is kept: ``key`` in ``key_column`` of ``table``, values times ``scale``."""

    table: str
    key_column: str
    key: int
    column: str
    scale: int

    def sample(self, connection: sqlite3.Connection, start_ms: int, end_ms: int, order: str) -> Sample | None:
        """The first or last sample in [start_ms, end_ms); ``order`` is ASC or DESC."""
        row = connection.execute(
            f'SELECT at_ms, "{self.column}" FROM {self.table} WHERE {self.key_column} = ? AND at_ms >= ? AND at_ms < ? '
            f'AND "{self.column}" IS NOT NULL ORDER BY at_ms {order} LIMIT 1',
            (self.key, start_ms, end_ms),
        ).fetchone()
        return Sample(from_milliseconds(row[0]), row[1] / self.scale) if row else None

    def maximum(self, connection: sqlite3.Connection, start_ms: int, end_ms: int) -> float | None:
        """The largest value in [start_ms, end_ms)."""
        (largest,) = connection.execute(
            f'SELECT max("{self.column}") FROM {self.table} WHERE {self.key_column} = ? AND at_ms >= ? AND at_ms < ?',
            (self.key, start_ms, end_ms),
        ).fetchone()
        return None if largest is None else largest / self.scale


def latest(connection: sqlite3.Connection, source: Source, since: datetime) -> dict[str, Sample]:
    """The newest sample of every quantity, extras too."""
    inverter = _inverter(connection, source)
    if inverter is None:
        return {}
    since_ms = milliseconds_up(since)
    columns = scales(connection)
    found: dict[str, Sample] = {}
    for (name,) in connection.execute("SELECT name FROM seen WHERE inverter = ?", (inverter,)):
        series = _Series("point", "inverter", inverter, name, columns[name])
        sample = series.sample(connection, since_ms, LATEST_MS + 1, "DESC")
        if sample is not None:
            found[name] = sample
    extras = connection.execute(
        "SELECT extra_name.name, extra.at_ms, extra.value FROM extra_name JOIN extra ON extra.name = extra_name.id "
        "AND extra.at_ms = (SELECT max(at_ms) FROM extra WHERE name = extra_name.id AND at_ms >= ?) "
        "WHERE extra_name.inverter = ?",
        (since_ms, inverter),
    )
    return found | {name: Sample(from_milliseconds(at_ms), value) for name, at_ms, value in extras}


def windows(
    connection: sqlite3.Connection,
    source: Source,
    quantities: Sequence[str],
    *,
    start: datetime,
    end: datetime,
    every_s: int,
) -> list[Window]:
    """Means per window, catalogue columns in one pass, extras in one each."""
    inverter = _inverter(connection, source)
    if inverter is None:
        return []
    columns = scales(connection)
    every_ms = every_s * 1000
    span = (milliseconds_up(start), milliseconds_up(end))
    means: dict[int, dict[str, float]] = {}
    wide = [name for name in dict.fromkeys(quantities) if name in columns]
    if wide:
        averages = ", ".join(f'avg("{name}")' for name in wide)
        rows = connection.execute(
            f"SELECT at_ms / ?1 * ?1, {averages} FROM point "
            "WHERE inverter = ?2 AND at_ms >= ?3 AND at_ms < ?4 GROUP BY 1",
            (every_ms, inverter, *span),
        )
        for window_ms, *values in rows:
            found = {name: value / columns[name] for name, value in zip(wide, values, strict=True) if value is not None}
            if found:
                means.setdefault(window_ms, {}).update(found)
    for name in dict.fromkeys(quantities):
        series = None if name in columns else _extra(connection, inverter, name)
        if series is not None:
            rows = connection.execute(
                "SELECT at_ms / ?1 * ?1, avg(value) FROM extra "
                "WHERE name = ?2 AND at_ms >= ?3 AND at_ms < ?4 GROUP BY 1",
                (every_ms, series.key, *span),
            )
            for window_ms, value in rows:
                means.setdefault(window_ms, {})[name] = value
    return [Window(from_milliseconds(window_ms), means[window_ms]) for window_ms in sorted(means)]


def counter_days(
    connection: sqlite3.Connection, source: Source, quantity: str, ranges: Sequence[tuple[datetime, datetime]]
) -> list[CounterDay]:
    """Before, first, last and largest for each range: index look-ups, and one pass for the largest."""
    series = _series(connection, source, quantity)
    if series is None:
        return [CounterDay(start, end, None, None, None, None) for start, end in ranges]
    days: list[CounterDay] = []
    for start, end in ranges:
        before_ms, start_ms, end_ms = (milliseconds_up(at) for at in (start - COUNTER_LOOK_BACK, start, end))
        days.append(
            CounterDay(
                start,
                end,
                before=series.sample(connection, before_ms, start_ms, "DESC"),
                first=series.sample(connection, start_ms, end_ms, "ASC"),
                last=series.sample(connection, start_ms, end_ms, "DESC"),
                maximum=series.maximum(connection, start_ms, end_ms),
            )
        )
    return days


def _inverter(connection: sqlite3.Connection, source: Source) -> int | None:
    """The inverter's key if it is this owner's, None for a stranger's as for one that never wrote."""
    row = connection.execute(
        "SELECT id FROM inverter WHERE owner = ? AND inverter = ?", (source.owner_id.bytes, source.inverter_id.bytes)
    ).fetchone()
    return row[0] if row else None


def _series(connection: sqlite3.Connection, source: Source, quantity: str) -> _Series | None:
    inverter = _inverter(connection, source)
    if inverter is None:
        return None
    scale = scales(connection).get(quantity)
    if scale is None:
        return _extra(connection, inverter, quantity)
    return _Series("point", "inverter", inverter, quantity, scale)


def _extra(connection: sqlite3.Connection, inverter: int, name: str) -> _Series | None:
    row = connection.execute("SELECT id FROM extra_name WHERE inverter = ? AND name = ?", (inverter, name)).fetchone()
    return _Series("extra", "name", row[0], "value", 1) if row else None
