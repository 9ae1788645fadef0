"""Counts of tries on both databases: exact under a crowd, gone with their window, alive after a restart."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from portal.tries import NO_WAIT, Limit, Tries, counted_address, sweep
from schema.database import create_engine_for, reading, sessions_for
from schema.models import TryCount
from tests.databases import bring_up_to_date

pytestmark = pytest.mark.integration

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
THREE = Limit("a_kind", 3, timedelta(hours=1))


@pytest.fixture
async def engine(database_url: str) -> AsyncGenerator[AsyncEngine, None]:
    """A database in which nobody has tried anything."""
    made = create_engine_for(database_url)
    await bring_up_to_date(made)
    yield made
    await made.dispose()


@pytest.fixture
def tries(engine: AsyncEngine) -> Tries:
    """Nobody has tried anything yet."""
    return Tries(sessions_for(engine), "a key")


async def test_the_fourth_try_waits_for_the_windows_end(tries: Tries) -> None:
    """Refused tries do not push the end away; afterwards a new window begins."""
    waits = [await tries.wait(THREE, "alice", now=NOW + timedelta(minutes=n)) for n in range(5)]
    left = await tries.left(THREE, "alice", now=NOW + timedelta(minutes=59))
    afterwards = [await tries.wait(THREE, "alice", now=NOW + timedelta(minutes=60 + n)) for n in range(4)]

    assert waits == [NO_WAIT] * 3 + [timedelta(minutes=57), timedelta(minutes=56)]
    assert left == timedelta(minutes=1)
    assert afterwards == [NO_WAIT] * 3 + [timedelta(minutes=57)]


async def test_what_does_not_last_is_counted_without_a_commit(tries: Tries) -> None:
    """One window for everybody, exact for each; a restart forgives it, and a clock that is set back begins another."""
    brief = Limit("a_look", 2, timedelta(minutes=1), lasting=False)
    hers = [await tries.wait(brief, "alice", now=NOW + timedelta(seconds=n)) for n in range(3)]
    his = await tries.wait(brief, "bob", now=NOW + timedelta(seconds=3))
    later = await tries.wait(brief, "alice", now=NOW + timedelta(minutes=1))
    set_back = [await tries.wait(brief, "alice", now=NOW - timedelta(hours=1)) for _ in range(3)]
    restarted = Tries(tries.sessions, "a key")

    assert hers == [NO_WAIT, NO_WAIT, timedelta(seconds=58)]
    assert (his, later) == (NO_WAIT, NO_WAIT)
    assert set_back == [NO_WAIT, NO_WAIT, timedelta(minutes=1)]
    assert await restarted.wait(brief, "alice", now=NOW - timedelta(hours=1)) == NO_WAIT
    async with reading(tries.sessions) as session:
        assert (await session.scalars(select(TryCount))).all() == []


async def test_kinds_and_keys_do_not_count_each_others_tries(tries: Tries) -> None:
    """Sign-ups do not use up log-ins, nor one address another's."""
    hour = timedelta(hours=1)
    for _ in range(2):
        assert await tries.allowed("one", "alice", most=2, window=hour, now=NOW)

    assert not await tries.allowed("one", "alice", most=2, window=hour, now=NOW)
    assert await tries.allowed("two", "alice", most=2, window=hour, now=NOW)
    assert await tries.allowed("one", "bob", most=2, window=hour, now=NOW)


async def test_of_fifty_at_once_three_pass(tries: Tries) -> None:
    """Whoever asks in parallel does not pass between a look and its count."""
    waits = await asyncio.gather(*(tries.wait(THREE, "alice", now=NOW) for _ in range(50)))

    assert waits.count(NO_WAIT) == 3
    assert set(waits) == {NO_WAIT, timedelta(hours=1)}


async def test_another_process_goes_on_counting(engine: AsyncEngine, tries: Tries) -> None:
    """What one has counted, the next one refuses: nothing is kept in memory."""
    for _ in range(3):
        await tries.wait(THREE, "alice", now=NOW)

    restarted = Tries(sessions_for(engine), "a key")

    assert await restarted.wait(THREE, "alice", now=NOW) == timedelta(hours=1)


async def test_the_table_names_nobody(engine: AsyncEngine, tries: Tries) -> None:
    """Addresses are personal data: a copy of the database tells none, and without the key nobody can try them out."""
    await tries.wait(THREE, "alice@example.org", now=NOW)
    async with engine.connect() as connection:
        row = (await connection.execute(text("SELECT * FROM try_count"))).one()

    assert "alice" not in str(row)
    assert await Tries(sessions_for(engine), "another key").count("a_kind", "alice@example.org", now=NOW) == 0


async def test_sweeping_takes_what_is_over_and_nothing_else(tries: Tries) -> None:
    """The table grows by what is tried within an hour, not by what was ever tried."""
    await tries.wait(THREE, "long ago", now=NOW - timedelta(hours=2))
    await tries.wait(THREE, "just now", now=NOW)
    async with tries.sessions.begin() as session:
        await sweep(session, now=NOW)
        left = (await session.scalars(select(TryCount.began_at))).all()

    assert list(left) == [NOW]


async def test_a_fresh_start_is_for_one_key_alone(tries: Tries) -> None:
    """A right password forgives its own tries and nobody else's."""
    for key in ("alice", "bob"):
        await tries.wait(THREE, key, now=NOW)
    await tries.forget("a_kind", "alice")

    assert await tries.count("a_kind", "alice", now=NOW) == 0
    assert await tries.count("a_kind", "bob", now=NOW) == 1


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("a name", "a name"),
    ],
)
def test_of_ipv6_the_household_counts(host: str, counted: str) -> None:
    """Whoever has one address there has 2 to the 64th of them."""
    assert counted_address(host) == counted
