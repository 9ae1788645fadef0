"""The bridge is killed, stopped, doubled: every acknowledged reading is in its own bucket afterwards, once."""

import random
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.bridge_process import BridgeProcess
from tests.bridge_set_up import Home, Publisher, home
from tests.broker import broker
from tests.ledger import Ledger
from tests.waiting import until, until_async

pytestmark = pytest.mark.faults


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Home]:
    """SQLite and the embedded store beside a broker."""
    with broker(tmp_path / "broker") as server:
        async with home(tmp_path, server) as made:
            yield made


async def _arrived(place: Home, *ledgers: Ledger) -> None:
    """Each inverter's points are its ledger's, no more and no less; nothing is left in the spool."""
    for ledger in ledgers:
        sent = await ledger.acknowledged()

        async def complete(ledger: Ledger = ledger, sent: object = sent) -> bool:
            return await place.points(ledger.paired) == sent

        await until_async(complete, limit_s=30.0)
    kept = sqlite3.connect(place.settings.spool_path)
    await until(lambda: kept.execute("SELECT count(*) FROM record").fetchone() == (0,))
    assert kept.execute("SELECT count(*) FROM trouble").fetchone() == (0,)
    kept.close()


async def test_a_bridge_that_is_killed_again_and_again_loses_nothing(place: Home) -> None:
    """Three kills at random moments of a stream from two owners; the seed is in the failure's output."""
    seed = random.randrange(1_000_000)
    sys.stdout.write(f"seed {seed}\n")
    dice = random.Random(seed)
    alice, bob = await place.pair(), await place.pair(serial="2722222222")
    ledgers = Ledger(alice), Ledger(bob)
    running = BridgeProcess(place)
    await running.ready()
    async with Publisher(place.broker, alice.login) as hers, Publisher(place.broker, bob.login) as his:
        for _ in range(3):
            ledgers[0].throw(hers, dice.randrange(100, 400))
            ledgers[1].throw(his, dice.randrange(100, 400))
            goal = dice.randrange(50, 200)
            await until_async(lambda goal=goal: _stored(place, ledgers[0], goal))  # type: ignore[misc]  # goal is bound
            await running.kill()
            ledgers[0].throw(hers, 50)
            running = BridgeProcess(place)
        await _arrived(place, *ledgers)
    await running.kill()


async def _stored(place: Home, ledger: Ledger, at_least: int) -> bool:
    """Whether the stream is under way."""
    return len(await place.points(ledger.paired)) >= min(at_least, len(ledger.sent) // 2)


async def test_a_stop_in_mid_stream_is_quick_and_clean(place: Home) -> None:
    """SIGTERM: status 0 within the time allowed, everything taken is settled, the next bridge goes on."""
    alice = await place.pair()
    ledger = Ledger(alice)
    first = BridgeProcess(place)
    await first.ready()
    async with Publisher(place.broker, alice.login) as logger:
        ledger.throw(logger, 1500)
        await until_async(lambda: _stored(place, ledger, 100))
        first.terminate()
        status = await first.ended()
        last_words = first.said
        second = BridgeProcess(place)
        await second.ready()
        await _arrived(place, ledger)
    second.terminate()

    assert status == 0
    assert '"in_window": 0' in last_words
    assert await second.ended() == 0


async def test_what_is_published_while_no_bridge_runs_waits_in_the_broker(place: Home) -> None:
    """Even with QoS 0, which most publishers use."""
    alice = await place.pair()
    first = BridgeProcess(place)
    await first.ready()
    await first.kill()
    async with Publisher(place.broker, alice.login) as logger:
        for number in range(5):
            await logger.send(alice.topic(), {"ac_power": float(number)}, qos=0)
        second = BridgeProcess(place)

        async def all_there() -> bool:
            return await _count(place) == 5

        await until_async(all_there)
    await second.kill()


async def _count(place: Home) -> int:
    """Points in the embedded store."""
    connection = sqlite3.connect(f"file:{place.settings.readings_path}?mode=ro", uri=True)
    try:
        return int(connection.execute("SELECT count(*) FROM point").fetchone()[0])
    finally:
        connection.close()


async def test_a_second_bridge_waits_and_takes_over_when_the_first_dies(place: Home) -> None:
    """One at a time: two would throw each other out for ever."""
    alice = await place.pair()
    ledger = Ledger(alice)
    first = BridgeProcess(place)
    await first.ready()
    second = BridgeProcess(place)
    await until(lambda: "bridge.standing_by" in second.said)
    async with Publisher(place.broker, alice.login) as logger:
        ledger.throw(logger, 100)
        await until_async(lambda: _stored(place, ledger, 50))
        await first.kill()
        await second.ready()
        ledger.throw(logger, 100)
        await _arrived(place, ledger)
    second.terminate()

    assert await second.ended() == 0


async def test_a_bridge_that_stands_by_stops_at_once(place: Home) -> None:
    """Waiting for the lock must not hold a shutdown up."""
    first = BridgeProcess(place)
    await first.ready()
    second = BridgeProcess(place)
    await until(lambda: "bridge.standing_by" in second.said)

    second.terminate()

    assert await second.ended() == 0
    first.terminate()
    assert await first.ended() == 0


async def test_wrong_settings_are_one_sentence_and_status_2(place: Home) -> None:
    """No traceback for a missing key."""
    process = BridgeProcess(place, TOKEN_KEY="not base64")

    assert await process.ended() == 2
    assert "TOKEN_KEY" in process.said
    assert "Traceback" not in process.said
