"""Which of an inverter's quantities answer "what does it make?", and how its values are grouped on a page. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from portal.dashboard.labels import label_of
from portal.words import _
from schema.quantities import CATALOGUE

STRINGS = (1, 2, 3, 4, 5, 6)
POWER_QUANTITIES = ("ac_power", "dc_power", "battery_power", *(f"dc_pv{string}_power" for string in STRINGS))


def power_of(values: Mapping[str, float]) -> float | None:
    """What the panels make, in W; None where no quantity tells.

    A hybrid's AC output also carries what the battery gives, so with a battery the DC side answers first.
    """
    strings = [values[name] for string in STRINGS if (name := f"dc_pv{string}_power") in values]
    dc = values.get("dc_power", sum(strings) if strings else None)
    ac = values.get("ac_power")
    hybrid = "battery_power" in values
    first, second = (dc, ac) if hybrid else (ac, dc)
    return first if first is not None else second


@dataclass(frozen=True, slots=True)
class Shown:
    """One current value as a page lists it: label, value in ``unit``, and the word of a state."""

    name: str
    label: str
    value: float
    unit: str
    word: str = ""


@dataclass(frozen=True, slots=True)
class StringNow:
    """One PV string: what of power (W), voltage (V) and current (A) is known, and its share of the strongest (0..1)."""

    number: int
    power: float | None
    voltage: float | None
    current: float | None
    share: float


def shown(values: Mapping[str, float]) -> Sequence[Shown]:
    """Every current value, the catalogue's in its order, then the extras by name."""
    known = [_shown(name, values[name]) for name in CATALOGUE if name in values]
    return known + [_shown(name, values[name]) for name in sorted(values) if name not in CATALOGUE]


def _shown(name: str, value: float) -> Shown:
    quantity = CATALOGUE.get(name)
    if quantity is None:
        return Shown(name, label_of(name), value, "")
    word = _(quantity.codes[int(value)]) if quantity.codes and 0 <= value < len(quantity.codes) else ""
    return Shown(name, label_of(name), value, quantity.unit, word)


def strings_of(values: Mapping[str, float]) -> Sequence[StringNow]:
    """The PV strings that say anything; empty where there is only one nameless one."""
    powers = {number: values.get(f"dc_pv{number}_power") for number in STRINGS}
    strongest = max((power or 0.0 for power in powers.values()), default=0.0)
    found = []
    for number, power in powers.items():
        voltage, current = values.get(f"dc_pv{number}_voltage"), values.get(f"dc_pv{number}_current")
        if power is not None or voltage is not None or current is not None:
            share = max((power or 0.0) / strongest, 0.0) if strongest > 0 else 0.0
            found.append(StringNow(number, power, voltage, current, share))
    return found


def picked(values: Mapping[str, float], names: Sequence[str]) -> Sequence[Shown]:
    """Those of ``names`` that have a value, in that order."""
    return [_shown(name, values[name]) for name in names if name in values]


BATTERY = (
    "battery_soc",
    "battery_power",
    "battery_voltage",
    "battery_temperature",
    "battery_day_charge",
    "battery_day_discharge",
)
GRID = ("grid_power", "grid_day_import", "grid_day_export", "load_power", "load_day_energy")
