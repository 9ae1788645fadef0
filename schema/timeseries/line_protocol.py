"""InfluxDB line protocol, encoded and parsed in one file: what is batched, spooled and replayed are the same bytes.

Source: InfluxDB 2 documentation, "Line protocol", sections "Elements", "Special characters" and "Data types", and what
a real 2.9.1 answered: a tag value that ends in a backslash has no spelling at all (400, however often it is doubled), a
newline ends the line, control characters are stored as they are. So names and serials that could do harm are refused
here, not escaped. Measured values are floats, states integers: a field's type is fixed per measurement. No I/O.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from schema.quantities import CATALOGUE, EXTRA_PREFIX, TIME_ESTIMATED, Kind
from schema.readings import Reading, TimeSource

MEASUREMENT = "reading"

# InfluxDB keeps nanoseconds in 64 bits: 1677-09-21 to 2262-04-11 (measured: one more is a 400).
EARLIEST_MS = -9_223_372_036_854
LATEST_MS = 9_223_372_036_854

_INTEGER_LIMIT = 2**63
_MOST_TEXTS = 16_384
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_STATES = frozenset(quantity.name for quantity in CATALOGUE.values() if quantity.kind is Kind.STATE)
_KEY_ESCAPES = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ "})

_EXTRA = re.compile(rf"{EXTRA_PREFIX}[a-z0-9_]{{1,48}}")
_FLOAT = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_INTEGER = re.compile(r"-?[0-9]{1,19}")


class NotLineProtocol(ValueError):
    """The bytes are no line of ours."""


@dataclass(frozen=True, slots=True)
class Line:
    """A parsed line: ``fields`` holds floats, and integers for states; ``at_ms`` is UTC milliseconds since 1970."""

    serial: str
    fields: Mapping[str, float | int]
    at_ms: int


def milliseconds(at: datetime) -> int:
    """Whole milliseconds since 1970-01-01 UTC, rounded down; exact, without a float in between."""
    return (at - _EPOCH) // _MILLISECOND


def milliseconds_up(at: datetime) -> int:
    """Whole milliseconds since 1970-01-01 UTC, rounded up: whoever is not before it is not before ``at``."""
    return -((_EPOCH - at) // _MILLISECOND)


def from_milliseconds(at_ms: int) -> datetime:
    """The aware UTC instant of ``at_ms``."""
    return _EPOCH + timedelta(milliseconds=at_ms)


def is_field(name: str) -> bool:
    """Whether ``name`` is a catalogue quantity or a sanitised extra: the only names that are written or asked for."""
    return name in CATALOGUE or _EXTRA.fullmatch(name) is not None


def check_fields(names: Iterable[str]) -> None:
    """Raise ``ValueError`` for a name that is no field of ours, so that no other text reaches a query."""
    for name in names:
        if not is_field(name):
            raise ValueError(f"{name!r} is no quantity")


def encode(reading: Reading, *, serial: str) -> bytes:
    """One line with the tag ``serial`` (a label, no query filters by it) and a time in milliseconds.

    Raises ``ValueError`` for what no line can carry: no values, a value that is not finite, a state that is no whole
    number, a name outside the catalogue and not sanitised, a serial that is empty, unprintable or has a backslash, a
    time outside 1677 to 2262. Dialects and plausibility checks have removed all of these before.
    """
    values, extra = reading.values, reading.extra
    template, states = _shape(tuple(values), tuple(extra))
    texts = [*map(_TEXTS.__getitem__, values.values()), *map(_TEXTS.__getitem__, extra.values())]
    for position, name in states:
        texts[position] = str(_code(name, values[name]))
    fields = template % tuple(texts)
    if reading.time_source is TimeSource.ESTIMATED:
        fields += f",{TIME_ESTIMATED}=1i"
    at_ms = milliseconds(reading.at)
    if not EARLIEST_MS <= at_ms <= LATEST_MS:
        raise ValueError(f"{reading.at} is outside what a store can keep")
    return f"{_head(serial)} {fields} {at_ms}".encode()


class _Texts(dict[float, str]):
    """Numbers with their shortest spelling. Finding it costs more than all else here, and measured values repeat."""

    def __missing__(self, value: float) -> str:
        if not math.isfinite(value):
            raise ValueError("a value is not finite")
        if len(self) >= _MOST_TEXTS:
            self.clear()
        # Zero has two spellings, and both are one key.
        text = self[value] = repr(float(value) + 0.0)
        return text


_TEXTS = _Texts()


@lru_cache(maxsize=1_024)
def _shape(names: tuple[str, ...], extra: tuple[str, ...]) -> tuple[str, tuple[tuple[int, str], ...]]:
    """The fields of a line with a place for each value, and the places that are states. Raises ``ValueError``."""
    for name in names:
        if name not in CATALOGUE:
            raise ValueError(f"{name!r} is no quantity of the catalogue")
    for name in extra:
        if _EXTRA.fullmatch(name) is None:
            raise ValueError(f"{name!r} is not sanitised")
    if not names and not extra:
        raise ValueError("a reading needs at least one value")
    template = ",".join(f"{name}=%si" if name in _STATES else f"{name}=%s" for name in (*names, *extra))
    return template, tuple((place, name) for place, name in enumerate(names) if name in _STATES)


def _code(name: str, value: float) -> int:
    code = int(value)
    if code != value or not -_INTEGER_LIMIT <= code < _INTEGER_LIMIT:
        raise ValueError(f"{name} is no whole number of 64 bits")
    return code


@lru_cache(maxsize=16_384)
def _head(serial: str) -> str:
    if not serial or not serial.isprintable() or "\\" in serial:
        raise ValueError("a serial is printable, not empty and without backslash")
    return f"{MEASUREMENT},serial={serial.translate(_KEY_ESCAPES)}"


def parse(line: bytes) -> Line:
    """The line taken apart again: ``parse(encode(reading))`` is the reading. Raises ``NotLineProtocol``."""
    try:
        text = line.decode()
        head, pairs, time = _split(text, " ")
        prefix, serial = _split(head, "=")
        fields = {}
        for pair in _split(pairs, ","):
            name, number = _split(pair, "=")
            fields[_unescaped(name)] = _value(number)
    except ValueError as error:
        raise NotLineProtocol(str(error)) from error
    further_tag = "," in serial and len(_split(serial, ",")) > 1
    if prefix != f"{MEASUREMENT},serial" or not serial or further_tag or "" in fields or not text.isprintable():
        raise NotLineProtocol(f"expected {MEASUREMENT},serial=… name=number,… milliseconds")
    at_ms = _integer(time)
    if not EARLIEST_MS <= at_ms <= LATEST_MS:
        raise NotLineProtocol("the time is outside what a store can keep")
    return Line(serial=_unescaped(serial), fields=fields, at_ms=at_ms)


def _split(text: str, separator: str) -> list[str]:
    """``text`` cut at each ``separator`` that no backslash precedes."""
    if "\\" not in text:
        return text.split(separator)
    parts: list[str] = []
    current: list[str] = []
    escaped = False
    for character in text:
        if character == separator and not escaped:
            parts.append("".join(current))
            current = []
        else:
            current.append(character)
        escaped = character == "\\" and not escaped
    return [*parts, "".join(current)]


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    for character in ", =":
        text = text.replace("\\" + character, character)
    if "\\" in text:
        raise NotLineProtocol("a backslash that escapes nothing")
    return text


def _value(text: str) -> float | int:
    if text.endswith("i"):
        return _integer(text[:-1])
    # float() alone would also take nan, inf, 1_0 and digits of other scripts, which InfluxDB refuses.
    if _FLOAT.fullmatch(text) is None:
        raise NotLineProtocol("not a number")
    number = float(text)
    if not math.isfinite(number):
        raise NotLineProtocol("a number that is too large")
    return number


def _integer(text: str) -> int:
    if _INTEGER.fullmatch(text) is None:
        raise NotLineProtocol("not a whole number")
    number = int(text)
    if not -_INTEGER_LIMIT <= number < _INTEGER_LIMIT:
        raise NotLineProtocol("an integer of more than 64 bits")
    return number
