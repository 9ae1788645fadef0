"""OpenDTU and its relatives: ``<12-digit serial>/<channel>/<field>``, channel 0 is AC, 1 to 6 are the strings.

Source: ``mqtt-publishers.md`` 1a (ODTU) and 2b. Day yields are Wh here and kWh in the catalogue. What the DTU says of
itself (``dtu/*``) and its sums over all inverters (``ac/*``, ``dc/*``) are no readings of one inverter. No I/O.
"""

import re

from bridge.decoded import Decoded, NotAReading, Scalar
from bridge.scalars import TEXT, number, plain_number, switch
from schema.quantities import sanitised

_AC = {
    "power": "ac_power",
    "voltage": "ac_voltage",
    "current": "ac_current",
    "frequency": "ac_frequency",
    "powerfactor": "ac_power_factor",
    "reactivepower": "ac_reactive_power",
    "powerdc": "dc_power",
    "yieldday": "day_energy",
    "yieldtotal": "total_energy",
    "efficiency": "efficiency",
    "temperature": "temperature",
}
_DC = {
    "power": "power",
    "voltage": "voltage",
    "current": "current",
    "yieldday": "day_energy",
    "yieldtotal": "total_energy",
}
_STATUS = {"status/limit_relative": "limit_percent", "status/limit_absolute": "limit_power"}
_DEVICE = re.compile(r"([0-9a-f]{12})/(.+)", re.IGNORECASE)
_OWN = re.compile(
    r"(?:dtu|ac|dc)/(?:rssi|uptime|hostname|ip|bssid|status|power|yieldday|yieldtotal|is_valid|irradiation)"
)


def speaks(rest: str) -> bool:
    """Whether a topic below the login has OpenDTU's form."""
    return _DEVICE.fullmatch(rest) is not None or _OWN.fullmatch(rest) is not None


def _name(channel: str, field: str) -> str:
    if channel == "0":
        return _AC.get(field, "")
    kind = _DC.get(field)
    return f"dc_pv{channel}_{kind}" if kind and channel in "123456" else ""


def decode(rest: str, payload: bytes) -> Decoded:
    """One message below the login as a scalar, or why it is none."""
    match = _DEVICE.fullmatch(rest)
    if match is None:
        return NotAReading("dtu")
    device, tail = match.groups()
    channel, _, field = tail.partition("/")
    name = _STATUS.get(tail) or _name(channel, field)
    if name:
        value = number(payload, tail)
        if not isinstance(value, float):
            return value
        return Scalar(device, tail, name, value / 1000 if field == "yieldday" else value)
    if tail == "status/producing":
        producing = switch(payload)
        value_of_word = plain_number(payload) if producing is None else producing
        return TEXT if value_of_word is None else Scalar(device, tail, "x_producing", value_of_word)
    if channel in {"status", "device", "name", "cmd", "radio"}:
        return NotAReading("state", device=device)
    value_or_none = plain_number(payload)
    extra = sanitised(tail)
    return TEXT if value_or_none is None or not extra else Scalar(device, tail, extra, value_or_none)
