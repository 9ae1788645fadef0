"""Round a replaced device the day's energy is what each device counted: whatever the new counter begins with."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.dashboard.days import Day
from portal.dashboard.history import WINDOW_S, Device, History
from portal.dashboard.replaced import NEAR, is_near, parts_of
from schema.readings import Reading
from schema.timeseries.port import CounterDay, Sample, Source, Window
from tests.series_oracle import SeriesOracle

pytestmark = pytest.mark.unit

MIDNIGHT = datetime(2026, 6, 1, tzinfo=UTC)
DAYS = [
    Day(date(2026, 6, number + 1), MIDNIGHT + timedelta(days=number), MIDNIGHT + timedelta(days=number + 1))
    for number in range(3)
]
NOWHERE = Source(uuid4(), uuid4())
KW = 3.0
QUARTER = KW / 4


class Oracle:
    """A reader that answers from readings alone."""

    def __init__(self, readings: Sequence[Reading]) -> None:
        self._oracle = SeriesOracle(readings)

    async def latest(self, source: Source, since: datetime) -> dict[str, Sample]:
        """See ``SeriesReader``."""
        del source
        return self._oracle.latest(since)

    async def windows(
        self, source: Source, quantities: Sequence[str], start: datetime, end: datetime, every_s: int
    ) -> list[Window]:
        """See ``SeriesReader``."""
        del source
        return self._oracle.windows(quantities, start, end, every_s)

    async def counter_days(
        self, source: Source, quantity: str, ranges: Sequence[tuple[datetime, datetime]]
    ) -> list[CounterDay]:
        """See ``SeriesReader``."""
        del source
        return self._oracle.counter_days(quantity, ranges)

    async def close(self) -> None:
        """See ``SeriesReader``."""


def at(day: int, hour: float) -> datetime:
    """An hour of one of the three days."""
    return MIDNIGHT + timedelta(days=day, hours=hour)


def sunny(counter: float, start: datetime, end: datetime) -> tuple[list[Reading], float]:
    """Three kilowatts from eight to eighteen, a reading every two minutes; and where the counter ends."""
    readings, now, kwh = [], start, counter
    while now < end:
        if 8 <= now.hour < 18:
            readings.append(Reading(now, {"total_energy": round(kwh, 1), "ac_power": KW * 1000}, {}))
            kwh += KW / 30
        now += timedelta(minutes=2)
    return readings, kwh


def two_devices(swapped: datetime, first: float, second: float, *, pause_h: float = 0.5) -> list[Reading]:
    """One until ``swapped``, another one some time after it."""
    old, _ = sunny(first, at(0, 0), swapped)
    new, _ = sunny(second, swapped + timedelta(hours=pause_h), at(3, 0))
    return old + new


async def energies(readings: Sequence[Reading], told: datetime | None, rated_w: int | None = 5000) -> list[float]:
    """Of the three days, as a page shows them a week later; ``told`` is when the owner said that it was replaced."""
    device = Device(rated_w, () if told is None else (told,))
    found = await History(Oracle(readings)).energies(NOWHERE, DAYS, at(10, 0), device)
    return [round(one.kwh, 2) if one.kwh is not None else -1.0 for one in found]


SWAPS: dict[str, Callable[[], datetime]] = {
    "by day": lambda: at(1, 11),
    "at night": lambda: at(1, 0),
    "in the evening": lambda: at(1, 17.9),
}


@pytest.mark.parametrize("second", [0.2, 180.0, 1_004.0, 1_120.0, 1_900.0, 25_000.0])
@pytest.mark.parametrize("told_h", [-40, 0, 20, 100])
async def test_neither_a_higher_nor_a_lower_counter_is_energy(second: float, told_h: float) -> None:
    """The old device stands at 1,000 kWh and more. Whenever its owner tells of it: each day is what was made, but for
    the quarter of an hour round the change, and the days beside it are whole.
    """
    swapped = at(1, 11)
    found = await energies(two_devices(swapped, 1_000.0, second), swapped + timedelta(hours=told_h))

    made = 30.0 - KW / 2
    assert found[0] == pytest.approx(30.0, abs=0.2)
    assert found[2] == pytest.approx(30.0, abs=0.2)
    assert made - QUARTER - 0.3 <= found[1] <= made + 0.2


@pytest.mark.parametrize("swap", SWAPS)
async def test_whenever_it_was_replaced_no_day_has_more_than_was_made(swap: str) -> None:
    """By day, between two days, in the last minutes of sun."""
    swapped = SWAPS[swap]()
    found = await energies(two_devices(swapped, 1_000.0, 1_400.0), swapped)

    assert all(29.0 - KW / 2 - QUARTER <= kwh <= 30.2 for kwh in found), found


async def test_without_a_word_of_its_owner_the_jump_counts_as_it_always_did() -> None:
    """That is what telling is for: nobody else knows that it was no silence."""
    told, untold = [await energies(two_devices(at(1, 11), 1_000.0, 1_400.0), when) for when in (at(1, 11), None)]

    assert told[1] < 30
    assert untold[1] > 300


async def test_a_replaced_logger_changes_nothing_where_the_counter_goes_on() -> None:
    """The inverter counts by itself, whoever reads it: the half hour without a reading is in its counter."""
    one, _ = sunny(1_000.0, at(0, 0), at(3, 0))
    readings = [reading for reading in one if not at(1, 11) <= reading.at < at(1, 11.5)]

    assert await energies(readings, at(1, 11)) == await energies(readings, None)


async def test_repairs_are_told() -> None:
    """The day says that a device was replaced; the days beside it say nothing."""
    device = Device(5000, (at(1, 11),))
    readings = two_devices(at(1, 11), 1_000.0, 1_400.0)
    found = await History(Oracle(readings)).energies(NOWHERE, DAYS, at(10, 0), device)

    assert [any("replaced" in repair for repair in one.repairs) for one in found] == [False, True, False]
    assert 0.3 < found[1].coverage < 1.0


@settings(max_examples=20, deadline=None)
@given(
    second=st.floats(0, 50_000),
    minute=st.integers(8 * 60, 18 * 60),
    pause_min=st.integers(0, 300),
    rated=st.sampled_from([None, 3_000, 10_000]),
)
async def test_no_day_has_more_than_the_sun_gave(second: float, minute: int, pause_min: int, rated: int | None) -> None:
    """Whatever the counters are: at most what one device can add within an hour is taken for energy by mistake."""
    swapped = at(1, 0) + timedelta(minutes=minute)
    found = await energies(two_devices(swapped, 1_000.0, second, pause_h=pause_min / 60), swapped, rated)

    slack = 0.7 + 1.5 * (rated / 1000 if rated else 20.0)
    assert all(kwh <= 30.2 + slack for kwh in found), found


def test_days_far_from_a_replacement_are_not_looked_at_twice() -> None:
    """Each costs one question more."""
    told = DAYS[1].start

    assert is_near(DAYS[0], [told])
    assert not is_near(DAYS[0], [DAYS[0].end + NEAR + timedelta(minutes=1)])
    assert not is_near(DAYS[0], [])


def test_a_day_is_cut_where_a_break_is() -> None:
    """Before its beginning, inside and over its end."""
    day, five = DAYS[1], timedelta(seconds=WINDOW_S)
    breaks = [(at(0, 18), at(1, 8)), (at(1, 11), at(1, 11.5)), (at(1, 23), at(2, 8))]

    assert parts_of(day, breaks) == [(at(1, 8), at(1, 11)), (at(1, 11.5), at(1, 23))]
    assert parts_of(day, []) == [(day.start, day.end)]
    assert parts_of(day, [(day.start - five, day.end + five)]) == []
