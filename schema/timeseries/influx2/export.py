"""The Flux scripts by which a bucket is copied and compared, and how their answers become lines again. Pure, no I/O.

Everything in the bucket counts, whoever wrote it: any measurement, tags, fields and types, times to the nanosecond. So
answers are asked for with their columns' types, and series are told apart by all their tags.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from schema.timeseries.influx2.flux import Range
from schema.timeseries.line_protocol import LATEST_MS, from_milliseconds
from schema.timeseries.port import StoreUnavailable

_OWN_COLUMNS = frozenset({"", "result", "table", "_start", "_stop", "_time", "_value", "_field", "_measurement"})
_NUMBERS = frozenset({"double", "long", "unsignedLong"})
_SUFFIX = {"long": "i", "unsignedLong": "u", "double": "", "boolean": ""}
_DATATYPES = "#datatype"
_NAME = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ "})
_MEASUREMENT = str.maketrans({",": "\\,", " ": "\\ "})
_TEXT = str.maketrans({"\\": "\\\\", '"': '\\"'})


class Value(NamedTuple):
    """One value of one field of one series, as the answer spells it; ``kind`` is Flux's type."""

    result: str
    series: str
    field: str
    time: str
    text: str
    kind: str

    @property
    def at_ns(self) -> int:
        """Nanoseconds since 1970 UTC."""
        return nanoseconds(self.time)

    @property
    def is_number(self) -> bool:
        """Whether there is a sum of such values."""
        return self.kind in _NUMBERS

    def line(self) -> bytes:
        """Line protocol, its time in nanoseconds. Raises ``ValueError`` for a type that no field has."""
        if self.kind == "string":
            text = f'"{self.text.translate(_TEXT)}"'
        elif (suffix := _SUFFIX.get(self.kind)) is not None:
            text = self.text + suffix
        else:
            raise ValueError(f"a field of type {self.kind[:40]}")
        return f"{self.series} {self.field.translate(_NAME)}={text} {self.at_ns}".encode()


def extent_script(bucket: str, since: datetime) -> str:
    """Results first, last (each series' values with their types) and count."""
    data = _from(bucket, (since, from_milliseconds(LATEST_MS)))
    return "\n".join(f'{data} |> {what}() |> yield(name: "{what}")' for what in ("first", "last", "count"))


def types_script(bucket: str, span: Range) -> str:
    """A value of each series and type."""
    return f"{_from(bucket, span)} |> last()"


def tallies_script(bucket: str, span: Range, without_sum: Iterable[str]) -> str:
    """Results count and sum for each UTC day; ``without_sum`` are fields that are no numbers."""
    numbers = " and ".join(f'r._field != "{_quoted(name)}"' for name in sorted(without_sum))
    only = f" |> filter(fn: (r) => {numbers})" if numbers else ""
    return (
        f'{_from(bucket, span)} |> {_days("count")} |> yield(name: "count")\n'
        f'{_from(bucket, span)}{only} |> {_days("sum")} |> yield(name: "sum")'
    )


def values_script(bucket: str, span: Range) -> str:
    """Every value."""
    return f'{_from(bucket, span)} |> drop(columns: ["_start", "_stop"])'


@dataclass(slots=True)
class Answer:
    """Reads an annotated answer, some of its lines at a time; a line may go on in the next ones."""

    _types: Mapping[str, str] = field(default_factory=dict)
    _kinds: Sequence[str] = ()
    _places: dict[str, int] = field(default_factory=dict)
    _tags: Sequence[tuple[str, int]] = ()
    _series: tuple[tuple[str, ...], str] = ((), "")

    def values(self, lines: Iterable[str]) -> Iterator[Value]:
        """What the lines hold. Raises ``StoreUnavailable`` for an answer that ends in an error, ``LookupError`` or
        ``ValueError`` for what is no answer of InfluxDB.
        """
        for cells in csv.reader(lines):
            if not cells:
                continue
            if cells[0] == _DATATYPES:
                self._kinds, self._places = cells, {}
            elif not self._places:
                self._header(cells)
            elif "error" in self._places:
                raise StoreUnavailable(f"the query failed: {cells[self._places['error']][:200]}")
            else:
                yield self._value(cells)

    def _header(self, cells: Sequence[str]) -> None:
        self._places = {name: place for place, name in enumerate(cells)}
        if "error" in self._places:
            return
        if not self._places.keys() >= {"result", "_value", "_field", "_measurement"} or len(self._kinds) != len(cells):
            raise ValueError("not the header of an answer")
        self._tags = sorted((name, place) for name, place in self._places.items() if name not in _OWN_COLUMNS)
        self._series = ((), "")

    def _value(self, cells: Sequence[str]) -> Value:
        places = self._places
        key = (cells[places["_measurement"]], *(cells[place] for _, place in self._tags))
        if key != self._series[0]:
            self._series = (key, _head(key[0], self._tags, key[1:]))
        time = cells[places["_time"]] if "_time" in places else ""
        value = places["_value"]
        return Value(
            cells[places["result"]],
            self._series[1],
            cells[places["_field"]],
            time,
            cells[value],
            self._kinds[value],
        )


def nanoseconds(time: str) -> int:
    """An instant as Flux writes it, to the nanosecond. Raises ``ValueError``."""
    seconds, _, fraction = time.removesuffix("Z").partition(".")
    if fraction and not (fraction.isascii() and fraction.isdigit()):
        raise ValueError("not an instant")
    whole = datetime.fromisoformat(f"{seconds}+00:00") - datetime(1970, 1, 1, tzinfo=UTC)
    return (whole.days * 86_400 + whole.seconds) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9] or 0)


def _head(measurement: str, tags: Sequence[tuple[str, int]], values: Sequence[str]) -> str:
    """Measurement and tags as a line begins with them; a tag that is empty is none."""
    pairs = (
        f",{name.translate(_NAME)}={value.translate(_NAME)}"
        for (name, _), value in zip(tags, values, strict=True)
        if value
    )
    return measurement.translate(_MEASUREMENT) + "".join(pairs)


def _days(what: str) -> str:
    return f'aggregateWindow(every: 86400s, fn: {what}, createEmpty: false, timeSrc: "_start")'


def _from(bucket: str, span: Range) -> str:
    start, end = (at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") for at in span)
    return f'from(bucket: "{bucket}") |> range(start: {start}, stop: {end})'


def _quoted(name: str) -> str:
    """As text in a script: outsiders name the fields that they write."""
    return name.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${")
