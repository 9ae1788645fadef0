"""Dead letters as people see them: what a payload can be, what a reason is called, and how bytes are shown. Pure.

A payload is whatever somebody sent: here it becomes plain text that changes nothing where it is shown. Pages escape it
once more, and terminals are given no control characters.
"""

import codecs
from dataclasses import dataclass
from enum import StrEnum

MOST_COUNTED = 2**31 - 1
"""What a column of counts takes on PostgreSQL. Whoever floods for days gets beyond it; the spool counts on."""

NO_LOGIN = "-"
"""How a request names the letters that nobody's login is known of; an empty login means any."""

_MOST_CHARACTERS = 2_000
_MOST_BYTES = 512
_BYTES_IN_A_ROW = 16
# More than this share of characters that cannot be shown, and it was no text.
_MOST_UNSHOWN = 0.1


class PayloadForm(StrEnum):
    """What a dead letter's payload is: the message as it came, a line made of it, or the values of a whole cycle."""

    MESSAGE = "message"
    LINE = "line"
    VALUES = "values"


# Every reason of ``bridge.refusals`` in a few words, for lists; the sentence that says what to do is with each letter.
TITLES = {
    "unknown_login": "Unknown login",
    "revoked_login": "Withdrawn login",
    "wrong_topic": "Wrong topic",
    "not_json": "Not a JSON document",
    "not_a_number": "Text where a number belongs",
    "too_large": "Message too large",
    "too_deep": "Nested too deeply",
    "no_values": "No measured value",
    "implausible": "Value that cannot be true",
    "other_serial": "Another serial",
    "another_device": "Another device on this login",
    "bad_time": "Wrong time",
    "store_refused": "Refused by the store",
    "not_understood": "Fault of the bridge",
    "too_fast": "Too many messages",
    "too_much": "Far too many messages",
    "quarantined": "Login in quarantine",
    "spool_share": "More than could be kept",
    "inverter_deleted": "Inverter deleted",
}


def title(reason: str) -> str:
    """What lists call a reason; one of a newer bridge is called by its code."""
    return TITLES.get(reason, reason.replace("_", " "))


@dataclass(frozen=True, slots=True)
class Shown:
    """A payload as text. ``is_hex`` says that it was no text; ``missing`` is how many bytes are not shown."""

    text: str
    is_hex: bool
    size: int
    missing: int


def shown(payload: bytes, size: int = 0) -> Shown:
    """The first part of a payload as text where it is text, else as bytes. ``size`` is its length before it was cut."""
    size = max(size, len(payload))
    text = _decoded(payload)
    if text is None:
        part = payload[:_MOST_BYTES]
        return Shown(_rows(part), is_hex=True, size=size, missing=size - len(part))
    part_text = text[:_MOST_CHARACTERS]
    missing = size - len(part_text.encode()) if len(text) > _MOST_CHARACTERS else size - len(payload)
    return Shown("".join(map(_visible, part_text)), is_hex=False, size=size, missing=missing)


def plain(text: str) -> str:
    """One line without anything that controls a terminal or turns the direction of writing."""
    return "".join(map(_visible, text)).replace("\n", " ").replace("\t", " ")


def _decoded(payload: bytes) -> str | None:
    """The text; None where it is none. A character that the cut went through is left away."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(payload)
    except UnicodeDecodeError:
        return None
    unshown = sum(not (character.isprintable() or character in "\r\n\t") for character in text)
    return text if unshown <= len(text) * _MOST_UNSHOWN else None


def _visible(character: str) -> str:
    """Line ends and tabulators stay; what controls a terminal or turns the direction of writing is spelt out."""
    if character.isprintable() or character in "\n\t":
        return character
    return f"\\u{ord(character):04x}" if ord(character) <= 0xFFFF else f"\\U{ord(character):08x}"


def _rows(part: bytes) -> str:
    """Sixteen bytes in a row: where they are, their digits, and what of them is a letter."""
    rows = []
    for start in range(0, len(part), _BYTES_IN_A_ROW):
        row = part[start : start + _BYTES_IN_A_ROW]
        letters = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        rows.append(f"{start:04x}  {row.hex(' '):<{_BYTES_IN_A_ROW * 3}} {letters}")
    return "\n".join(rows)
