"""Serial numbers as people type them, made comparable. A serial identifies and never proves. No I/O."""

import re

MIN_LENGTH = 6
MAX_LENGTH = 32

# Apart by themselves: nobody writes these inside of a serial.
_BETWEEN = re.compile(r"[,;|\r\n\t]+")
# Parts of one serial that are written in groups are shorter.
_SHORTEST_PART = 8
_SEPARATORS = re.compile(r"[\s\-_.:/]+")
_ALLOWED = re.compile(rf"[A-Z0-9]{{{MIN_LENGTH},{MAX_LENGTH}}}")


class InvalidSerial(ValueError):
    """The text cannot be a serial; the message says what to type instead."""


def normalised(text: str) -> str:
    """Upper case without blanks and separators, as stored and compared. Raises ``InvalidSerial``."""
    serial = _SEPARATORS.sub("", text).upper()
    if not _ALLOWED.fullmatch(serial):
        raise InvalidSerial(
            f"A serial has {MIN_LENGTH} to {MAX_LENGTH} letters and digits. "
            "It stands on the sticker of the inverter or logger."
        )
    return serial


def apart(text: str) -> list[str]:
    """The serials of a pasted list as they stand there: one under the other, with commas, or with blanks between them
    where each part is long enough for a serial of its own. ``normalised`` says which of them can be one.
    """
    lines = [line.strip() for line in _BETWEEN.split(text) if line.strip()]
    parts: list[str] = []
    for line in lines:
        words = line.split()
        if len(words) > 1 and all(len(word) >= _SHORTEST_PART for word in words):
            parts += words
        else:
            parts.append(line)
    return parts
