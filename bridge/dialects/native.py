"""Our own document on ``…/reading``: one JSON object of catalogue names and numbers, maybe ``time`` and ``serial``.

Every fault has its readable refusal; nothing a publisher sends may raise. No clock, no network, no tenant.
"""

import json
from datetime import UTC, datetime
from math import isfinite
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from bridge.decoded import Decoded, Document, NotAReading, Refused
from bridge.refusals import Reason, sentence
from schema.quantities import CATALOGUE, STATUS_CODES, sanitised
from schema.serials import InvalidSerial, normalised

TAIL = "reading"
_MAX_BRACKETS = 64
# Unix times from here on are milliseconds: as seconds it would be the year 5138.
_MILLISECONDS_FROM = 1e11
_RESERVED = frozenset({"time", "serial"})
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
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    try:
        return normalised(str(value)[:80])
    except (InvalidSerial, ValueError):
        return ""


def _time(value: object) -> datetime | str | None:
    """UTC; "bad" for a time nobody can read; None where there is none."""
    try:
        if isinstance(value, str):
            at = datetime.fromisoformat(value)
            return "bad" if at.tzinfo is None else at.astimezone(UTC)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            seconds = value / 1000 if abs(value) >= _MILLISECONDS_FROM else value
            return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return "bad"
    return None if value is None else "bad"


class _Envelope(BaseModel):
    """The two members that are no quantities; all others stay in ``model_extra``."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    time: Annotated[datetime | str | None, BeforeValidator(_time)] = None
    serial: Annotated[str, BeforeValidator(_serial)] = ""


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


def _sorted(members: dict[str, Any]) -> tuple[dict[str, float], dict[str, float], int]:
    """Catalogue values, extra values, and how many members are neither."""
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


def decode(rest: str, payload: bytes) -> Decoded:
    """The document below ``<device>/reading`` or ``reading``."""
    before, _, tail = rest.rpartition("/")
    if tail != TAIL:
        return Refused(Reason.WRONG_TOPIC, sentence(Reason.WRONG_TOPIC, rest))
    device = before.strip("/")
    if not payload.strip():
        return NotAReading("empty", device=device)
    try:
        members = _parsed(payload)
        envelope = _Envelope.model_validate({name: members[name] for name in _RESERVED & members.keys()})
        for name in _RESERVED:
            members.pop(name, None)
        values, extra, unread = _sorted(members)
    except _Broken as broken:
        return broken.refused
    except ValidationError:
        return Refused(Reason.NOT_JSON, sentence(Reason.NOT_JSON, "time or serial is wrong"))
    if not values and not extra:
        return Refused(Reason.NO_VALUES, sentence(Reason.NO_VALUES))
    at = envelope.time
    return Document(
        values=values,
        extra=extra,
        at=at if isinstance(at, datetime) else None,
        bad_time=at == "bad",
        device=device[:64],
        serial=envelope.serial,
        unread=unread,
    )
