"""The table of dialects: a new one is a file here and one line. "auto" lets each message's topic tell. No I/O.

Behind a home bridge topics may begin with words of their own (``roof/ac/freq``, ``solar/114180000001/0/power``): what
stands before the first topic that a dialect knows is the device's name, or a part of it.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from bridge.decoded import LONGEST_DEVICE, Decoded, NotAReading, Scalar
from bridge.dialects import deye_mqtt, native, opendtu
from schema.topics import selector_of

DIALECTS: dict[str, Callable[[str, bytes], Decoded]] = {
    "native": native.decode,
    "deye_mqtt": deye_mqtt.decode,
    "opendtu": opendtu.decode,
}

# Levels that a home bridge may put before a publisher's own topics.
_MOST_LEVELS = 3


class _Form(NamedTuple):
    """Who speaks like this: the dialect, the words before its own topics, and the topic as that dialect knows it."""

    dialect: str
    before: str
    topic: str


@lru_cache(maxsize=8_192)
def _form(rest: str) -> _Form:
    if rest == native.TAIL or rest.endswith("/" + native.TAIL):
        return _Form("native", "", rest)
    before, topic = "", rest
    for _ in range(_MOST_LEVELS + 1):
        if opendtu.speaks(topic):
            # A serial is the same device wherever it stands.
            return _Form("opendtu", "", topic)
        if deye_mqtt.speaks(topic):
            return _Form("deye_mqtt", before, topic)
        level, _, topic = topic.partition("/")
        before = f"{before}/{level}" if before else level
        # A number in front is a logger's, and all below it is that logger's.
        if not topic or len(before) > LONGEST_DEVICE - deye_mqtt.LONGEST_INDEX or not level.strip("0123456789"):
            break
    return _Form("deye_mqtt", "", rest)


@lru_cache(maxsize=8_192)
def _decoder(rest: str) -> Callable[[str, bytes], Decoded]:
    dialect, before, topic = _form(rest)
    decode_it = DIALECTS[dialect]
    return decode_it if topic == rest else lambda _, payload: _behind(before, decode_it(topic, payload))


def told_by(rest: str) -> str:
    """The dialect whose topics look like ``rest``, the part below the login."""
    return _form(rest).dialect


def decode(dialect: str, rest: str, payload: bytes) -> Decoded:
    """One message in ``dialect``, a key of ``DIALECTS`` or "auto"; never raises for anything a publisher may send."""
    return (DIALECTS.get(dialect) or _decoder(rest))(rest, payload)


def _behind(before: str, decoded: Decoded) -> Decoded:
    """With the words that a home bridge has put in front as the device's name."""
    if not before:
        return decoded
    if isinstance(decoded, Scalar):
        return decoded._replace(device=selector_of(decoded.device, above=before) or before)
    if isinstance(decoded, NotAReading):
        return replace(decoded, device=selector_of(decoded.device, above=before) or before)
    return decoded
