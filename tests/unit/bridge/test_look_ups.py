"""Logins that nobody knows yet: looked up once, waited for a moment, never lost."""

import asyncio
from dataclasses import replace

import pytest

from bridge.claims import GRACE_S
from bridge.kept import Line, Raw
from bridge.receiver import RAW_RETRY_S
from bridge.records import pack
from bridge.refusals import Reason
from schema.timeseries.port import StoreUnavailable
from tests.claims_bench import Bench, at_work
from tests.fakes import ALICE_LOGIN, route
from tests.waiting import until

pytestmark = pytest.mark.unit


READING = f"deye/{ALICE_LOGIN}/reading"


async def test_an_unknown_login_becomes_a_dead_letter_after_one_look_up() -> None:
    """Not found is an answer."""
    async with at_work(Bench()) as bench:
        bench.send(READING, '{"ac_power": 1}')
        await bench.quiet()

    assert bench.reasons == [Reason.UNKNOWN_LOGIN]
    assert bench.session.acknowledged == [1]


@pytest.mark.parametrize("login_is_there", [False, True])
async def test_a_message_may_overtake_its_own_registration(*, login_is_there: bool) -> None:
    """A login, or only its feed, that is committed a moment later: the message waits, and so does one that follows."""
    roof = route()
    bench = Bench()
    if login_is_there:
        bench.registry.directory.put(ALICE_LOGIN, pack([], revoked=False))

    async def sleep(seconds: float) -> None:
        if not bench.registry.absent:
            bench.send(READING, '{"ac_power": 2}')
            await until(lambda: not (bench.claims._strangers or bench.claims._working))
            bench.registry.absent[ALICE_LOGIN] = roof
        await bench.time.sleep(seconds)

    bench.claims._clock = replace(bench.time.clock(), sleep=sleep)
    async with at_work(bench):
        bench.send(READING, '{"ac_power": 1}')
        await bench.quiet()

    assert len(bench.store.lines_of(roof.inverter_id)) == 2
    assert bench.reasons == []


async def test_only_so_many_messages_wait_for_a_registration() -> None:
    """A login that does not exist must not fill the window, and is asked for now and then only."""
    async with at_work(Bench()) as bench:
        bench.send(READING, *['{"ac_power": 1}'] * 300)
        await bench.quiet()
        waited = bench.time.seconds
        for _ in range(50):
            bench.send(READING, '{"ac_power": 1}')
            await bench.quiet()

    assert waited == GRACE_S
    assert bench.reasons == [Reason.UNKNOWN_LOGIN] * 350
    assert bench.registry.looked_up <= 53


async def test_a_login_that_is_new_since_the_last_snapshot_is_found() -> None:
    """Its first message is stored, not refused."""
    roof = route()
    async with at_work(Bench()) as bench:
        bench.registry.absent[ALICE_LOGIN] = roof
        bench.send(READING, '{"ac_power": 1}')
        await bench.quiet()

    assert len(bench.store.lines_of(roof.inverter_id)) == 1
    assert bench.reasons == []


async def test_a_look_up_that_cannot_be_made_keeps_the_message_as_it_came() -> None:
    """Could not look is not not found; when the database is back, the message is decided."""
    roof = route()
    async with at_work(Bench()) as bench:
        bench.registry.away = True
        bench.send(READING, '{"ac_power": 7}')
        await bench.quiet()
        kept = [entry for entry in bench.spool.records.values() if isinstance(entry, Raw)]
        acknowledged = list(bench.session.acknowledged)

        bench.registry.away = False
        bench.registry.absent[ALICE_LOGIN] = roof
        await _replayed(bench)
        await bench.quiet()

    assert [raw.payload for raw in kept] == [b'{"ac_power": 7}']
    assert acknowledged == [1]
    assert b"ac_power=7.0" in bench.store.lines_of(roof.inverter_id)[0]
    assert bench.spool.records == {}


async def test_a_message_kept_as_it_came_is_not_taken_up_again_while_it_waits_for_the_disk() -> None:
    """A disk that takes nothing for minutes: else there would be one more copy of it each time, and one more point."""
    roof = route()
    async with at_work(Bench()) as bench:
        bench.registry.away = True
        bench.send(READING, '{"ac_power": 7}')
        await bench.quiet()
        bench.registry.away = False
        bench.registry.absent[ALICE_LOGIN] = roof
        bench.store.faults[roof.inverter_id] = StoreUnavailable("503")
        bench.spool.hold = disk = asyncio.Event()
        began = bench.time.seconds
        task = asyncio.create_task(bench.receiver.replay_raws())
        await until(lambda: bench.time.seconds > began + 4 * RAW_RETRY_S)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        disk.set()
        await bench.quiet()

    assert [type(entry) for entry in bench.spool.records.values()] == [Line]


async def _replayed(bench: Bench) -> None:
    task = asyncio.create_task(bench.receiver.replay_raws())
    await until(lambda: bool(bench.store.written))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
