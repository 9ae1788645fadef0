"""A whole bridge process on a disk that takes nothing for a while: store, spool, databases, lock and log at once."""

import resource
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.bridge_process import BridgeProcess
from tests.bridge_set_up import Home, Paired, Publisher, home
from tests.broker import broker
from tests.services import free_port
from tests.waiting import until_async

pytestmark = pytest.mark.integration

_FREE = resource.RLIM_INFINITY


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Home]:
    """A database beside a broker."""
    with broker(tmp_path / "broker") as server:
        async with home(tmp_path, server) as made:
            yield made


async def _failed_commits(client: httpx.AsyncClient) -> float:
    """How often the spool could not be written so far."""
    lines = (await client.get("/metrics")).text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("deye_bridge_spool_failures_total "))


async def test_a_disk_that_takes_nothing_for_a_while_ends_neither_the_bridge_nor_a_message(place: Home) -> None:
    """Nothing is acknowledged meanwhile. Afterwards everything is stored, by the same process."""
    alice = await place.pair()
    port = free_port()
    process = BridgeProcess(place, METRICS_PORT=str(port))
    await process.ready()
    start = datetime.now(UTC) - timedelta(minutes=5)
    readings = [{"time": (start + timedelta(seconds=second)).isoformat(), "ac_power": second} for second in range(6)]
    async with (
        Publisher(place.broker, alice.login) as logger,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        for reading in readings[:3]:
            await logger.send(alice.topic(), reading)
        await until_async(lambda: _has(place, alice, 3))
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, _FREE))
        for reading in readings[3:]:
            await logger.send(alice.topic(), reading)

        async def often() -> bool:
            return await _failed_commits(client) >= 4

        await until_async(often)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (_FREE, _FREE))
        await until_async(lambda: _has(place, alice, 6))
    process.terminate()

    assert await process.ended() == 0


async def _has(place: Home, paired: Paired, number: int) -> bool:
    return len(await place.points(paired)) == number
