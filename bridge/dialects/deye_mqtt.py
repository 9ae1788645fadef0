"""kbialek/deye-inverter-mqtt: one decimal text per topic, below ``deye/<login>/`` or ``deye/<login>/<logger index>/``.

Source: its sensor files as of v2026.06.1, listed in ``mqtt-publishers.md`` 2a and 2b. Also takes any number on a topic
nobody knows, as an extra value. No clock, no network, no tenant.
"""

import re
import sys
from collections.abc import Collection, Mapping
from functools import lru_cache

from bridge.decoded import Decoded, NotAReading, Refused, Scalar
from bridge.refusals import Reason, sentence
from bridge.scalars import EMPTY, TEXT, number, plain_number, switch
from schema.quantities import STATUS_CODES, sanitised

TOTAL_POWER = "ac/total_power"
_UNDECIDED = sanitised(TOTAL_POWER)

_PLAIN = {
    "day_energy": "day_energy",
    "total_energy": "total_energy",
    "uptime": "uptime",
    "radiator_temp": "temperature",
    "igbt_temp": "temperature_igbt",
    "ac/temperature": "temperature_ac",
    "ac/active_power": "ac_power",
    "ac/apparent_power": "ac_apparent_power",
    "ac/reactive_power": "ac_reactive_power",
    "ac/freq": "ac_frequency",
    "ac/grid_frequency": "ac_frequency",
    "ac/frequency": "load_frequency",
    "ac/total_grid_power": "grid_power",
    "ac/grid/power": "grid_power",
    "ac/daily_energy_bought": "grid_day_import",
    "ac/daily_energy_sold": "grid_day_export",
    "ac/total_energy_bought": "grid_total_import",
    "ac/total_energy_sold": "grid_total_export",
    "ac/ups/power": "load_power",
    "ac/ups/total_power": "load_power",
    "ac/ups/daily_energy": "load_day_energy",
    "ac/ups/total_energy": "load_total_energy",
    "ac/generator/total_power": "gen_power",
    "ac/generator/daily_energy": "gen_day_energy",
    "ac/generator/total_energy": "gen_total_energy",
    "micro_inverter_power": "gen_power",
    "dc/total_power": "dc_power",
    "battery/daily_charge": "battery_day_charge",
    "battery/daily_discharge": "battery_day_discharge",
    "battery/total_charge": "battery_total_charge",
    "battery/total_discharge": "battery_total_discharge",
    "settings/active_power_regulation": "limit_percent",
}


def _vocabulary() -> dict[str, str]:
    """Every topic tail of the table with its canonical name."""
    names = dict(_PLAIN)
    for phase, letter in ((1, "a"), (2, "b"), (3, "c")):
        for kind in ("voltage", "current", "power"):
            names[f"ac/l{phase}/{kind}"] = f"ac_l{phase}_{kind}"
        names[f"ac/l{phase}/ct/external"] = f"grid_l{phase}_ct_power"
        for kind in ("voltage", "power"):
            names[f"ac/ups/l{phase}/{kind}"] = f"load_l{phase}_{kind}"
            names[f"ac/generator/l{phase}/{kind}"] = f"gen_l{phase}_{kind}"
            names[f"ac/generator/{letter}/{kind}"] = f"gen_l{phase}_{kind}"
    for pair in ("12", "23", "31"):
        names[f"ac/l{pair}/voltage"] = f"ac_l{pair}_voltage_ll"
    for string in (1, 2, 3, 4):
        for kind in ("voltage", "current", "power", "day_energy", "total_energy"):
            names[f"dc/pv{string}/{kind}"] = f"dc_pv{string}_{kind}"
    for kind in ("power", "voltage", "current", "soc", "temperature"):
        names[f"battery/{kind}"] = f"battery_{kind}"
        # Two-battery models: the first one's values stand for the inverter, the power is summed in complete().
        names[f"battery/1/{kind}"] = f"battery_{kind}"
    del names["battery/1/power"]
    return names


NAMES = _vocabulary()

# The last level of topics that say how the publisher is, not what the sun does.
_NOT_READINGS = frozenset({"status", "LWT", "availability", "attributes", "command", "config", "system_time"})
_PHASE_POWERS = ("ac_l1_power", "ac_l2_power", "ac_l3_power")
_BATTERY_POWERS = ("x_battery_1_power", "x_battery_2_power")
_STRING_POWERS = ("dc_pv1_power", "dc_pv2_power", "dc_pv3_power", "dc_pv4_power")

# Suffixes that only one family of hybrids has; they tell what ac/total_power means (mqtt-publishers 2a, trap a).
_GRID_FAMILY = frozenset(
    {"inverter/status", "ac/total_internal_power", "ac/relay_status", "ac/ongrid", "ac/ups/total_power"}
)
_INVERTER_FAMILY = frozenset({"ac/total_grid_power", "ac/frequency", "ac/grid_frequency", "micro_inverter_power"})

