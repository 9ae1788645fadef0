"""Our own document on ``…/reading``: one JSON object of catalogue names and numbers, maybe ``time`` and ``serial``.

Every fault has its readable refusal; nothing a publisher sends may raise. No clock, no network, no tenant.
"""

import json
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from pydantic_core import from_json

from bridge.decoded import LONGEST_DEVICE, Decoded, Document, NotAReading, Refused
from bridge.refusals import Reason, sentence
from schema.quantities import CATALOGUE, STATUS_CODES, TIME_ESTIMATED, sanitised
from schema.serials import InvalidSerial, normalised

TAIL = "reading"
_MAX_BRACKETS = 64
# Unix times from here on are milliseconds: as seconds it would be the year 5138.
_MILLISECONDS_FROM = 1e11
_ONLY_FLOATS = frozenset({float})
_STATE_WORDS = {
    "status": {word: float(code) for code, word in enumerate(STATUS_CODES)},
    "grid_connected": {"off": 0.0, "on": 1.0, "false": 0.0, "true": 1.0},
}


class _Broken(ValueError):
    """The document breaks one rule; carries the refusal."""

    def __init__(self, reason: Reason, subject: str = "") -> None:
        super().__init__(reason)
        self.refused = Refused(reason, sentence(reason, subject))


def _serial(value: object) -> str:
    """Normalised, or empty where it cannot be a serial: then it identifies nothing."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    try:
        return normalised(str(value)[:80])
    except (InvalidSerial, ValueError):
        return ""


def _time(value: object) -> datetime | str | None:
    """UTC; "bad" for a time nobody can read; None where there is none."""
    if value is None:
        return None
    try:
        if isinstance(value, str):
            at = datetime.fromisoformat(value)
            return "bad" if at.tzinfo is None else at.astimezone(UTC)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            seconds = value / 1000 if abs(value) >= _MILLISECONDS_FROM else value
            return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return "bad"
    return "bad"


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Broken(Reason.NOT_JSON, "a name occurs twice")
    return members


def _no_constant(name: str) -> float:
    raise _Broken(Reason.NOT_A_NUMBER, name)


_DECODER = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_no_constant)


def _parsed(payload: bytes) -> dict[str, Any]:
    if payload.count(b"{") + payload.count(b"[") > _MAX_BRACKETS:
        raise _Broken(Reason.TOO_DEEP)
    try:
        document = _DECODER.decode(payload.decode())
    except UnicodeDecodeError as error:
        raise _Broken(Reason.NOT_JSON, "it is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise _Broken(Reason.NOT_JSON, f"{error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise _Broken(Reason.TOO_DEEP) from error
    except _Broken:
        raise
    except ValueError as error:
        # An integer of more digits than Python converts (sys.set_int_max_str_digits).
        raise _Broken(Reason.NOT_A_NUMBER, "a number of thousands of digits") from error
    if not isinstance(document, dict):
        raise _Broken(Reason.NOT_JSON, "an object in braces is expected")
    return document


def _finite(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _Broken(Reason.NOT_A_NUMBER, name)
    try:
        number = float(value)
    except OverflowError as error:
        raise _Broken(Reason.NOT_A_NUMBER, name) from error
    if not isfinite(number):
        raise _Broken(Reason.NOT_A_NUMBER, name)
    return number


def _all_plain(members: dict[str, Any]) -> bool:
    """Whether all are finite numbers of the catalogue, as nearly always; a state's word becomes its code here."""
    names = tuple(members)
    states = _SHAPES.get(names)
    if states is None and (states := _states_among(names)) is None:
        return False
    for name in states:
        word = members[name]
        if word.__class__ is str and (code := _STATE_WORDS[name].get(word.lower())) is not None:
            members[name] = code
    # One that is not finite makes the sum so.
    return _ONLY_FLOATS.issuperset(map(type, members.values())) and isfinite(sum(members.values()))


# The names of documents seen before, with those that may be words. Only names of the catalogue, in its own strings:
# whoever makes up names may not fill our memory with them.
_SHAPES: dict[tuple[str, ...], tuple[str, ...]] = {}
_MOST_SHAPES = 1_024


def _states_among(names: tuple[str, ...]) -> tuple[str, ...] | None:
    """Those that may be words; None where not all are of the catalogue."""
    if not CATALOGUE.keys() >= set(names):
        return None
    if len(_SHAPES) >= _MOST_SHAPES:
        _SHAPES.clear()
    states = tuple(name for name in names if name in _STATE_WORDS)
    _SHAPES[tuple(CATALOGUE[name].name for name in names)] = states
    return states


def _sorted(members: dict[str, Any]) -> tuple[dict[str, float], dict[str, float], int]:
    """Catalogue values, extra values, and how many members are neither."""
    if _all_plain(members):
        return members, {}, 0
    values: dict[str, float] = {}
    extra: dict[str, float] = {}
    unread = 0
    for name, value in members.items():
        if value.__class__ is float and name in CATALOGUE and isfinite(value):  # nearly all of them
            values[name] = value
            continue
        if value is None:
            continue
        words = _STATE_WORDS.get(name)
        if words is not None and isinstance(value, (str, bool)):
            code = words.get(str(value).lower())
            unread += code is None
            if code is not None:
                values[name] = code
        elif name in CATALOGUE:
            values[name] = _finite(name, value)
        elif isinstance(value, (str, bool, dict, list)):
            unread += 1
        elif safe := sanitised(name):
            extra[safe] = _finite(name, value)
        else:
            unread += 1
    return values, extra, unread


def _flat(payload: bytes) -> dict[str, Any] | None:
    """The members where the payload is what nearly all are: one object of numbers and short texts, each name once.

    pydantic's parser keeps the last of two equal names. So there must be as many colons as members, but for those in
    the text of ``time``; whatever else has one, or may be nested, is left to the parser that looks at every pair.
    """
    try:
        members = from_json(payload, allow_inf_nan=False)
    except ValueError:
        return None
    if not isinstance(members, dict) or b"\\" in payload or b"[" in payload:
        return None
    time = members.get("time")
    expected = len(members) + (time.count(":") if isinstance(time, str) else 0)
    return members if payload.count(b":") == expected else None


def decode(rest: str, payload: bytes) -> Decoded:
    """The document below ``<device>/reading`` or ``reading``."""
    before, _, tail = rest.rpartition("/")
    if tail != TAIL:
        return Refused(Reason.WRONG_TOPIC, sentence(Reason.WRONG_TOPIC, rest))
    device = before.strip("/") if before else ""
    try:
        members = _flat(payload)
        if members is None:
            if not payload.strip():
                return NotAReading("empty", device=device)
            members = _parsed(payload)
        at, serial = _time(members.pop("time", None)), _serial(members.pop("serial", None))
        members.pop(TIME_ESTIMATED, None)
        values, extra, unread = _sorted(members)
    except _Broken as broken:
        return broken.refused
    if not values and not extra:
        return Refused(Reason.NO_VALUES, sentence(Reason.NO_VALUES))
    bad = isinstance(at, str)
    return Document(values, extra, None if isinstance(at, str) else at, bad, device[:LONGEST_DEVICE], serial, unread)
