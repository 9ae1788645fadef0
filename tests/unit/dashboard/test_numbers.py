"""Numbers, dates and ages as the reader writes them."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from portal.dashboard.numbers import NO_VALUE, Numbers, age

pytestmark = pytest.mark.unit
ENGLISH, GERMAN = Numbers("en"), Numbers("de")
BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 23, 20, 4, tzinfo=UTC)


def test_numbers_have_the_separators_of_their_language() -> None:
    """A point is a point only in English, and a minus is a true minus."""
    assert ENGLISH.number(1234567.891, 1) == "1,234,567.9"
    assert GERMAN.number(1234567.891, 1) == "1.234.567,9"
    assert ENGLISH.number(-12.5, 1) == "\u221212.5"
    assert ENGLISH.number(-0.04, 1) == "0.0"


@pytest.mark.parametrize(
    ("watts", "text"),
    [(0.0, "0 W"), (5.25, "5.2 W"), (412.4, "412 W"), (999.4, "999 W"), (999.6, "1.00 kW"), (12345.0, "12.3 kW"),
     (-640.0, "\u2212640 W"), (None, f"{NO_VALUE} W")],
)  # fmt: skip
def test_power_changes_its_unit_at_a_kilowatt(watts: float | None, text: str) -> None:
    """Three figures on either side, and a dash where nothing is known."""
    assert str(ENGLISH.power(watts)) == text.replace(" ", "\u00a0")


@pytest.mark.parametrize(("kwh", "text"), [(3.456, "3,46"), (34.56, "34,6"), (1391.2, "1.391"), (None, NO_VALUE)])
def test_energy_keeps_three_figures(kwh: float | None, text: str) -> None:
    """Large counters lose their decimals."""
    assert GERMAN.energy(kwh).value == text


def test_a_moment_names_its_day_only_where_it_is_not_today() -> None:
    """By the owner's calendar: 23:30 in Berlin is yesterday although UTC has the same date."""
    late = datetime(2026, 11, 22, 22, 30, tzinfo=UTC)

    assert ENGLISH.moment(NOW - timedelta(minutes=1), BERLIN, NOW) == "21:03"
    assert ENGLISH.moment(late, BERLIN, NOW) == "23:30 yesterday"
    assert ENGLISH.moment(NOW - timedelta(days=9), BERLIN, NOW) == "21:04 on 14 Nov 2026"
    assert GERMAN.day(date(2026, 3, 5)) == "05.03.2026"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-4, "just now"), (2.9, "just now"), (18.7, "18 s ago"), (89, "89 s ago"), (90, "1 min ago"),
     (5400, "1 h ago"), (172_800, "2 days ago")],
)  # fmt: skip
def test_an_age_is_told_in_the_largest_unit_that_says_something(seconds: float, text: str) -> None:
    """A clock that runs ahead is no reason for a negative age."""
    assert age(seconds) == text


def test_other_quantities_keep_their_unit_and_a_pure_number_has_none() -> None:
    """Whole values need no decimals."""
    assert str(ENGLISH.measured(50.013, "Hz")) == "50.01\u00a0Hz"
    assert str(ENGLISH.measured(76.0, "%")) == "76\u00a0%"
    assert str(ENGLISH.measured(0.98, "1")) == "0.98"
