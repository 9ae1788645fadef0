"""When a login was last heard, when it came and went: what the pages about credentials show, on both databases."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from bridge.counters import Counters
from bridge.edges.login_rows import AGAIN_S, KEPT_FOR, LoginRows
from bridge.routes import Directory
from schema import live
from schema.models import LoginLive
from tests.bridge_set_up import Home, Publisher, bridge, home, settled
from tests.broker import broker, connect_as
from tests.fakes import ALICE_LOGIN, BOB_LOGIN, NOON, FakeTime, directory, route
from tests.publisher import SECRET
from tests.waiting import until, until_async

pytestmark = pytest.mark.integration

LATER = NOON + timedelta(seconds=5)


class Bench:
    """Rows of Alice and Bob on a database; the clock is the test's."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.time = FakeTime()
        self.directory: Directory = directory(route(), route(BOB_LOGIN))
        self.away = False
        self.counters = Counters()
        self.rows = LoginRows(self._engine, lambda: self.directory, url, self.time.clock(), self.counters)

    async def open(self) -> None:
        """Make the tables."""
        self.engine = await live.open_live(self.url)

    async def _engine(self) -> AsyncEngine:
        if self.away:
            raise ConnectionRefusedError
        return self.engine

    async def row(self, login: str = ALICE_LOGIN) -> LoginLive | None:
        """As a page would read it."""
        return (await live.logins_of(self.engine, [login])).get(login)


@pytest.fixture
async def bench(database_url: str) -> AsyncIterator[Bench]:
    """On each kind of database."""
    one = Bench(database_url)
    await one.open()
    yield one
    await one.engine.dispose()


async def test_one_fact_does_not_take_another_one_back(bench: Bench) -> None:
    """A message says nothing about the connection, and the other way round."""
    bench.rows.came(ALICE_LOGIN, NOON)
    await bench.rows.flush()
    bench.rows.spoke([ALICE_LOGIN], LATER)
    await bench.rows.flush()
    bench.time.seconds += AGAIN_S
    await bench.rows.flush()
    row = await bench.row()

    assert row is not None
    assert (row.connected_at, row.seen_at, row.disconnected_at) == (NOON, LATER, None)


async def test_who_speaks_all_the_time_is_written_now_and_then_and_who_goes_at_once(bench: Bench) -> None:
    """A thousand loggers a second must not be a thousand rows a second."""
    bench.rows.spoke([ALICE_LOGIN, BOB_LOGIN], NOON)
    first = await bench.rows.flush()
    for second in range(1, 6):
        bench.rows.spoke([ALICE_LOGIN], NOON + timedelta(seconds=second))
    too_early = await bench.rows.flush()
    bench.rows.went(ALICE_LOGIN, LATER)
    at_once = await bench.rows.flush()
    row = await bench.row()

    assert (first, too_early, at_once) == (2, 0, 1)
    assert row is not None
    assert (row.seen_at, row.disconnected_at) == (LATER, LATER)


async def test_names_that_nobody_has_are_not_remembered(bench: Bench) -> None:
    """Whoever invents logins fills neither memory nor table."""
    bench.rows.spoke([f"ZZZZZZ{number}" for number in range(2222, 4222)], NOON)
    bench.rows.came("ZZZZZZ2222", NOON)
    written = await bench.rows.flush()

    assert written == 0
    assert bench.rows._changed == {}


async def test_an_absent_database_costs_a_moment_of_freshness(bench: Bench) -> None:
    """What came meanwhile is newer than what could not be written."""
    bench.away = True
    bench.rows.came(ALICE_LOGIN, NOON)
    bench.rows.spoke([ALICE_LOGIN], NOON)
    task = asyncio.create_task(bench.rows.run())
    await until(lambda: bench.counters.live_failures)
    bench.rows.spoke([ALICE_LOGIN], LATER)
    bench.away = False

    async def written() -> bool:
        row = await bench.row()
        return row is not None and (row.connected_at, row.seen_at) == (NOON, LATER)

    await until_async(written)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_who_was_withdrawn_long_ago_is_forgotten(bench: Bench) -> None:
    """A living login keeps its row however long it is silent."""
    bench.rows.spoke([ALICE_LOGIN, BOB_LOGIN], NOON)
    await bench.rows.flush()
    bench.directory = directory(route(), route(BOB_LOGIN), revoked=[BOB_LOGIN])
    await bench.rows.tidy()
    soon = await bench.row(BOB_LOGIN)
    bench.time.seconds += KEPT_FOR.total_seconds() + 1
    await bench.rows.tidy()

    assert soon is not None
    assert await bench.row(BOB_LOGIN) is None
    assert await bench.row() is not None


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Home]:
    """A database beside a broker."""
    with broker(tmp_path / "broker") as server:
        async with home(tmp_path, server) as made:
            yield made


async def test_a_logger_that_comes_speaks_and_goes_is_seen_doing_so(place: Home) -> None:
    """On a real Mosquitto, from its own log; a connection without a good-bye ends too."""
    alice, bob = await place.pair(), await place.pair(serial="2722222222")
    engine = await live.open_live(place.settings.live_url)

    async def row(login: str) -> LoginLive | None:
        return (await live.logins_of(engine, [login])).get(login)

    async def heard(login: str, *columns: str) -> bool:
        found = await row(login)
        return found is not None and all(getattr(found, column) for column in columns)

    async with bridge(place) as one:
        async with Publisher(place.broker, alice.login) as logger:
            await logger.send(alice.topic(), {"ac_power": 1.0})
            await settled(one, 1)
            await until_async(lambda: heard(alice.login, "connected_at", "seen_at"))
            there = await row(alice.login)
        connect_as(place.broker.port, bob.login, SECRET)
        await until_async(lambda: heard(alice.login, "disconnected_at"))
        await until_async(lambda: heard(bob.login, "connected_at", "disconnected_at"))
        hers, his = await row(alice.login), await row(bob.login)
    await engine.dispose()

    assert there is not None
    assert there.disconnected_at is None
    assert hers is not None
    assert hers.connected_at <= hers.seen_at <= hers.disconnected_at  # type: ignore[operator]  # all three are there
    assert his is not None
    assert his.seen_at is None
