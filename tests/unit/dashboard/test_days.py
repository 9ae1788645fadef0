"""Local days as UTC ranges, also where the clock changes."""

from datetime import UTC, date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from portal.dashboard.days import day_of, last_days, today, zone_named

pytestmark = pytest.mark.unit
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(("on", "hours"), [(date(2026, 3, 29), 23), (date(2026, 6, 1), 24), (date(2026, 10, 25), 25)])
def test_a_day_has_23_24_or_25_hours(on: date, hours: int) -> None:
    """Both ends are local midnights, whatever lies between them."""
    day = day_of(on, BERLIN)

    assert day.seconds == hours * 3600
    assert day.start.astimezone(BERLIN).hour == day.end.astimezone(BERLIN).hour == 0


def test_seven_days_follow_each_other_without_gap_or_overlap_over_a_clock_change() -> None:
    """Each day ends where the next begins."""
    days = last_days(7, date(2026, 10, 28), BERLIN)

    assert [day.date.day for day in days] == [22, 23, 24, 25, 26, 27, 28]
    assert all(one.end == other.start for one, other in pairwise(days))


def test_today_is_the_owners_and_not_the_servers() -> None:
    """At half past eleven in the evening UTC it is tomorrow in Berlin and still today in New York."""
    now = datetime(2026, 6, 1, 23, 30, tzinfo=UTC)

    assert today(now, BERLIN) == date(2026, 6, 2)
    assert today(now, ZoneInfo("America/New_York")) == date(2026, 6, 1)


def test_a_day_begins_after_a_midnight_that_does_not_exist() -> None:
    """In Santiago clocks jump from 24:00 to 01:00: the day has 23 hours and touches the one before."""
    zone = ZoneInfo("America/Santiago")
    before, day = day_of(date(2026, 9, 5), zone), day_of(date(2026, 9, 6), zone)

    assert day.seconds == 23 * 3600
    assert before.end == day.start


def test_a_zone_that_is_no_longer_known_is_utc() -> None:
    """A page is better than an error."""
    assert zone_named("Mars/Olympus_Mons").key == zone_named("../etc/passwd").key == "UTC"
