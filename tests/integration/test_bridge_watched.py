"""A bridge process as those who watch it see it: what it needs goes away and comes back."""

import socket
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.bridge_process import BridgeProcess
from tests.bridge_set_up import Home, Publisher, home
from tests.broker import Broker, broker
from tests.fake_influx import FakeInflux
from tests.influx_site import OPERATOR, Site
from tests.services import Postgres
from tests.waiting import until, until_async
from tests.watched_bridge import WatchedBridge

pytestmark = pytest.mark.integration


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Broker]:
    """A broker of this test's own."""
    with broker(tmp_path / "broker") as running:
        yield running


@pytest.fixture
async def place(tmp_path: Path, server: Broker) -> AsyncIterator[Home]:
    """A home on SQLite."""
    async with home(tmp_path, server) as made:
        yield made


@asynccontextmanager
async def watched(place: Home, **environment: str) -> AsyncIterator[WatchedBridge]:
    """A bridge that is ready, and is stopped at the end."""
    one = WatchedBridge(place, **environment)
    try:
        await one.served()
        await one.until_ready(200, {})
        yield one
    finally:
        one.process.terminate()
        await one.process.ended()


async def test_without_its_broker_a_bridge_is_not_ready_until_it_is_back(place: Home, server: Broker) -> None:
    """It lives all the while: a restart would not help."""
    async with watched(place) as one:
        server.stop()
        await one.until_ready(503, {"broker": "failed"})
        alive = await one.asked("live")
        server.start()
        back = await one.until_ready(200, {})

    assert (alive.status, alive.wrong) == (200, {})
    assert back.body["status"] == "ok"


async def test_a_spool_that_cannot_be_written_is_noticed_by_writing(place: Home) -> None:
    """Another program holds the file: what a full or broken disk looks like from inside. The log says it once."""
    async with watched(place) as one:
        thief = sqlite3.connect(place.settings.spool_path, isolation_level=None)
        thief.execute("BEGIN IMMEDIATE")
        away = await one.until_ready(503, {"spool": "failed"})
        await until(lambda: _alarms(one, 1), limit_s=30)
        thief.execute("ROLLBACK")
        thief.close()
        await one.until_ready(200, {})
        told = await until(lambda: _alarms(one, 2), limit_s=60)

    assert away.body["parts"]["spool"]["detail"]
    assert [(line["event"], line["alarm"]) for line in told] == [
        ("alarm.began", "spool_unwritable"),
        ("alarm.ended", "spool_unwritable"),
    ]


def _alarms(one: WatchedBridge, count: int) -> list[dict[str, Any]]:
    """What the log says of alarms, once it says so much."""
    told = [line for line in one.lines() if line["event"].startswith("alarm.")]
    return told if len(told) >= count else []


async def test_a_store_that_is_away_degrades_a_bridge_that_keeps_everything(tmp_path: Path, server: Broker) -> None:
    """Ready all the while: readings go to the spool, and leave it when the store is back."""
    async with (
        FakeInflux(operator_token=OPERATOR) as influx,
        home(tmp_path, server, influx_url=influx.url) as place,
    ):
        alice = await Site(place, influx).tenant("2711111111")
        quick = {"INFLUX_URL": influx.url, "HOLD_S": "0.5", "PROBE_S": "0.5", "STORE_TIMEOUT_S": "1"}
        async with watched(place, **quick) as one, Publisher(server, alice.paired.login) as logger:
            await influx.stop()
            alice.ledger.throw(logger, 20)
            await one.until_ready(200, {"store": "degraded"})
            kept = await until_async(lambda: _samples(one, "deye_bridge_spool_lines", 20))
            parked = (await one.scraped())["deye_bridge_store_servers_parked"].samples[0].value
            await influx.start()
            await one.until_ready(200, {})
            await until_async(lambda: _samples(one, "deye_bridge_spool_lines", 0))

    assert kept
    assert parked == 1


async def _samples(one: WatchedBridge, name: str, value: float) -> bool:
    return (await one.scraped())[name].samples[0].value == value


async def test_a_database_that_is_away_degrades_a_bridge_that_goes_on(
    tmp_path: Path, server: Broker, postgres_server: Postgres
) -> None:
    """The last known registry goes on."""
    url = postgres_server.fresh("watched")
    async with home(tmp_path, server, url) as place, watched(place) as one:
        await place.engine.dispose()
        postgres_server.close(url)
        try:
            away = await one.until_ready(200, {"database": "degraded"})
        finally:
            postgres_server.open(url)
        await one.until_ready(200, {})

    assert "last known registry" in away.body["parts"]["database"]["detail"]


async def test_a_bridge_that_stands_by_lives_and_is_not_ready(place: Home) -> None:
    """Whoever balances or restarts must tell the two apart; the figures say which part it plays."""
    async with watched(place) as first:
        second = WatchedBridge(place)
        await second.served()
        await until(lambda: "bridge.standing_by" in second.process.said)
        alive, ready = await second.asked("live"), await second.asked("ready")
        roles = {
            one: {sample.labels["role"] for sample in (await one.scraped())["deye_bridge_role"].samples if sample.value}
            for one in (first, second)
        }
        second.process.terminate()
        await second.process.ended()

    assert alive.status == 200
    assert (ready.status, ready.wrong) == (503, {"role": "failed"})
    assert list(roles.values()) == [{"active"}, {"standing_by"}]


async def test_a_taken_port_keeps_no_bridge_from_its_work(place: Home) -> None:
    """Who watches comes second; the log says why nobody answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        one = BridgeProcess(place, METRICS_PORT=str(taken.getsockname()[1]))
        await one.ready()
        one.terminate()
        status = await one.ended()

    assert status == 0
    assert "health.not_served" in one.said
