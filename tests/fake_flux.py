"""Runs the Flux scripts that our reader sends, and nothing else, on the fake InfluxDB's points.

A script is one pipeline a line. Each stage that is not known here is a 400: the fake cannot agree by accident.
"""

import csv
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tests.fake_influx_state import Bucket, Refused, Value

# (series, field) to its samples in order of time, in milliseconds.
Table = list[tuple[int, Value]]
Tables = dict[tuple[str, str], Table]

_FROM = re.compile(r'from\((bucket|bucketID): "([^"]*)"\)')
_RANGE = re.compile(r"range\(start: ([^,]+), stop: ([^)]+)\)")
_FILTER = re.compile(r'filter\(fn: \(r\) => r\._measurement == "(\w+)"(?: and \((.*)\))?\)')
_FIELD = re.compile(r'r\._field == "(\w+)"')
_NONE_OF = re.compile(r'filter\(fn: \(r\) => (r\._field != "[^"]*"(?: and r\._field != "[^"]*")*)\)')
_NOT = re.compile(r'r\._field != "([^"]*)"')
_WINDOW = re.compile(r'aggregateWindow\(every: (\d+)s, fn: (mean|count|sum), createEmpty: false, timeSrc: "_start"\)')
_YIELD = re.compile(r'yield\(name: "(\w+)"\)')
_KINDS = {float: "double", int: "long", bool: "boolean", str: "string"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_ONLY_COLUMNS = {'keep(columns: ["_time", "_field", "_value"])', 'drop(columns: ["_start", "_stop"])'}

Find = Callable[[str, str], Bucket]


def run(script: str, find: Find, *, annotated: bool = False) -> str:
    """The answer as CSV, with its columns' types where ``annotated``.

    ``find`` maps "bucket" or "bucketID" and its value to a bucket.
    """
    blocks = [_pipeline(line, find, annotated=annotated) for line in script.splitlines()]
    return "\r\n".join(block for block in blocks if block)


def _pipeline(line: str, find: Find, *, annotated: bool) -> str:
    source, span, *stages = line.split(" |> ")
    bucket = find(*_matched(_FROM, source))
    start_ms, stop_ms = (_instant(text) for text in _matched(_RANGE, span))
    if start_ms >= stop_ms:
        raise Refused(400, "invalid", "cannot query an empty range")
    selection = stages.pop(0) if stages and _FILTER.fullmatch(stages[0]) else ""
    tables = _selected(bucket, start_ms, stop_ms, selection)
    result = "_result"
    for stage in stages:
        if stage.startswith("yield("):
            (result,) = _matched(_YIELD, stage)
        elif stage.startswith("aggregateWindow("):
            every, what = _matched(_WINDOW, stage)
            tables = {key: _windows(table, int(every) * 1000, start_ms, what) for key, table in tables.items()}
        elif stage.startswith("filter("):
            left_out = set(_NOT.findall(_matched(_NONE_OF, stage)[0]))
            tables = {key: table for key, table in tables.items() if key[1] not in left_out}
        elif stage == 'group(columns: ["_field"])':
            tables = _merged(tables)
        elif stage not in _ONLY_COLUMNS:
            tables = {key: _picked(stage, table) for key, table in tables.items()}
    return _annotated(result, tables) if annotated else _csv(result, tables)


def _selected(bucket: Bucket, start_ms: int, stop_ms: int, selection: str) -> Tables:
    measurement, asked = _matched(_FILTER, selection) if selection else ("", "")
    names = set(_FIELD.findall(asked or ""))
    tables: Tables = {}
    for (series, at_ms), fields in sorted(bucket.points.items(), key=lambda item: item[0][1]):
        if start_ms <= at_ms < stop_ms and measurement in ("", re.split(r"(?<!\\),", series)[0]):
            for name, value in fields.items():
                if not names or name in names:
                    tables.setdefault((series, name), []).append((at_ms, value))
    return tables


def _windows(table: Table, every_ms: int, start_ms: int, what: str) -> Table:
    windows: dict[int, list[Value]] = {}
    for at_ms, value in table:
        windows.setdefault(at_ms // every_ms * every_ms, []).append(value)
    return [(max(at_ms, start_ms), _aggregated(what, values)) for at_ms, values in sorted(windows.items())]


def _aggregated(what: str, values: list[Value]) -> Value:
    if what == "count":
        return len(values)
    if any(isinstance(value, str | bool) for value in values):
        raise Refused(400, "invalid", f"unsupported aggregate column type for {what}")
    total = sum(float(value) for value in values)
    return total / len(values) if what == "mean" else total


def _merged(tables: Tables) -> Tables:
    merged: Tables = {}
    for (_, name), table in tables.items():
        merged.setdefault(("", name), []).extend(table)
    return merged


def _picked(stage: str, table: Table) -> Table:
    if stage == "first()":
        return table[:1]
    if stage == "last()":
        return table[-1:]
    if stage == "count()":
        return [(0, len(table))]
    if stage == "max()":
        return [max(table, key=lambda sample: float(sample[1]))]
    raise Refused(400, "invalid", f"the fake does not know {stage}")


def _csv(result: str, tables: Tables) -> str:
    rows = [
        f",{result},{number},{_written(at_ms)},{name},{value}"
        for number, ((_, name), table) in enumerate(tables.items())
        for at_ms, value in table
    ]
    return "".join(f"{row}\r\n" for row in [",result,table,_time,_field,_value", *rows]) if rows else ""


def _annotated(result: str, tables: Tables) -> str:
    """A block for each table, as 2.9.1 begins one where columns or types change."""
    blocks = []
    for number, ((series, name), table) in enumerate(tables.items()):
        measurement, *pairs = re.split(r"(?<!\\),", series)
        tags = [re.split(r"(?<!\\)=", pair) for pair in pairs]
        columns = ["_time", "_value", "_field", "_measurement", *(_plain(key) for key, _ in tags)]
        kind = _KINDS[type(table[0][1])]
        kinds = ["string", "long", "dateTime:RFC3339", kind, *["string"] * (len(columns) - 2)]
        told = [_plain(text) for text in (name, measurement, *(value for _, value in tags))]
        rows = [["", result, str(number), _written(at_ms), _cell(value), *told] for at_ms, value in table]
        text = io.StringIO()
        csv.writer(text).writerows([["#datatype", *kinds], ["", "result", "table", *columns], *rows])
        blocks.append(text.getvalue())
    return "\r\n".join(blocks)


def _cell(value: Value) -> str:
    """As Go writes it: 412.0 is 412."""
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _plain(text: str) -> str:
    return re.sub(r"\\([,= ])", r"\1", text)


def _matched(pattern: re.Pattern[str], text: str) -> tuple[str, ...]:
    match = pattern.fullmatch(text)
    if match is None:
        raise Refused(400, "invalid", f"the fake does not know {text}")
    return match.groups()


def _instant(text: str) -> int:
    """Milliseconds, rounded up: a point at them is not before the instant."""
    return -((_EPOCH - datetime.fromisoformat(text)) // timedelta(milliseconds=1))


def _written(at_ms: int) -> str:
    return (_EPOCH + timedelta(milliseconds=at_ms)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
