"""The few Flux scripts the reader sends, and how their answers become the port's values. Pure, no I/O.

Nothing a user typed is in a script: field names were checked, bucket names are opaque ids, times are ours.
The bucket is given by name: ``from(bucketID:)`` of 2.9.1 asks nobody whether the token may read it (measured, and in
its source ``LookupBucketID``), while a name is looked up with the token's rights and is 404 for a stranger.
Filters and aggregates are shaped so that the storage engine does them ("pushdown"); it does so per series, and a bucket
has a second series only if its inverter's label changed.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from schema.timeseries.line_protocol import LATEST_MS, MEASUREMENT, from_milliseconds
from schema.timeseries.port import COUNTER_LOOK_BACK, CounterDay, Sample, StoreUnavailable, Window

Range = tuple[datetime, datetime]

_BUCKET = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ROW = {"result", "_field", "_time", "_value"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS = '|> keep(columns: ["_time", "_field", "_value"])'


@dataclass(frozen=True, slots=True)
class Row:
    """One row of an answer: which of the script's results, which field, when, how much."""

    result: str
    field: str
    at: datetime
    value: float


def is_bucket_name(name: str) -> bool:
    """Whether ``name`` is one of ours: an opaque id that needs no escaping in a script."""
    return _BUCKET.fullmatch(name) is not None


def latest_script(bucket: str, since: datetime) -> str:
    """The newest value of each field; readings with a time in the future count too."""
    return f"{_from(bucket, since, from_milliseconds(LATEST_MS))} {_filter(())} |> last() {_COLUMNS}"


def windows_script(bucket: str, fields: Sequence[str], span: Range, every_s: int, *, across_series: bool) -> str:
    """Means per window: in the storage engine for each series, or slower but exact across several."""
    group = '|> group(columns: ["_field"]) ' if across_series else ""
    return (
        f"{_from(bucket, *span)} {_filter(fields)} {group}"
        f'|> aggregateWindow(every: {every_s}s, fn: mean, createEmpty: false, timeSrc: "_start") {_COLUMNS}'
    )


def counter_script(bucket: str, field: str, ranges: Sequence[Range]) -> str:
    """Results f, l, m (first, last, maximum) and b (last before), numbered by the range's place in ``ranges``.

    ``before`` is asked only where no range of the list ends at the start: elsewhere the neighbours know it.
    """
    ends = {end for start, end in ranges if start < end}
    parts: list[str] = []
    for number, (start, end) in enumerate(ranges):
        if start not in ends:
            parts.append(
                f"{_from(bucket, start - COUNTER_LOOK_BACK, start)} {_filter((field,))} |> last() {_out('b', number)}"
            )
        if start < end:
            data = f"{_from(bucket, start, end)} {_filter((field,))}"
            parts.extend(f"{data} |> {what}() {_out(what[0], number)}" for what in ("first", "last", "max"))
    return "\n".join(parts)


def rows(answer: str) -> Iterator[Row]:
    """The rows of an answer without annotations. Raises ``StoreUnavailable`` for one that ends in an error.

    ``LookupError`` and ``ValueError`` are raised for what is no answer of InfluxDB, or cut off.
    """
    places: dict[str, int] = {}
    for cells in csv.reader(answer.splitlines()):
        if not cells:
            places = {}
        elif not places:
            places = {name: place for place, name in enumerate(cells)}
            if not (places.keys() >= _ROW or "error" in places):
                raise ValueError("not the header of an answer")
        elif "error" in places:
            raise StoreUnavailable(f"the query failed: {cells[places['error']][:200]}")
        else:
            yield Row(
                cells[places["result"]],
                cells[places["_field"]],
                datetime.fromisoformat(cells[places["_time"]]),
                float(cells[places["_value"]]),
            )


def newest(found: Iterable[Row]) -> dict[str, Sample]:
    """Of each field the newest sample, whichever series has it."""
    samples: dict[str, Sample] = {}
    for row in found:
        known = samples.get(row.field)
        if known is None or known.at < row.at:
            samples[row.field] = Sample(row.at, row.value)
    return samples


def as_windows(found: Iterable[Row], every_s: int) -> list[Window] | None:
    """Windows in order; None where two series share one, so that their means would have to be weighed."""
    every = timedelta(seconds=every_s)
    means: dict[datetime, dict[str, float]] = {}
    for row in found:
        # The first window is cut off at the range's start, so its time is not always a multiple of ``every``.
        start = _EPOCH + (row.at - _EPOCH) // every * every
        window = means.setdefault(start, {})
        if row.field in window:
            return None
        window[row.field] = row.value
    return [Window(start, means[start]) for start in sorted(means)]


def as_counter_days(found: Iterable[Row], ranges: Sequence[Range]) -> list[CounterDay]:
    """One ``CounterDay`` a range; ``before`` comes from the ranges that end where it starts, or was asked for."""
    results: dict[str, list[Row]] = {}
    for row in found:
        results.setdefault(row.result, []).append(row)
    by_end = {end: number for number, (start, end) in enumerate(ranges) if start < end}
    return [
        CounterDay(
            start,
            end,
            before=_before(number, ranges, by_end, results),
            first=_first(results.get(f"f{number}", ())),
            last=_last(results.get(f"l{number}", ())),
            maximum=max((row.value for row in results.get(f"m{number}", ())), default=None),
        )
        for number, (start, end) in enumerate(ranges)
    ]


def _before(
    number: int, ranges: Sequence[Range], by_end: dict[datetime, int], results: dict[str, list[Row]]
) -> Sample | None:
    earliest = ranges[number][0] - COUNTER_LOOK_BACK
    place: int | None = number
    sample: Sample | None = None
    while place is not None and sample is None:
        sample = _last(results.get(f"b{place}", ()))
        place = by_end.get(ranges[place][0])
        if sample is None and place is not None:
            sample = _last(results.get(f"l{place}", ()))
    return sample if sample is not None and sample.at >= earliest else None


def _first(found: Iterable[Row]) -> Sample | None:
    row = min(found, key=lambda row: row.at, default=None)
    return None if row is None else Sample(row.at, row.value)


def _last(found: Iterable[Row]) -> Sample | None:
    row = max(found, key=lambda row: row.at, default=None)
    return None if row is None else Sample(row.at, row.value)


def _from(bucket: str, start: datetime, end: datetime) -> str:
    return f'from(bucket: "{bucket}") |> range(start: {_instant(start)}, stop: {_instant(end)})'


def _filter(fields: Sequence[str]) -> str:
    asked = " or ".join(f'r._field == "{field}"' for field in fields)
    return f'|> filter(fn: (r) => r._measurement == "{MEASUREMENT}"{f" and ({asked})" if asked else ""})'


def _out(result: str, number: int) -> str:
    return f'{_COLUMNS} |> yield(name: "{result}{number}")'


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
