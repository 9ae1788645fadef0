"""Takes secrets out of text that ends in a log, by what they look like and by what they are. Pure but for ``hide``.

Fields whose name sounds like a secret are blanked by ``schema.logs``; this is for what hides inside other text: the
text of an exception, an echoed request, a URL with a password.
"""

import re
from collections.abc import Iterable

BLANK = "[redacted]"
_SHORTEST_KNOWN = 6

# user:password@ in a URL; the user may stay.
_IN_URL = re.compile(r"(?<=://)([^\s/@:]*):[^\s/@]+(?=@)")
# Authorization: Token abc, password=abc, "token": "abc": a word for a secret, then its value.
_NAMED = re.compile(
    r"(?i)\b((?:authorization|password|passwd|secret|token|bearer|cookie|api[_-]?key)[\"']?\s*[:=]\s*[\"']?"
    r"(?:(?:token|bearer|basic)\s+)?|(?:token|bearer|basic)\s+(?=[^\s\"']{16,}))"
    r"(?!\[redacted\])[^\s\"',;)}&]+"
)
# What we and InfluxDB make: long, with a digit, and no UUID. Base64 ends with its padding or is long enough anyway.
_RANDOM = re.compile(
    r"(?<![\w/.-])(?![0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![\w-]))"
    r"(?=[\w+-]*\d)(?=[\w+-]*[A-Za-z])[\w+-][\w+/-]{30,}={0,2}(?![\w/.])"
)

# A login's secret (schema.verifiers), one without a digit too.
_GROUPED = re.compile(r"\b(?:[A-Z2-7]{4}-){7}[A-Z2-7]{4}\b")
# An API key (portal.accounts.api_keys) and a collector's (portal.credentials.identities), one without a digit too.
_API_KEY = re.compile(r"\bdeyec?_[A-Z2-7]{32}\b")
# A mark of a known browser (portal.accounts.known_browsers).
_MARK = re.compile(r"\b[0-9a-f]{8}\.[0-9a-f]{16}\.[0-9a-f]{32}\b")
# A second factor's secret and a recovery code (portal.accounts.totp and recovery).
_BASE32 = re.compile(r"\b[A-Z2-7]{32}\b")
_RECOVERY = re.compile(r"\b[A-Z0-9]{4}(?:-[A-Z0-9]{4}){2}\b")
_JWT = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*")

_known: list[str] = []


def hide(secrets: Iterable[str]) -> None:
    """From now on blank these wherever they stand; very short ones are left, for they would blank half the log."""
    fresh = {secret for secret in secrets if len(secret) >= _SHORTEST_KNOWN} - set(_known)
    # The longest first: one may be part of another.
    _known[:] = sorted([*_known, *fresh], key=len, reverse=True)


def scrubbed(text: str) -> str:
    """``text`` without what is known or looks like a secret."""
    for secret in _known:
        if secret in text:
            text = text.replace(secret, BLANK)
    text = _IN_URL.sub(rf"\1:{BLANK}", text)
    text = _NAMED.sub(rf"\1{BLANK}", text)
    for shape in (_JWT, _GROUPED, _API_KEY, _MARK, _BASE32, _RECOVERY, _RANDOM):
        text = shape.sub(BLANK, text)
    return text
