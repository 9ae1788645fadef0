"""The table of dialects: a new one is a file here and one line. "auto" lets each message's topic tell. No I/O."""

from collections.abc import Callable

from bridge.decoded import Decoded
from bridge.dialects import deye_mqtt, native, opendtu

DIALECTS: dict[str, Callable[[str, bytes], Decoded]] = {
    "native": native.decode,
    "deye_mqtt": deye_mqtt.decode,
    "opendtu": opendtu.decode,
}


def told_by(rest: str) -> str:
    """The dialect whose topics look like ``rest``, the part below the login."""
    if rest == native.TAIL or rest.endswith("/" + native.TAIL):
        return "native"
    return "opendtu" if opendtu.speaks(rest) else "deye_mqtt"


def decode(dialect: str, rest: str, payload: bytes) -> Decoded:
    """One message in ``dialect``, a key of ``DIALECTS`` or "auto"; never raises for anything a publisher may send."""
    return DIALECTS.get(dialect, DIALECTS[told_by(rest)])(rest, payload)
