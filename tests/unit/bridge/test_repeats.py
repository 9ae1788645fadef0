"""What a home bridge sends again after a restart is no reading; what a restless client sends is."""

from datetime import timedelta

import pytest

from bridge.repeats import BURST, RESTLESS, Repeats, news
from tests.fakes import ALICE_LOGIN, BOB_LOGIN, NOON

pytestmark = pytest.mark.unit

SECOND = timedelta(seconds=1)


def test_only_what_comes_right_after_a_login_connected_may_be_a_repetition() -> None:
    """And only of that login."""
    repeats = Repeats()
    repeats.connected(ALICE_LOGIN, NOON)

    assert repeats.bursting(ALICE_LOGIN, NOON)
    assert repeats.bursting(ALICE_LOGIN, NOON + BURST)
    assert not repeats.bursting(ALICE_LOGIN, NOON + BURST + SECOND)
    assert not repeats.bursting(ALICE_LOGIN, NOON - SECOND)
    assert not repeats.bursting(BOB_LOGIN, NOON)


def test_who_connects_for_each_cycle_is_believed_from_the_third_time_on() -> None:
    """Else a night of equal values would look like a night without any."""
    repeats = Repeats()
    found = []
    for minute in range(5):
        at = NOON + timedelta(minutes=minute)
        repeats.connected(ALICE_LOGIN, at)
        found.append(repeats.bursting(ALICE_LOGIN, at))

    assert found == [True, True, False, False, False]


def test_after_a_rest_a_login_may_burst_again() -> None:
    """A broker that was restarted three times in a row is not restless for ever."""
    repeats = Repeats()
    for second in range(3):
        repeats.connected(ALICE_LOGIN, NOON + second * SECOND)
    later = NOON + RESTLESS + timedelta(minutes=1)
    repeats.connected(ALICE_LOGIN, later)

    assert repeats.bursting(ALICE_LOGIN, later)


def test_many_logins_take_a_bounded_place() -> None:
    """Those who have been quiet longest are forgotten."""
    repeats = Repeats()
    for number in range(10_001):
        repeats.connected(f"login {number}", NOON)

    assert not repeats.bursting("login 0", NOON)
    assert repeats.bursting("login 10000", NOON)


def test_news_is_what_differs_from_the_last_known() -> None:
    """A name that was not known is news."""
    assert news({"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 1.0, "b": 2.5}) == {"b": 2.0, "c": 3.0}
