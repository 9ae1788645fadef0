"""Readings whose time is an estimate, as their owner meets them: counters count, power is shown and not integrated."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from portal.dashboard.days import day_of
from portal.dashboard.energy import EnergySource
from portal.dashboard.history import History
from portal.dashboard.service import curve_of
from schema.readings import Reading, TimeSource
from schema.timeseries.kinds import StoreKind
from schema.timeseries.line_protocol import encode
from schema.timeseries.port import Destination, PointWriter, Source
from schema.timeseries.stores import open_reader, open_writer

pytestmark = pytest.mark.integration

ZONE = ZoneInfo("UTC")
DAY = day_of(date(2026, 6, 1), ZONE)
NINE = datetime(2026, 6, 1, 9, tzinfo=UTC)
ALICE = Destination(uuid4(), uuid4())
HERS = Source(ALICE.owner_id, ALICE.inverter_id)


@pytest.fixture
async def writer(tmp_path: Path) -> AsyncIterator[PointWriter]:
    """The embedded store."""
    one = open_writer(StoreKind.EMBEDDED, path=tmp_path / "readings.db")
    yield one
    await one.close()


async def _shine(writer: PointWriter, start: datetime, *, estimated: bool, counter: float | None = None) -> None:
    """An hour of 1,000 W, a value each minute; with a counter, it gains 1 kWh."""
    for minute in range(60):
        values = {"ac_power": 1000.0}
        if counter is not None:
            values["total_energy"] = counter + minute / 60
        reading = Reading(start + timedelta(minutes=minute), values, {})
        if estimated:
            reading = replace(reading, time_source=TimeSource.ESTIMATED)
        await writer.write(ALICE, [encode(reading, serial="S")])


async def test_power_with_an_estimated_time_is_not_integrated(writer: PointWriter, tmp_path: Path) -> None:
    """One measured hour counts, the hour that was spread over an outage does not."""
    await _shine(writer, NINE, estimated=False)
    await _shine(writer, NINE + timedelta(hours=2), estimated=True)
    reader = open_reader(StoreKind.EMBEDDED, path=tmp_path / "readings.db")

    (energy,) = await History(reader).energies(HERS, [DAY], DAY.end)
    await reader.close()

    assert energy.source is EnergySource.POWER
    assert energy.kwh == pytest.approx(1.0)


async def test_counters_with_an_estimated_time_count(writer: PointWriter, tmp_path: Path) -> None:
    """What was made during the outage is in the counter, whenever it was."""
    await _shine(writer, NINE, estimated=False, counter=100.0)
    await _shine(writer, NINE + timedelta(hours=1), estimated=True, counter=101.0)
    reader = open_reader(StoreKind.EMBEDDED, path=tmp_path / "readings.db")

    (energy,) = await History(reader).energies(HERS, [DAY], DAY.end)
    await reader.close()

    assert energy.source is EnergySource.COUNTER
    assert energy.kwh == pytest.approx(2.0, abs=0.05)


async def test_the_day_says_from_when_to_when_its_times_are_estimates(writer: PointWriter, tmp_path: Path) -> None:
    """And shows the power all the same."""
    await _shine(writer, NINE, estimated=False)
    await _shine(writer, NINE + timedelta(hours=2), estimated=True)
    reader = open_reader(StoreKind.EMBEDDED, path=tmp_path / "readings.db")

    windows = await History(reader).day_windows(HERS, DAY, DAY.end)
    await reader.close()
    curve = curve_of(DAY, windows, ZONE)

    assert curve.estimated == (NINE + timedelta(hours=2), NINE + timedelta(hours=3))
    assert curve.peak is not None
    assert len(curve.hours) == 2
