"""The catalogue of canonical quantities: name, unit, kind and plausible range; names as in IEC 61724 and SunSpec.

Signs: grid power + is import, battery power + is discharge. All energy in kWh, all power in W. Ranges are those of a
residential inverter of up to 100 kW; a value outside is set aside, never stored (``bridge.plausible``).
Source: ``knowledge/mqtt-publishers.md`` section 2b.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How a quantity behaves over time."""

    GAUGE = "gauge"
    DAY_COUNTER = "day_counter"
    LIFETIME_COUNTER = "lifetime_counter"
    STATE = "state"


@dataclass(frozen=True, slots=True)
class Quantity:
    """One canonical quantity; ``low`` and ``high`` are inclusive and in ``unit``; ``codes`` are a state's words.

    ``scale`` is what the embedded store multiplies by before rounding to an integer, so it is the kept resolution.
    """

    name: str
    unit: str
    kind: Kind
    low: float
    high: float
    scale: int
    codes: tuple[str, ...] = ()


_POWER_W = 200_000.0
_DAY_KWH = 2_400.0
_TOTAL_KWH = 10_000_000.0

# Codes of the Deye running state (register 59 of the hybrid map, 0x3B of the string map), in the maker's order.
STATUS_CODES = ("standby", "selfcheck", "normal", "alarm", "fault")


def _gauge(name: str, unit: str, low: float, high: float, scale: int = 100) -> Quantity:
    return Quantity(name, unit, Kind.GAUGE, low, high, scale)


def _day(name: str) -> Quantity:
    return Quantity(name, "kWh", Kind.DAY_COUNTER, 0.0, _DAY_KWH, 1000)


def _total(name: str) -> Quantity:
    return Quantity(name, "kWh", Kind.LIFETIME_COUNTER, 0.0, _TOTAL_KWH, 1000)


def _power(name: str, unit: str = "W") -> Quantity:
    return _gauge(name, unit, -_POWER_W, _POWER_W, 10)


def _ac() -> Iterator[Quantity]:
    yield from (_power("ac_power"), _power("ac_apparent_power", "VA"), _power("ac_reactive_power", "var"))
    yield _gauge("ac_power_factor", "1", -1.0, 1.0, 10_000)
    yield _gauge("ac_frequency", "Hz", 0.0, 70.0, 1000)
    yield from (_gauge("ac_voltage", "V", 0.0, 600.0), _gauge("ac_current", "A", -500.0, 500.0, 1000))
    for phase in (1, 2, 3):
        yield _gauge(f"ac_l{phase}_voltage", "V", 0.0, 600.0)
        yield _gauge(f"ac_l{phase}_current", "A", -500.0, 500.0, 1000)
        yield _power(f"ac_l{phase}_power")
    for pair in (12, 23, 31):
        yield _gauge(f"ac_l{pair}_voltage_ll", "V", 0.0, 1000.0)


def _dc() -> Iterator[Quantity]:
    yield _power("dc_power")
    for string in (1, 2, 3, 4, 5, 6):
        yield _gauge(f"dc_pv{string}_voltage", "V", 0.0, 1500.0)
        yield _gauge(f"dc_pv{string}_current", "A", -50.0, 200.0, 1000)
        yield _power(f"dc_pv{string}_power")
        yield from (_day(f"dc_pv{string}_day_energy"), _total(f"dc_pv{string}_total_energy"))


def _grid_and_load() -> Iterator[Quantity]:
    yield from (_power("grid_power"), _power("grid_ct_power"), _power("load_power"), _power("gen_power"))
    for phase in (1, 2, 3):
        yield from (_power(f"grid_l{phase}_ct_power"), _power(f"load_l{phase}_power"), _power(f"gen_l{phase}_power"))
        yield _gauge(f"load_l{phase}_voltage", "V", 0.0, 600.0)
        yield _gauge(f"gen_l{phase}_voltage", "V", 0.0, 600.0)
    yield _gauge("load_frequency", "Hz", 0.0, 70.0, 1000)
    for direction in ("grid_{}_import", "grid_{}_export", "load_{}_energy", "gen_{}_energy"):
        yield from (_day(direction.format("day")), _total(direction.format("total")))


def _battery() -> Iterator[Quantity]:
    yield _power("battery_power")
    yield _gauge("battery_voltage", "V", 0.0, 1000.0)
    yield _gauge("battery_current", "A", -1000.0, 1000.0, 1000)
    yield _gauge("battery_soc", "%", 0.0, 100.0)
    yield _gauge("battery_temperature", "°C", -50.0, 120.0)
    for direction in ("charge", "discharge"):
        yield from (_day(f"battery_day_{direction}"), _total(f"battery_total_{direction}"))


# Stored beside the values of a reading whose time is an estimate; no publisher sends it.
TIME_ESTIMATED = "time_estimated"


def _device() -> Iterator[Quantity]:
    yield from (_day("day_energy"), _total("total_energy"))
    yield _gauge("efficiency", "%", 0.0, 110.0)
    for name in ("temperature", "temperature_ac", "temperature_igbt", "temperature_dc"):
        yield _gauge(name, "°C", -50.0, 150.0)
    yield Quantity("status", "", Kind.STATE, 0.0, 4.0, 1, STATUS_CODES)
    yield Quantity("grid_connected", "", Kind.STATE, 0.0, 1.0, 1, ("off", "on"))
    yield _gauge("limit_percent", "%", 0.0, 120.0)
    yield _gauge("limit_power", "W", 0.0, _POWER_W, 10)
    yield _gauge("uptime", "min", 0.0, 100_000_000.0, 1)
    yield Quantity(TIME_ESTIMATED, "", Kind.STATE, 0.0, 1.0, 1, ("no", "yes"))


CATALOGUE: dict[str, Quantity] = {
    quantity.name: quantity for family in (_device, _ac, _dc, _grid_and_load, _battery) for quantity in family()
}

EXTRA_PREFIX = "x_"
MAX_EXTRA_PER_INVERTER = 64

_UNSAFE = re.compile(r"[^a-z0-9]+")


def sanitised(name: str) -> str:
    """A name outside the catalogue as a store field: ``x_`` and 48 of ``a-z 0-9 _`` at most, maybe empty."""
    safe = _UNSAFE.sub("_", name.lower()).strip("_")[:48]
    return EXTRA_PREFIX + safe if safe else ""
