"""Three simulated inverters: what each measures as time goes on. Pure: light and clock are handed in.

Counters are the exact sum of the power shown times its duration, so pages can be checked against them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

Values = dict[str, float | str]

STEP = timedelta(seconds=60)
_J_PER_KWH = 3_600_000.0
_STANDBY_W = 5.0


@dataclass(slots=True)
class State:
    """What a device remembers: the instant it has come to, its counters in kWh, and the battery's charge (0 to 1)."""

    at: datetime
    day: str = ""
    counters: dict[str, float] = field(default_factory=dict)
    charge: float = 0.4


def count(state: State, name: str, watts: float, seconds: float) -> None:
    """Add to the day's and the lifetime's counter of ``name`` (``{}`` stands for which of the two)."""
    for span in ("day", "total"):
        key = name.format(span)
        state.counters[key] = state.counters.get(key, 0.0) + max(0.0, watts) * seconds / _J_PER_KWH


def _whole(state: State, *names: str, digits: int = 2) -> Values:
    """Counters as a device shows them: cut, never rounded up, so that they never fall back."""
    scale = 10.0**digits
    return {name: math.floor(state.counters.get(name, 0.0) * scale) / scale for name in names}


def _string(number: int, watts: float, volts: float) -> Values:
    """One PV string of which only the power changes much."""
    volts = volts * (0.92 + 0.08 * min(1.0, watts / 400))
    return {
        f"dc_pv{number}_power": round(watts, 1),
        f"dc_pv{number}_voltage": round(volts, 1),
        f"dc_pv{number}_current": round(watts / volts, 2),
    }


def micro(state: State, light: float, seconds: float) -> Values:
    """Two modules on a balcony. Its panels feed its electronics: in the dark it says nothing."""
    panels = [430.0 * light, 400.0 * light * 0.94]
    ac = min(800.0, 0.955 * sum(panels))
    if ac < _STANDBY_W:
        return {}
    count(state, "{}_energy", ac, seconds)
    return {
        "ac_power": round(ac, 1),
        "ac_l1_voltage": round(230.0 + 4.0 * light, 1),
        "ac_l1_current": round(ac / 232.0, 2),
        "ac_frequency": 50.01,
        "temperature": round(18.0 + 30.0 * light, 1),
        **_string(1, panels[0], 34.0),
        **_string(2, panels[1], 33.6),
        **_whole(state, "day_energy", "total_energy", digits=1),
    }


def string(state: State, light: float, seconds: float) -> Values:
    """Eight kilowatts on a roof; at night it stands by and says so."""
    panels = [4_400.0 * light, 3_600.0 * light**1.1]
    ac = 0.97 * sum(panels)
    asleep = ac < _STANDBY_W
    ac = 0.0 if asleep else min(8_000.0, ac)
    count(state, "{}_energy", ac, seconds)
    return {
        "status": "standby" if asleep else "normal",
        "ac_power": round(ac, 1),
        "ac_frequency": 49.99,
        "ac_l1_voltage": round(231.0 + 3.0 * light, 1),
        "temperature": round(16.0 + 34.0 * light, 1),
        **(_string(1, panels[0], 380.0) if not asleep else {}),
        **(_string(2, panels[1], 340.0) if not asleep else {}),
        **_whole(state, "day_energy", "total_energy"),
    }


def _signed(watts: float) -> float:
    """Rounded, and nothing is just nothing, not minus nothing."""
    return round(watts, 1) or 0.0


_BATTERY_KWH = 10.0
_BATTERY_W = 4_000.0


def _household(hour: float) -> float:
    """What a home draws, in W: little at night, more for breakfast, most in the evening."""
    breakfast = 1_500.0 * math.exp(-((hour - 7.5) ** 2) / 1.5)
    evening = 2_600.0 * math.exp(-((hour - 19.0) ** 2) / 5.0)
    return 480.0 + breakfast + evening + 60.0 * math.sin(hour * 9.0)


def hybrid(state: State, light: float, seconds: float, hour: float) -> Values:
    """Six kilowatts with a battery: what the home does not need charges it, what is left is sold."""
    panels = [3_200.0 * light, 2_800.0 * light]
    pv, load = sum(panels), _household(hour)
    room = (1.0 - state.charge) * _BATTERY_KWH * _J_PER_KWH / seconds
    stock = (state.charge - 0.1) * _BATTERY_KWH * _J_PER_KWH / seconds
    wanted = load - pv
    battery = min(_BATTERY_W, wanted, stock) if wanted > 0 else -min(_BATTERY_W, -wanted, room)
    grid = load - pv - battery
    state.charge -= battery * seconds / (_BATTERY_KWH * _J_PER_KWH)
    count(state, "{}_energy", pv, seconds)
    count(state, "battery_{}_discharge", battery, seconds)
    count(state, "battery_{}_charge", -battery, seconds)
    count(state, "grid_{}_import", grid, seconds)
    count(state, "grid_{}_export", -grid, seconds)
    count(state, "load_{}_energy", load, seconds)
    return {
        "status": "normal",
        "dc_power": round(pv, 1),
        "ac_power": round(pv + battery, 1),
        "battery_power": _signed(battery),
        "battery_soc": round(100.0 * state.charge, 1),
        "battery_voltage": round(48.0 + 5.0 * state.charge, 2),
        "battery_temperature": round(19.0 + abs(battery) / 500.0, 1),
        "grid_power": _signed(grid),
        "load_power": round(load, 1),
        "temperature": round(20.0 + 22.0 * light, 1),
        **_string(1, panels[0], 390.0),
        **_string(2, panels[1], 360.0),
        **_whole(state, *(name for name in state.counters)),
    }


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where a device stands: its light, and the zone whose midnight resets its day counters."""

    light: Callable[[datetime], float]
    zone: ZoneInfo


def advance(kind: str, state: State, to: datetime, around: Surroundings) -> Values:
    """What the device of ``kind`` shows at ``to``, having counted everything since ``state.at`` step by step."""
    values: Values = {}
    while state.at < to:
        step = min(STEP, to - state.at)
        state.at += step
        local = state.at.astimezone(around.zone)
        if state.day != local.date().isoformat():
            state.day = local.date().isoformat()
            for name in [name for name in state.counters if "day_" in name]:
                state.counters[name] = 0.0
        values = _measure(kind, state, around.light(state.at), step.total_seconds(), local)
    return values


def _measure(kind: str, state: State, light: float, seconds: float, local: datetime) -> Values:
    if kind == "micro":
        return micro(state, light, seconds)
    if kind == "string":
        return string(state, light, seconds)
    return hybrid(state, light, seconds, local.hour + local.minute / 60)
