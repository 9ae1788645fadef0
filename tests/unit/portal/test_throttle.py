"""Guessing is slowed, nobody is locked out by somebody else, and strangers cannot fill the memory."""

from datetime import UTC, datetime, timedelta

import pytest

from portal import throttle
from portal.throttle import Throttle

pytestmark = pytest.mark.unit

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
NO_WAIT = timedelta(0)


def test_five_tries_a_minute_and_then_a_pause() -> None:
    """The sixth waits for the first to be a minute old, and is not counted while it waits."""
    tries = Throttle()

    first_five = [tries.try_now("here", "alice", NOW + timedelta(seconds=n)) for n in range(5)]
    sixth = tries.try_now("here", "alice", NOW + timedelta(seconds=10))
    later = tries.try_now("here", "alice", NOW + timedelta(seconds=60))

    assert first_five == [NO_WAIT] * 5
    assert sixth == timedelta(seconds=50)
    assert later == NO_WAIT


def test_other_addresses_and_accounts_are_not_slowed() -> None:
    """The pause belongs to one address and one account."""
    tries = Throttle()
    for _ in range(6):
        tries.try_now("here", "alice", NOW)

    assert tries.try_now("there", "alice", NOW) == NO_WAIT
    assert tries.try_now("here", "bob", NOW) == NO_WAIT


def test_an_account_that_is_guessed_at_gets_slower_but_is_never_locked() -> None:
    """After twenty failures from everywhere each address has one try in half a minute, the owner's too."""
    tries = Throttle()
    for number in range(throttle.FAILURES_PER_HOUR):
        tries.try_now(f"bot {number}", "alice", NOW)
        tries.failed("alice", NOW)

    first = tries.try_now("alice's home", "alice", NOW)
    second = tries.try_now("alice's home", "alice", NOW + timedelta(seconds=1))
    third = tries.try_now("alice's home", "alice", NOW + timedelta(seconds=31))
    an_hour_later = [tries.try_now("alice's home", "alice", NOW + timedelta(hours=2)) for _ in range(2)]

    assert first == third == NO_WAIT
    assert second == timedelta(seconds=29)
    assert an_hour_later == [NO_WAIT, NO_WAIT]


def test_a_right_password_starts_afresh() -> None:
    """Logging in and out again all day is nobody's attack."""
    tries = Throttle()

    for _ in range(20):
        assert tries.try_now("here", "alice", NOW) == NO_WAIT
        tries.succeeded("here", "alice")


def test_strangers_cannot_fill_the_memory() -> None:
    """The longest untouched key is forgotten first."""
    tries = Throttle()
    for number in range(throttle.MOST_KEYS + 100):
        tries.try_now("here", f"account {number}", NOW)

    assert len(tries._tries._seen) == throttle.MOST_KEYS
