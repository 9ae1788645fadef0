"""What every store promises: the same suite on the embedded store, the fake InfluxDB and a real one."""

import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise, product
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from schema.quantities import TIME_ESTIMATED
from schema.readings import Reading, TimeSource
from schema.timeseries.line_protocol import encode
from schema.timeseries.port import CounterDay, Sample, Window
from tests.series_oracle import SeriesOracle
from tests.store_set_ups import ALICE, DAY, STORES, StoreSetUp, opened, reading

pytestmark = pytest.mark.integration


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StoreSetUp]:
    """Each store in turn."""
    async with opened(request.param, request, tmp_path) as set_up:
        yield set_up


def at(seconds: float) -> datetime:
    """So many seconds after the day's start."""
    return DAY + timedelta(seconds=seconds)


async def test_what_was_written_is_read_back_exactly_to_the_millisecond(store: StoreSetUp) -> None:
    """A value, a state, a counter and an extra come back with their time."""
    place = await store.place(ALICE)
    written = reading(at(1.234), ac_power=412.5, status=2.0, total_energy=1234.567, x_fan_rpm=1200.0)

    await store.write(place, written)

    latest = await store.reader.latest(place.source, DAY)
    assert {name: sample.at for name, sample in latest.items()} == dict.fromkeys(latest, at(1.234))
    values = {name: sample.value for name, sample in latest.items()}
    assert values == pytest.approx({**written.values, **written.extra})


async def test_equal_times_merge_field_by_field_and_the_last_one_wins(store: StoreSetUp) -> None:
    """The parts of one cycle arrive in several writes and make one reading."""
    place = await store.place(ALICE)

    await store.write(place, reading(at(1), ac_power=1.0, dc_power=10.0))
    await store.write(place, reading(at(1), ac_power=2.0, x_a=1.0), reading(at(1), ac_power=3.0, x_a=2.0))

    latest = await store.reader.latest(place.source, DAY)
    assert {name: sample.value for name, sample in latest.items()} == {"ac_power": 3.0, "dc_power": 10.0, "x_a": 2.0}


async def test_writing_the_same_again_changes_nothing(store: StoreSetUp) -> None:
    """A redelivered message is no second point: the means stay."""
    place = await store.place(ALICE)
    readings = [reading(at(second), ac_power=100.0 * second) for second in range(4)]

    for _ in range(2):
        await store.write(place, *readings)

    windows = await store.reader.windows(place.source, ["ac_power"], at(0), at(60), 60)
    assert windows == [Window(at(0), {"ac_power": 150.0})]


async def test_windows_are_aligned_to_the_epoch_and_closed_on_the_left(store: StoreSetUp) -> None:
    """A point on a border belongs to the window that begins there; the end belongs to nobody."""
    place = await store.place(ALICE)
    seconds = (29, 30, 59.999, 60, 119.999, 120, 150)
    await store.write(place, *(reading(at(second), ac_power=float(second)) for second in seconds))

    windows = await store.reader.windows(place.source, ["ac_power"], at(30), at(150), 60)

    assert [window.start for window in windows] == [at(0), at(60), at(120)]
    assert [window.means["ac_power"] for window in windows] == pytest.approx([44.9995, 89.9995, 120.0], abs=0.1)


async def test_a_window_tells_whether_a_time_in_it_is_an_estimate(store: StoreSetUp) -> None:
    """A measured point says nothing about it, so one estimate among many is seen."""
    place = await store.place(ALICE)
    estimated = replace(reading(at(70), ac_power=2.0), time_source=TimeSource.ESTIMATED)
    await store.write(place, reading(at(10), ac_power=1.0), reading(at(65), ac_power=1.0), estimated)

    windows = await store.reader.windows(place.source, ["ac_power", TIME_ESTIMATED], at(0), at(120), 60)

    assert windows == [Window(at(0), {"ac_power": 1.0}), Window(at(60), {"ac_power": 1.5, TIME_ESTIMATED: 1.0})]


