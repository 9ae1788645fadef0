"""An outage on real parts: Mosquitto keeps what is published, the bridge comes back and finds out when that was."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from schema.quantities import TIME_ESTIMATED
from tests.bridge_process import BridgeProcess
from tests.bridge_set_up import Home, Paired, Publisher, bridge, home, settled
from tests.broker import Broker, broker
from tests.waiting import until, until_async

pytestmark = pytest.mark.integration


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Broker]:
    """A broker of this test's own."""
    with broker(tmp_path / "broker") as running:
        yield running


@pytest.fixture
async def place(tmp_path: Path, server: Broker) -> AsyncIterator[Home]:
    """SQLite and the embedded store beside the broker."""
    async with home(tmp_path, server) as made:
        yield made


def _away_since(place: Home, at: datetime) -> None:
    """Let the bridge's last sign of life be this old: as if nobody had restarted it all the time."""
    (place.settings.data_dir / "sign-of-life").write_text(at.isoformat(timespec="milliseconds") + "\n")


async def _cycle(logger: Publisher, alice: Paired, watts: float) -> None:
    """One cycle of kbialek's client."""
    await logger.send(alice.topic("logger_status"), "online")
    await logger.send(alice.topic("ac/active_power"), f"{watts}")
    await logger.send(alice.topic("day_energy"), "1.5")


async def test_untimed_cycles_of_an_outage_are_spread_over_it(place: Home) -> None:
    """Six cycles in an hour, delivered at once; timed ones between them keep their times."""
    alice = await place.pair()
    async with bridge(place):
        pass
    since = datetime.now(UTC) - timedelta(hours=1)
    _away_since(place, since)
    own_time = since + timedelta(minutes=33)
    async with Publisher(place.broker, alice.login) as logger:
        for number in range(6):
            await _cycle(logger, alice, 100.0 + number)
        await logger.send(alice.topic("reading"), {"ac_power": 7.0, "time": own_time.isoformat()})
        async with bridge(place) as one:
            await settled(one, 19)

            async def complete() -> bool:
                return len(await place.points(alice)) == 7

            await until_async(complete)
            points = await place.points(alice)
            flags = await place.points(alice, TIME_ESTIMATED)

    spread = sorted(at for at in points if points[at] != 7.0)
    assert [points[at] for at in spread] == [100.0 + number for number in range(6)]
    assert set(flags) == set(spread)
    assert [at for at in points if points[at] == 7.0] == [own_time.replace(microsecond=0)]
    for number, at in enumerate(spread):
        assert abs(at - (since + timedelta(minutes=5 + 10 * number))) < timedelta(seconds=10)


async def test_a_restart_flags_nothing(place: Home) -> None:
    """After a second the arrival is right enough."""
    alice = await place.pair()
    async with bridge(place) as one, Publisher(place.broker, alice.login) as logger:
        await _cycle(logger, alice, 1.0)
        await settled(one, 3)
    async with Publisher(place.broker, alice.login) as logger:
        await _cycle(logger, alice, 2.0)
    async with bridge(place) as other:
        await settled(other, 3)
        latest, flags = await place.latest(alice), await place.points(alice, TIME_ESTIMATED)

    assert latest["ac_power"].value == 2.0
    assert flags == {}


async def test_a_bridge_that_is_killed_again_and_again_in_its_backlog_stores_each_cycle_once(place: Home) -> None:
    """Each cycle at a time of its own within the outage, in order, whatever was interrupted."""
    alice = await place.pair()
    first = BridgeProcess(place)
    await first.ready()
    await first.kill()
    since = datetime.now(UTC) - timedelta(hours=2)
    _away_since(place, since)
    async with Publisher(place.broker, alice.login) as logger:
        answers = [
            logger.throw(alice.topic(tail), f"{number}.0")
            for number in range(1_500)
            for tail in ("ac/active_power", "day_energy")
        ]
        await until(lambda: all(answered() for answered in answers), limit_s=20.0)
    for delay_s in (0.9, 1.2, 1.5):
        unlucky = BridgeProcess(place)
        await asyncio.sleep(delay_s)  # a kill at any moment is right; there is nothing to wait for
        await unlucky.kill()
    last = BridgeProcess(place)

    async def complete() -> bool:
        return len(await place.points(alice)) == 1_500

    await until_async(complete, limit_s=120.0)
    points = await place.points(alice)
    last.terminate()
    await last.ended()

    in_order = sorted(points)
    assert [points[at] for at in in_order] == [float(number) for number in range(1_500)]
    assert in_order[0] >= since - timedelta(seconds=1)
    assert in_order[-1] <= datetime.now(UTC)
