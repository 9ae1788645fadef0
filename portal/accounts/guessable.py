"""Which passwords are guessed first, told offline and in a sentence. No database, no HTTP, nothing is asked elsewhere.

zxcvbn knows 30,000 leaked passwords, 63,000 words and names, rows of keys, sequences, repetitions, dates and letters
written as digits, and estimates how many guesses somebody needs who knows them too. About 4,000 of what it knows word
for word has twelve characters or more; what people make of the rest (``password1234``) it takes apart. No rule asks for
capitals, digits or signs: long is good, whatever it is made of.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from portal.words import N_, _

# Below this many guesses a password is refused: three parts that are well known stay below, three or four words do not.
# At our door an attacker has some thousand a day; the margin is for one who has stolen the database.
FEWEST_GUESSES = 10**10

# The library's work explodes with the signs that may stand for letters: 2 s for 72 characters chosen with malice. It
# takes 40 ms at most for as many as this, of which at most a dozen are such signs; else it sees fewer.
_WINDOW = 20
_MOST_SIGNS = 12
_SIGNS = frozenset("@({[<|!$+%0123456789")
_SHORTEST_PART = 3
# What somebody adds to a name they know: a digit, a sign, a year.
_MOST_ADDED = 4

# What everybody who looks at this portal would try.
PRODUCT_WORDS = (
    *("deye", "hard", "deyehard", "deye-hard", "deye hard", "inverter", "wechselrichter", "solar", "photovoltaik"),
    *("photovoltaic", "solarman", "sunsynk", "logger", "mosquitto", "mqtt", "influx", "influxdb", "portal", "watt"),
)

_ADVICE = N_("Four or five words that do not belong together make a good one.")
_SENTENCES = {
    "user_inputs": N_("Please do not make it from your address, your name or the name of this product."),
    "dictionary": N_("This is among the passwords that are tried first."),
    "spatial": N_("Keys that lie side by side are tried first."),
    "repeat": N_("The same again and again is guessed quickly."),
    "sequence": N_("Letters or digits in their usual order are tried first."),
}
_ANY_KIND = N_("This would be guessed quickly.")


def normalised(password: str) -> str:
    """One spelling (NFKC) for what looks alike: keyboards differ in how they write the same letter."""
    return unicodedata.normalize("NFKC", password)


def refused_because(password: str, about: Iterable[str] = ()) -> str | None:
    """Why this password is refused, None where it is fine. ``about`` is what is known of its owner, such as an address.

    A long one is fine when its beginning or its end is.
    """
    text = normalised(password)
    known = [*_parts(about), *PRODUCT_WORDS]
    if _is_made_of(text, known):
        return _said(_SENTENCES["user_inputs"])
    unit = text[: (text + text).find(text, 1)]  # what it repeats; the whole where it does not
    if len(unit) < len(text):
        return _said(_SENTENCES["repeat"]) if refused_because(unit, about) else None
    most = _WINDOW if len(_SIGNS.intersection(text)) <= _MOST_SIGNS else _MOST_SIGNS
    found = _look(text[:most], known)
    if found is not None and len(text) > most and _look(text[-most:], known) is None:
        return None
    return found


def _look(text: str, known: list[str]) -> str | None:
    # 15 MB that a portal need not pay before somebody chooses a password.
    from zxcvbn import zxcvbn  # noqa: PLC0415

    result: dict[str, Any] = zxcvbn(text, user_inputs=known)
    return None if result["guesses"] >= FEWEST_GUESSES else _sentence(result["sequence"])


def _is_made_of(text: str, known: list[str]) -> bool:
    """Whether nothing much is left when these are taken out, the longest first."""
    left = text.casefold()
    for part in sorted(known, key=len, reverse=True):
        left = left.replace(part.casefold(), " ")
    return len(left) < len(text) and len(re.sub(r"[\W_]", "", left)) <= _MOST_ADDED


def _sentence(sequence: list[dict[str, Any]]) -> str:
    """About the longest part that was recognised."""
    recognised = [part for part in sequence if part["pattern"] != "bruteforce"]
    if not recognised:
        return _said(_ANY_KIND)
    longest = max(recognised, key=lambda part: len(part["token"]))
    kind = "user_inputs" if longest.get("dictionary_name") == "user_inputs" else longest["pattern"]
    return _said(_SENTENCES.get(kind, _ANY_KIND))


def _said(fault: str) -> str:
    return f"{_(fault)} {_(_ADVICE)}"


def _parts(about: Iterable[str]) -> list[str]:
    """Each text, and the words in it: an address is its name, its domain and what stands between dots."""
    found: list[str] = []
    for text in about:
        whole = normalised(text).lower()
        found += [whole, *whole.split("@"), *re.split(r"[\W_]+", whole)]
    return [part for part in dict.fromkeys(found) if len(part) >= _SHORTEST_PART]
