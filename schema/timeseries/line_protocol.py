"""InfluxDB line protocol, encoded and parsed in one file: what is batched, spooled and replayed are the same bytes.

Source: InfluxDB 2 documentation, "Line protocol", sections "Elements", "Special characters" and "Data types".
Measured values are floats, states integers: a field's type is fixed per measurement (bridge-facts 2.2). No I/O.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from schema.quantities import CATALOGUE, Kind
from schema.readings import Reading

MEASUREMENT = "reading"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_STATES = frozenset(quantity.name for quantity in CATALOGUE.values() if quantity.kind is Kind.STATE)
_KEY_ESCAPES = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ "})


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


def from_milliseconds(at_ms: int) -> datetime:
    """The aware UTC instant of ``at_ms``."""
    return _EPOCH + timedelta(milliseconds=at_ms)


def escaped_key(text: str) -> str:
    """A tag key, tag value or field key with comma, equals sign and blank escaped."""
    return text.translate(_KEY_ESCAPES)


def encode(reading: Reading, *, serial: str) -> bytes:
    """One line with the tag ``serial`` (a label, no query filters by it) and a time in milliseconds.

    Raises ``ValueError`` for a reading without values or with a value that is not finite; dialects and plausibility
    checks have removed both before.
    """
    fields: list[str] = []
    for name, value in reading.values.items():
        if not math.isfinite(value):
            raise ValueError(f"{name} is not finite")
        fields.append(f"{name}={int(value)}i" if name in _STATES else f"{name}={float(value)!r}")
    for name, value in reading.extra.items():
        if not math.isfinite(value):
            raise ValueError(f"{name} is not finite")
        fields.append(f"{escaped_key(name)}={float(value)!r}")
    if not fields:
        raise ValueError("a reading needs at least one value")
    return f"{MEASUREMENT},serial={escaped_key(serial)} {','.join(fields)} {milliseconds(reading.at)}".encode()


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
    return text


def _value(text: str) -> float | int:
    number: float | int = int(text[:-1]) if text.endswith("i") else float(text)
    if not math.isfinite(number):
        raise ValueError("not finite")
    return number


def parse(line: bytes) -> Line:
    """The line taken apart again: ``parse(encode(reading))`` is the reading. Raises ``NotLineProtocol``."""
    try:
        head, fields, at_ms = _split(line.decode(), " ")
        prefix, serial = _split(head, "=")
        pairs = (_split(field, "=") for field in _split(fields, ","))
        parsed = Line(
            serial=_unescaped(serial),
            fields={_unescaped(name): _value(text) for name, text in pairs},
            at_ms=int(at_ms),
        )
    except ValueError as error:
        raise NotLineProtocol(str(error)) from error
    if prefix != f"{MEASUREMENT},serial":
        raise NotLineProtocol(f"expected {MEASUREMENT},serial=…")
    return parsed
