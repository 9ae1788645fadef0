"""Serial numbers as people type them, made comparable. A serial identifies and never proves. No I/O."""

import re

MIN_LENGTH = 6
MAX_LENGTH = 32

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