async def test_a_gap_is_no_window_and_a_silent_quantity_is_absent(store: StoreSetUp) -> None:
    """Nothing is made up where nothing was measured."""
    place = await store.place(ALICE)
    await store.write(place, reading(at(0), ac_power=1.0), reading(at(600), dc_power=2.0), reading(at(600), x_a=3.0))

    windows = await store.reader.windows(place.source, ["ac_power", "dc_power", "x_a", "x_b"], at(0), at(900), 60)

    assert windows == [Window(at(0), {"ac_power": 1.0}), Window(at(600), {"dc_power": 2.0, "x_a": 3.0})]


async def test_an_inverter_without_readings_answers_nothing(store: StoreSetUp) -> None:
    """Empty is an answer, not an error."""
    place = await store.place(ALICE)
    span = (at(0), at(60))

    latest = await store.reader.latest(place.source, DAY)
    windows = await store.reader.windows(place.source, ["ac_power"], *span, 60)
    days = await store.reader.counter_days(place.source, "total_energy", [span])

    assert (latest, windows, days) == ({}, [], [CounterDay(*span, None, None, None, None)])


async def test_an_empty_span_has_no_windows_and_no_first_but_a_before(store: StoreSetUp) -> None:
    """A range that ends where it starts is not an error of the store."""
    place = await store.place(ALICE)
    await store.write(place, reading(at(1), total_energy=5.0))
    now = at(10)

    windows = await store.reader.windows(place.source, ["total_energy"], now, now, 60)
    (day,) = await store.reader.counter_days(place.source, "total_energy", [(now, now)])

    assert windows == []
    assert day == CounterDay(now, now, Sample(at(1), 5.0), None, None, None)


async def test_a_counter_day_knows_before_first_last_and_maximum(store: StoreSetUp) -> None:
    """Also with a reset inside the day, a day without samples, and a last value older than a week."""
    place = await store.place(ALICE)
    day = timedelta(days=1)
    values = {-8.5: 1.0, -2: 10.0, 0.3: 12.0, 0.6: 15.0, 0.9: 2.0, 2.5: 4.0}
    await store.write(place, *(reading(DAY + part * day, total_energy=value) for part, value in values.items()))
    ranges = [(DAY + number * day, DAY + (number + 1) * day) for number in (-8, -7, 0, 1, 2, 3)]

    days = await store.reader.counter_days(place.source, "total_energy", ranges)

    def sample(part: float) -> Sample:
        return Sample(DAY + part * day, values[part])

    assert days == [
        CounterDay(*ranges[0], sample(-8.5), None, None, None),
        CounterDay(*ranges[1], sample(-8.5), None, None, None),
        CounterDay(*ranges[2], sample(-2), sample(0.3), sample(0.9), 15.0),
        CounterDay(*ranges[3], sample(0.9), None, None, None),
        CounterDay(*ranges[4], sample(0.9), sample(2.5), sample(2.5), 4.0),
        CounterDay(*ranges[5], sample(2.5), None, None, None),
    ]


async def test_a_silent_week_ends_what_a_counter_knows_of_before(store: StoreSetUp) -> None:
    """Day after day the last value is remembered, and after seven days it is not: one that old hides a repair."""
    place = await store.place(ALICE)
    day = timedelta(days=1)
    await store.write(place, reading(DAY + 0.5 * day, total_energy=5.0))
    ranges = [(DAY + number * day, DAY + (number + 1) * day) for number in range(10)]

    days = await store.reader.counter_days(place.source, "total_energy", ranges)

    assert [one.before is not None for one in days] == [False, *[True] * 7, False, False]


async def test_latest_looks_no_further_back_than_asked_and_sees_a_clock_ahead(store: StoreSetUp) -> None:
    """``since`` belongs to the span; a publisher's clock may run ahead."""
    place = await store.place(ALICE)
    future = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
    await store.write(place, reading(at(1), ac_power=1.0), reading(at(2), dc_power=2.0), reading(future, x_a=3.0))

    latest = await store.reader.latest(place.source, at(2))

    assert latest == {"dc_power": Sample(at(2), 2.0), "x_a": Sample(future, 3.0)}


