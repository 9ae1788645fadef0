"""Guessing is slowed, and nobody is locked out by somebody else."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import pytest

from portal import throttle
from portal.throttle import Standing, Throttle
from portal.tries import NO_WAIT, Tries
from schema.database import create_engine_for, sessions_for
from schema.models import Base

pytestmark = pytest.mark.unit

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
async def tries() -> AsyncGenerator[Throttle, None]:
    """A throttle that nobody has tried yet, over a database in memory."""
    engine = create_engine_for("sqlite://")
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.tables["try_count"].create)
    yield Throttle(Tries(sessions_for(engine), "a key"))
    await engine.dispose()


async def test_five_tries_in_a_quarter_of_an_hour_and_then_a_pause(tries: Throttle) -> None:
    """The sixth waits for the quarter's end, and is not counted while it waits."""
    first_five = [await tries.try_now("here", "alice", NOW + timedelta(seconds=n)) for n in range(5)]
    sixth = await tries.try_now("here", "alice", NOW + timedelta(seconds=10))
    later = await tries.try_now("here", "alice", NOW + timedelta(minutes=15))

    assert first_five == [NO_WAIT] * 5
    assert sixth == timedelta(minutes=14, seconds=50)
    assert later == NO_WAIT


async def test_other_addresses_and_accounts_are_not_slowed(tries: Throttle) -> None:
    """The pause belongs to one address and one account."""
    for _ in range(6):
        await tries.try_now("here", "alice", NOW)

    assert await tries.try_now("there", "alice", NOW) == NO_WAIT
    assert await tries.try_now("here", "bob", NOW) == NO_WAIT


async def test_an_account_that_is_guessed_at_gets_slower_but_is_never_locked(tries: Throttle) -> None:
    """After a hundred tries from everywhere strangers have one in half a minute, all together."""
    for number in range(throttle.IN_AN_HOUR.most):
        assert await tries.try_now(f"bot {number}", "alice", NOW) == NO_WAIT

    first = await tries.try_now("somewhere", "alice", NOW)
    second = await tries.try_now("elsewhere", "alice", NOW + timedelta(seconds=1))
    third = await tries.try_now("elsewhere", "alice", NOW + timedelta(seconds=31))
    an_hour_later = [await tries.try_now("elsewhere", "alice", NOW + timedelta(hours=2)) for _ in range(2)]

    assert first == third == NO_WAIT
    assert second == timedelta(seconds=29)
    assert an_hour_later == [NO_WAIT, NO_WAIT]


async def test_who_guesses_all_day_gets_slower_still(tries: Throttle) -> None:
    """Half a minute for each try would be a million tries a year: after five hundred it is a quarter of an hour."""
    for _ in range(throttle.IN_A_DAY.most):
        assert not await tries.tries.wait(throttle.IN_A_DAY, "alice", now=NOW)

    first = await tries.try_now("bot 1", "alice", NOW + timedelta(hours=2))
    second = await tries.try_now("bot 2", "alice", NOW + timedelta(hours=2, minutes=1))

    assert first == NO_WAIT
    assert second == timedelta(minutes=14)


async def test_who_is_known_is_not_slowed_and_may_not_guess_either(tries: Throttle) -> None:
    """Five tries of its own in a quarter of an hour, whatever strangers do, and strangers have theirs."""
    for number in range(throttle.IN_AN_HOUR.most):
        await tries.try_now(f"bot {number}", "alice", NOW)

    known = [await tries.try_now("alice's home", "alice", NOW, Standing.KNOWN) for _ in range(6)]

    assert known == [NO_WAIT] * 5 + [timedelta(minutes=15)]
    assert await tries.try_now("somewhere", "alice", NOW) == NO_WAIT


async def test_who_has_used_up_the_own_tries_uses_up_nobody_elses(tries: Throttle) -> None:
    """One address that goes on and on makes an account no slower for others."""
    for _ in range(2 * throttle.IN_AN_HOUR.most):
        await tries.try_now("bot", "alice", NOW)

    assert [await tries.try_now(f"somewhere {n}", "alice", NOW) for n in range(10)] == [NO_WAIT] * 10


async def test_a_right_password_starts_afresh(tries: Throttle) -> None:
    """Logging in and out again all day is nobody's attack."""
    for _ in range(20):
        assert await tries.try_now("here", "alice", NOW) == NO_WAIT
        await tries.succeeded("here", "alice", NOW)