# What only this client calls its topics, alone or below a logger's number. Without "uptime" and "status", which every
# other program has too.
_OWN = re.compile(
    r"(?:[0-9]{1,2}/)?(?:(?:ac|dc|battery|bms|settings|timeofuse|ct[1-6]|total/[12])/.+|inverter/status|logger_status"
    r"|day_energy|total_energy|operating_power|micro_inverter_power|radiator_temp|igbt_temp)"
)
LONGEST_INDEX = 3
"""Characters of a logger's number and the slash before it."""


def speaks(rest: str) -> bool:
    """Whether a topic is one of the client's own, also of one of several loggers."""
    return _OWN.fullmatch(rest) is not None


@lru_cache(maxsize=8_192)
def _split(rest: str) -> tuple[str, str, str | None]:
    """Logger index, tail and its canonical name; several loggers behind one client are numbered from 1."""
    rest = rest.strip("/")
    head, _, tail = rest.partition("/")
    device, tail = (head, tail) if tail and len(head) <= 2 and head.isdecimal() else ("", rest)
    return device, tail, NAMES.get(tail)


def decode(rest: str, payload: bytes) -> Decoded:
    """One message below the login as a scalar, or why it is none."""
    device, tail, name = _split(rest)
    if name is not None:
        value = number(payload, tail)
        return Scalar(device, tail, name, value) if isinstance(value, float) else value
    if tail == "logger_status":
        return NotAReading("logger_status", device=device, starts_cycle=True)
    if tail == "inverter/status":
        return _status(device, tail, payload)
    if tail == "ac/ongrid":
        connected = switch(payload)
        return TEXT if connected is None else Scalar(device, tail, "grid_connected", connected)
    if tail == "ac/relay_status":
        return _relay(device, tail, payload)
    return _unknown(device, tail, payload)


def _status(device: str, tail: str, payload: bytes) -> Decoded:
    word = payload.strip().lower().decode("ascii", "replace")
    if word in STATUS_CODES:
        return Scalar(device, tail, "status", float(STATUS_CODES.index(word)))
    # The client sends an empty text while the inverter's state is none it knows.
    return EMPTY if not word else TEXT


def _relay(device: str, tail: str, payload: bytes) -> Decoded:
    """Two hexadecimal digits: ``27`` is 39 and ``0F`` is 15."""
    digits = payload.strip()
    try:
        return Scalar(device, tail, sanitised(tail), float(int(digits[:8], 16)))
    except ValueError:
        return TEXT if digits else EMPTY


def _unknown(device: str, tail: str, payload: bytes) -> Decoded:
    last = tail.rpartition("/")[2]
    if last in _NOT_READINGS or tail.startswith("homeassistant/"):
        return NotAReading("discovery" if last == "config" else "state", device=device)
    value = plain_number(payload)
    name = sanitised(tail)
    if value is not None and name:
        return Scalar(device, tail, name, value)
    if payload.lstrip()[:1] in (b"{", b"["):
        return Refused(Reason.WRONG_TOPIC, sentence(Reason.WRONG_TOPIC, tail))
    return TEXT


def family(seen: Collection[str], known: str) -> str:
    """Whose power ``ac/total_power`` is, ``grid`` or ``inverter``; ``known`` where nothing new tells."""
    if not _GRID_FAMILY.isdisjoint(seen):
        return "grid"
    return "inverter" if not _INVERTER_FAMILY.isdisjoint(seen) else known


def complete(fresh: dict[str, float], values: Mapping[str, float], kin: str) -> dict[str, float]:
    """A part's ``fresh`` values with what follows from the cycle's ``values`` so far: the total power under its right
    name, and the sums no topic carries.

    ``kin`` is what ``family`` found. An undecided total stays an extra value under its own name.
    """
    if _UNDECIDED in fresh and kin:
        total = fresh.pop(_UNDECIDED)
        fresh["grid_power" if kin == "grid" else "ac_power"] = total
    phases = [values[name] for name in _PHASE_POWERS if name in values]
    if kin == "grid" and "ac_power" not in values and len(phases) == len(_PHASE_POWERS):
        fresh["ac_power"] = _sum(phases)
    strings = [values[name] for name in _STRING_POWERS if name in values]
    if kin and strings and "dc_power" not in values:
        fresh["dc_power"] = _sum(strings)
    batteries = [values[name] for name in _BATTERY_POWERS if name in values]
    if batteries:
        fresh["battery_power"] = _sum(batteries)
    return fresh


def _sum(powers: Collection[float]) -> float:
    """Finite whatever was sent: it is judged, and perhaps told to its owner, like a number that came by itself."""
    return max(-sys.float_info.max, min(sum(powers), sys.float_info.max))
