"""Guessing is slowed, and nobody is locked out by somebody else."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import pytest

from portal import throttle
from portal.throttle import Throttle
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
    """After a hundred failures from everywhere each address has one try in half a minute, the owner's too."""
    for number in range(throttle.FAILURES.most):
        await tries.try_now(f"bot {number}", "alice", NOW)
        await tries.failed("alice", NOW)

    first = await tries.try_now("alice's home", "alice", NOW)
    second = await tries.try_now("alice's home", "alice", NOW + timedelta(seconds=1))
    third = await tries.try_now("alice's home", "alice", NOW + timedelta(seconds=31))
    an_hour_later = [await tries.try_now("alice's home", "alice", NOW + timedelta(hours=2)) for _ in range(2)]

    assert first == third == NO_WAIT
    assert second == timedelta(seconds=29)
    assert an_hour_later == [NO_WAIT, NO_WAIT]


async def test_a_right_password_starts_afresh(tries: Throttle) -> None:
    """Logging in and out again all day is nobody's attack."""
    for _ in range(20):
        assert await tries.try_now("here", "alice", NOW) == NO_WAIT
        await tries.succeeded("here", "alice")
