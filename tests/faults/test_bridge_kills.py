"""The bridge is killed, stopped, doubled: every acknowledged reading is in its own bucket afterwards, once."""

import asyncio
import os
import random
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from schema.settings import BrokerEdge
from tests.bridge_process import BridgeProcess
from tests.bridge_set_up import Home, Publisher, home
from tests.broker import broker
from tests.ledger import Ledger
from tests.waiting import until, until_async

pytestmark = pytest.mark.faults

KILLS = int(os.environ.get("FAULT_KILLS", "3"))


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


@pytest.mark.parametrize("edge", BrokerEdge)
async def test_a_bridge_that_is_killed_again_and_again_loses_nothing(place: Home, edge: BrokerEdge) -> None:
    """Kills at random moments of a stream from two owners, of a start too; ``FAULT_KILLS`` says how many."""
    seed = int(os.environ.get("FAULT_SEED", "0")) or random.randrange(1, 1_000_000)
    sys.stdout.write(f"FAULT_SEED={seed}\n")
    dice = random.Random(seed)
    alice, bob = await place.pair(), await place.pair(serial="2722222222")
    ledgers = Ledger(alice), Ledger(bob)
    running = BridgeProcess(place, BROKER_EDGE=edge)
    await running.ready()
    async with Publisher(place.broker, alice.login) as hers, Publisher(place.broker, bob.login) as his:
        for _ in range(KILLS):
            ledgers[0].throw(hers, dice.randrange(10, 35))
            ledgers[1].throw(his, dice.randrange(10, 40))
            if dice.random() < 0.8:
                goal = dice.randrange(_count(place), sum(len(ledger.sent) for ledger in ledgers))
                await until(lambda goal=goal: _count(place) > goal)  # type: ignore[misc]  # goal is bound
            else:
                # Amid the start, which no condition names.
                await asyncio.sleep(dice.uniform(0, 1))
            await running.kill()
            ledgers[0].throw(hers, 5)
            running = BridgeProcess(place, BROKER_EDGE=edge)
        await _arrived(place, *ledgers)
    assert "Traceback" not in (place.folder / "bridge.log").read_text()
    running.terminate()
    assert await running.ended() == 0


async def test_a_stop_in_mid_stream_is_quick_and_clean(place: Home) -> None:
    """SIGTERM: status 0 within the time allowed, everything taken is settled, the next bridge goes on."""
    alice = await place.pair()
    ledger = Ledger(alice)
    first = BridgeProcess(place)
    await first.ready()
    async with Publisher(place.broker, alice.login) as logger:
        ledger.throw(logger, 1500)
        await until(lambda: _count(place) > 100)
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

        await until(lambda: _count(place) == 5)
    await second.kill()


def _count(place: Home) -> int:
    """Points in the embedded store."""
    if not place.settings.readings_path.exists():
        return 0
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
        await until(lambda: _count(place) > 50)
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
