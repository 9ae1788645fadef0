"""What programs are told of an inverter: the answers' shapes, and how they are made of what was found. No HTTP.

Field names and their order are the API's promise: new ones may come, none goes and none changes its meaning.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal, cast
from uuid import UUID

from portal.dashboard.energy import DayEnergy
from portal.dashboard.programs import Energies, Means
from portal.programs.tables import Cell
from schema.models import LiveRow
from schema.quantities import CATALOGUE, Kind, Quantity

EnergySourceName = Literal["counter", "day_counter", "power", "nothing"]


@dataclass(frozen=True, slots=True)
class LatestAnswer:
    """The newest value of each quantity, and its unit (empty for states and what the catalogue does not know).

    `reading_at` is the newest reading's time, `seen_at` the arrival of the last message of any kind.
    """

    inverter_id: UUID
    reading_at: datetime | None
    seen_at: datetime | None
    values: dict[str, float]
    units: dict[str, str]


@dataclass(frozen=True, slots=True)
class MeansOfWindow:
    """Means of one window that begins at `at`; a quantity without a value is absent."""

    at: datetime
    values: dict[str, float]


@dataclass(frozen=True, slots=True)
class ReadingsAnswer:
    """Means in windows of `step_s` seconds from `start` to `end`; windows without a value are absent.

    `next` is the address of the next part, null on the last one.
    """

    inverter_id: UUID
    start: datetime
    end: datetime
    step_s: int
    units: dict[str, str]
    readings: list[MeansOfWindow]
    next: str | None


@dataclass(frozen=True, slots=True)
class EnergyOfDay:
    """Energy of one day, null where nothing is known. `coverage` is the share of the day, so far, that the source
    accounts for (0 to 1); `repairs` say in plain words what had to be mended.
    """

    date: date
    energy_kwh: float | None
    source: EnergySourceName
    coverage: float
    repairs: list[str]


@dataclass(frozen=True, slots=True)
class EnergyAnswer:
    """Energy by day of the time zone of the inverter's owner. `next` as elsewhere."""

    inverter_id: UUID
    time_zone: str
    days: list[EnergyOfDay]
    next: str | None


@dataclass(frozen=True, slots=True)
class QuantityAnswer:
    """What a name in `values` means. `low` and `high` bound what is plausible, in `unit`; the value of a state is a
    place in `codes`, from 0. Grid power above 0 is import, battery power above 0 is discharge.
    """

    name: str
    unit: str
    kind: Kind
    low: float
    high: float
    codes: list[str]


def latest_answer(inverter_id: UUID, row: LiveRow | None) -> LatestAnswer:
    """Everything empty where the bridge has never heard of the inverter."""
    values = dict(row.values) if row else {}
    return LatestAnswer(
        inverter_id=inverter_id,
        reading_at=row.reading_at if row else None,
        seen_at=row.seen_at if row else None,
        values=values,
        units=units_of(values),
    )


def readings_answer(inverter_id: UUID, found: Means, step_s: int, following: str | None) -> ReadingsAnswer:
    """One part of the means."""
    return ReadingsAnswer(
        inverter_id=inverter_id,
        start=found.span.start,
        end=found.span.end,
        step_s=step_s,
        units=units_of(found.names),
        readings=[MeansOfWindow(window.start, window.means) for window in found.windows],
        next=following,
    )


def readings_rows(found: Means) -> tuple[Sequence[str], Iterator[Sequence[Cell]]]:
    """The same as a table: header and rows, the unit behind each name."""
    units = units_of(found.names)
    header = ["at", *(f"{name} ({unit})" if unit else name for name, unit in units.items())]
    rows = ([text_of(window.start), *(window.means.get(name) for name in units)] for window in found.windows)
    return header, rows


def energy_answer(inverter_id: UUID, found: Energies, following: str | None) -> EnergyAnswer:
    """One part of the days."""
    return EnergyAnswer(inverter_id, found.zone.key, [_energy_of(day) for day in found.days], following)


def energy_rows(found: Energies) -> tuple[Sequence[str], Iterator[Sequence[Cell]]]:
    """The same as a table."""
    days = (_energy_of(day) for day in found.days)
    rows = (
        [day.date.isoformat(), day.energy_kwh, day.source, round(day.coverage, 4), " ".join(day.repairs)]
        for day in days
    )
    return ["date", "energy (kWh)", "source", "coverage", "repairs"], rows


def units_of(names: Iterable[str]) -> dict[str, str]:
    """The unit of each name, empty where there is none."""
    return {name: CATALOGUE[name].unit if name in CATALOGUE else "" for name in names}


def text_of(at: datetime) -> str:
    """An instant as programs read it: UTC, with a Z."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def quantity_answer(quantity: Quantity) -> QuantityAnswer:
    """One entry of the catalogue."""
    return QuantityAnswer(
        name=quantity.name,
        unit=quantity.unit,
        kind=quantity.kind,
        low=quantity.low,
        high=quantity.high,
        codes=list(quantity.codes),
    )


def _energy_of(day: DayEnergy) -> EnergyOfDay:
    return EnergyOfDay(
        date=day.date,
        energy_kwh=day.kwh,
        source=cast("EnergySourceName", day.source.value.replace(" ", "_")),
        coverage=day.coverage,
        repairs=list(day.repairs),
    )