async def test_a_changed_label_splits_nothing(store: StoreSetUp) -> None:
    """The serial is a label: readings under the old and the new one are one inverter's."""
    place = await store.place(ALICE)
    await store.write(place, reading(at(0), ac_power=100.0, total_energy=1.0), serial="OLD LABEL, 1=2")
    labelled = [reading(at(second), ac_power=400.0, total_energy=2.0) for second in (10, 20)]
    await store.write(place, *labelled, serial="NEWLABEL")

    latest = await store.reader.latest(place.source, DAY)
    windows = await store.reader.windows(place.source, ["ac_power"], at(0), at(60), 60)
    (day,) = await store.reader.counter_days(place.source, "total_energy", [(at(0), at(60))])

    assert latest["ac_power"] == Sample(at(20), 400.0)
    assert windows == [Window(at(0), {"ac_power": 300.0})]
    assert day == CounterDay(at(0), at(60), None, Sample(at(0), 1.0), Sample(at(20), 2.0), 2.0)


async def test_no_label_smuggles_a_second_point_or_field(store: StoreSetUp) -> None:
    """Every spelling the encoder lets through is one point with one value, whoever parses it."""
    place = await store.place(ALICE)
    characters = (",", "=", " ", '"', "'", "#", "\u00e4", "ac_power=666", "i", "-")
    labels = ["".join(parts) for parts in product(characters, repeat=3)]

    lines = [encode(reading(at(second), dc_power=1.0), serial=label) for second, label in enumerate(labels)]
    await store.writer.write(place.destination, lines)

    windows = await store.reader.windows(place.source, ["dc_power"], at(0), at(86_400), 1)
    latest = await store.reader.latest(place.source, DAY)
    assert [window.start for window in windows] == [at(second) for second in range(len(labels))]
    assert set(latest) == {"dc_power"}


@pytest.mark.parametrize("seed", range(3))
async def test_random_readings_are_answered_as_the_plainest_computation_does(store: StoreSetUp, seed: int) -> None:
    """Merges, gaps, odd spans, extras and local days over a clock change, against an oracle that asks no store."""
    dice = random.Random(seed)
    place = await store.place(ALICE)
    start = datetime(2026, 10, 23, tzinfo=ZoneInfo("Europe/Berlin"))
    readings = _random_readings(dice, start.astimezone(UTC), days=4)
    oracle = SeriesOracle(readings)
    for place_in_list in range(0, len(readings), 50):
        await store.write(place, *readings[place_in_list : place_in_list + 50])
    borders = [(start + timedelta(days=number)).astimezone(UTC) for number in range(-1, 6)]
    ranges = list(pairwise(borders))
    since, end = (start.astimezone(UTC) + timedelta(seconds=dice.uniform(0, 200_000)) for _ in range(2))
    asked = ["ac_power", "status", "x_a", "total_energy"]

    latest = await store.reader.latest(place.source, since)
    days = await store.reader.counter_days(place.source, "total_energy", ranges)
    windows = [await store.reader.windows(place.source, asked, since, end, every) for every in (7, 900, 86_400)]

    assert _rounded(latest) == _rounded(oracle.latest(since))
    assert days == oracle.counter_days("total_energy", ranges)
    for every, found in zip((7, 900, 86_400), windows, strict=True):
        expected = oracle.windows(asked, since, end, every)
        assert [window.start for window in found] == [window.start for window in expected]
        for ours, theirs in zip(found, expected, strict=True):
            assert ours.means == pytest.approx(theirs.means)


def _random_readings(dice: random.Random, start: datetime, days: int) -> Sequence[Reading]:
    """Readings in no order, some at equal times, with two silent hours and values that each store keeps exactly."""
    readings = []
    for _ in range(400):
        when = start + timedelta(
            milliseconds=dice.randrange(days * 86_400_000) // 5000 * 5000 + dice.choice((0, 1, 999))
        )
        values = {
            "ac_power": dice.randrange(-1000, 50_000) / 10,
            "status": float(dice.randrange(5)),
            "total_energy": dice.randrange(10_000_000) / 1000,
            "x_a": dice.uniform(-1, 1),
        }
        kept = dice.sample(sorted(values), dice.randrange(1, 5))
        if when.hour not in {2, 3}:
            readings.append(reading(when, **{name: values[name] for name in kept}))
    return [*readings, *(reading(one.at, ac_power=7.5) for one in readings[:20])]


def _rounded(samples: dict[str, Sample]) -> dict[str, tuple[datetime, float]]:
    return {name: (sample.at, round(sample.value, 9)) for name, sample in samples.items()}
