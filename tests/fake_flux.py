"""Runs the Flux scripts that our reader sends, and nothing else, on the fake InfluxDB's points.

A script is one pipeline a line. Each stage that is not known here is a 400: the fake cannot agree by accident.
"""

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
_WINDOW = re.compile(r'aggregateWindow\(every: (\d+)s, fn: mean, createEmpty: false, timeSrc: "_start"\)')
_YIELD = re.compile(r'yield\(name: "(\w+)"\)')
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Find = Callable[[str, str], Bucket]


def run(script: str, find: Find) -> str:
    """The answer as CSV without annotations; ``find`` maps "bucket" or "bucketID" and its value to a bucket."""
    blocks = [_pipeline(line, find) for line in script.splitlines()]
    return "\r\n".join(block for block in blocks if block)


def _pipeline(line: str, find: Find) -> str:
    source, span, selection, *stages = line.split(" |> ")
    bucket = find(*_matched(_FROM, source))
    start_ms, stop_ms = (_instant(text) for text in _matched(_RANGE, span))
    if start_ms >= stop_ms:
        raise Refused(400, "invalid", "cannot query an empty range")
    tables = _selected(bucket, start_ms, stop_ms, selection)
    result = "_result"
    for stage in stages:
        if stage.startswith("yield("):
            (result,) = _matched(_YIELD, stage)
        elif stage.startswith("aggregateWindow("):
            every_ms = int(_matched(_WINDOW, stage)[0]) * 1000
            tables = {key: _means(table, every_ms, start_ms) for key, table in tables.items()}
        elif stage == 'group(columns: ["_field"])':
            tables = _merged(tables)
        elif stage != 'keep(columns: ["_time", "_field", "_value"])':
            tables = {key: _picked(stage, table) for key, table in tables.items()}
    return _csv(result, tables)


def _selected(bucket: Bucket, start_ms: int, stop_ms: int, selection: str) -> Tables:
    measurement, asked = _matched(_FILTER, selection)
    names = set(_FIELD.findall(asked or ""))
    tables: Tables = {}
    for (series, at_ms), fields in sorted(bucket.points.items(), key=lambda item: item[0][1]):
        if start_ms <= at_ms < stop_ms and re.split(r"(?<!\\),", series)[0] == measurement:
            for name, value in fields.items():
                if not names or name in names:
                    tables.setdefault((series, name), []).append((at_ms, value))
    return tables


def _means(table: Table, every_ms: int, start_ms: int) -> Table:
    windows: dict[int, list[float]] = {}
    for at_ms, value in table:
        windows.setdefault(at_ms // every_ms * every_ms, []).append(float(value))
    return [(max(at_ms, start_ms), sum(values) / len(values)) for at_ms, values in sorted(windows.items())]


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
