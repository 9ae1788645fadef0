"""Reads the text of one scalar: a number, or a word that says there is none. No I/O, no topic."""

import math
import re

from bridge.decoded import NotAReading, Refused
from bridge.refusals import Reason, sentence

# Decimal only: float() would also take "nan", "inf" and "1_0".
_NUMBER = re.compile(rb"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
# What publishers send where they have no value (mqtt-publishers 3, "Known bad values").
_ABSENT = frozenset({b"", b"null", b"none", b"unavailable", b"unknown", b"n/a", b"-"})
_ON = frozenset({b"true", b"on"})
_OFF = frozenset({b"false", b"off"})
_LONGEST = 64
# Measured values have few digits and come again: looking one up costs a tenth of reading it.
_KNOWN: dict[bytes, float] = {}
_MOST_KNOWN = 16_384
_SHORT = 8

EMPTY = NotAReading("empty")
TEXT = NotAReading("text")


def number(payload: bytes, name: str) -> float | NotAReading | Refused:
    """The finite number in ``payload``; ``EMPTY`` for words of absence, refused where it should be one and is not.

    Blanks around it are allowed, OpenDTU once sent a leading one (its issue 1011).
    """
    known = _KNOWN.get(payload)
    if known is not None:
        return known
    text = payload.strip()
    if len(text) <= _LONGEST and _NUMBER.fullmatch(text):
        value = float(text)
        if math.isfinite(value):
            if len(payload) <= _SHORT:
                if len(_KNOWN) >= _MOST_KNOWN:
                    _KNOWN.clear()
                _KNOWN[payload] = value
            return value
    elif text.lower() in _ABSENT:
        return EMPTY
    return Refused(Reason.NOT_A_NUMBER, sentence(Reason.NOT_A_NUMBER, name))


def switch(payload: bytes) -> float | None:
    """1.0 or 0.0 for a word that means on or off, else None."""
    word = payload.strip().lower()
    if word in _ON:
        return 1.0
    return 0.0 if word in _OFF else None


def plain_number(payload: bytes) -> float | None:
    """A finite number on a topic nobody knows, or None: there text is no fault."""
    value = number(payload, "")
    return value if isinstance(value, float) else None
