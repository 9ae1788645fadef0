"""Geometry of the drawings, and which values answer which question."""

import json
import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from portal.dashboard import charts, production
from portal.dashboard.days import day_of
from portal.dashboard.energy import DayEnergy, EnergySource

pytestmark = pytest.mark.unit
BERLIN = ZoneInfo("Europe/Berlin")
DAY = day_of(date(2026, 6, 1), BERLIN)
NOON = datetime(2026, 6, 1, 10, tzinfo=UTC)


def every_five_minutes(start: datetime, count: int, watts: float = 100.0) -> list[tuple[datetime, float]]:
    return [(start + timedelta(minutes=5 * step), watts) for step in range(count)]


def test_a_silence_of_more_than_fifteen_minutes_is_drawn_as_a_gap() -> None:
    """Fifteen minutes are joined, twenty are not, in the drawing and in the data for the script."""
    joined = every_five_minutes(NOON, 2) + every_five_minutes(NOON + timedelta(minutes=20), 2)
    parted = every_five_minutes(NOON, 2) + every_five_minutes(NOON + timedelta(minutes=25), 2)

    assert (len(charts.runs(joined)), len(charts.runs(parted))) == (1, 2)
    assert None not in charts.curve(joined)[1]
    times, values = charts.curve(parted)
    assert values == [100.0, 100.0, None, 100.0, 100.0]
    assert times == sorted(times)


def test_a_drawing_stays_inside_its_box() -> None:
    """Whatever was measured, also below zero."""
    points = [(NOON + timedelta(minutes=5 * step), watts) for step, watts in enumerate([-5, 0, 812.5, 3000, 20])]

    drawn = charts.area(points, charts.frame(DAY, BERLIN, points), width=240, height=56)

    assert drawn is not None
    numbers = [float(number) for number in re.findall(r"-?\d+\.?\d*", drawn.line)]
    assert all(0 <= x <= 240 for x in numbers[::2])
    assert all(0 <= y <= 56 for y in numbers[1::2])
    assert charts.area([], charts.frame(DAY, BERLIN, []), width=240, height=56) is None


def test_a_frame_shows_daylight_and_widens_for_an_early_sun() -> None:
    """From five to nine by the owner's clock, from one where something shone at four."""
    usual = charts.frame(DAY, BERLIN, every_five_minutes(NOON, 3))
    early = charts.frame(DAY, BERLIN, every_five_minutes(DAY.start + timedelta(hours=4), 3))
    battery_night = charts.frame(DAY, BERLIN, every_five_minutes(DAY.start + timedelta(hours=23), 3))

    assert [f"{at.astimezone(BERLIN):%H:%M}" for at in usual.marks(5)] == ["05:00", "09:00", "13:00", "17:00", "21:00"]
    assert early.start.astimezone(BERLIN).hour == 1
    assert battery_night.end == DAY.end


def test_the_highest_bar_is_full_and_an_unknown_day_is_empty() -> None:
    """A day with next to nothing can still be seen."""
    days = [
        DayEnergy(date(2026, 6, day), kwh, EnergySource.COUNTER, 1.0)
        for day, kwh in ((1, 8.0), (2, None), (3, 0.01), (4, 4.0))
    ]

    bars = charts.bars(days, date(2026, 6, 4))

    assert [bar.percent for bar in bars] == [100.0, 0.0, 1.5, 50.0]
    assert [bar.is_today for bar in bars] == [False, False, False, True]


@pytest.mark.parametrize(
    ("values", "watts"),
    [
        ({"ac_power": 400.0, "dc_power": 420.0}, 400.0),
        ({"ac_power": 900.0, "dc_power": 420.0, "battery_power": 500.0}, 420.0),
        ({"ac_power": 900.0, "battery_power": 500.0}, 900.0),
        ({"dc_pv1_power": 100.0, "dc_pv2_power": 110.0}, 210.0),
        ({"temperature": 40.0}, None),
    ],
)
def test_production_is_what_the_panels_make_and_not_what_the_battery_adds(
    values: dict[str, float], watts: float | None
) -> None:
    """With a battery the DC side answers first."""
    assert production.power_of(values) == watts


def test_every_value_has_a_label_a_unit_and_its_words() -> None:
    """The catalogue's first, extras last, states in words."""
    listed = production.shown({"x_fan_speed": 3.0, "status": 2.0, "dc_pv1_power": 10.0, "battery_soc": 70.0})

    assert [(one.label, one.unit, one.word) for one in listed] == [
        ("Status", "", "normal"),
        ("DC PV1 power", "W", ""),
        ("Battery charge", "%", ""),
        ("Fan speed", "", ""),
    ]


def test_strings_are_compared_with_the_strongest() -> None:
    """A string in the shade is seen at once; without power there is no division by it."""
    strings = production.strings_of({"dc_pv1_power": 200.0, "dc_pv2_power": 50.0, "dc_pv3_voltage": 30.0})
    dark = production.strings_of({"dc_pv1_power": 0.0, "dc_pv2_power": 0.0})

    assert [(one.number, one.share) for one in strings] == [(1, 1.0), (2, 0.25), (3, 0.0)]
    assert [one.share for one in dark] == [0.0, 0.0]
    assert json.dumps([one.share for one in dark])
