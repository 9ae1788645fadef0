"""The bridge dies or stops at every point of a message's way (scenarios 1 and 2, F1), and its disk fails (16, F11)."""

import resource
import sqlite3

from tests.bridge_process import BridgeProcess
from tests.fake_influx import Fault
from tests.faults.arena import Arena
from tests.waiting import until


async def killed_before_the_write(arena: Arena) -> None:
    """1: a request is at the store, which has not written it."""
    await _killed_at_the_store(arena, Fault(hang=True))


async def killed_after_the_write(arena: Arena) -> None:
    """1: written, and the answer still on its way: the redelivered readings must not become second points."""
    await _killed_at_the_store(arena, Fault(hang=True, lost_answer=True))


async def _killed_at_the_store(arena: Arena, fault: Fault) -> None:
    first = await arena.process()
    async with arena.stream():
        await arena.under_way()
        arena.influx.hanging.clear()
        arena.influx.faults.append(fault)
        await arena.influx.hanging.wait()
        # Time enough for whatever it acknowledges too early to reach the broker.
        await arena.moment()
        await first.kill()
        second = await arena.process()
        await arena.moment()
    await arena.arrived()
    await arena.ended_well(second)


async def killed_amid_acknowledgements(arena: Arena) -> None:
    """1: some PUBACKs of a batch have left, the last one in half."""
    first = await arena.process()
    async with arena.stream():
        await arena.under_way()
        arena.broker_road.after_upward(arena.dice.randrange(1, 400), first.kill_now)
        await first.ended()
        arena.broker_road.fine()
        second = await arena.process()
        await arena.moment()
    await arena.arrived()
    await arena.ended_well(second)


async def killed_while_it_spools(arena: Arena) -> None:
    """1: the store is away, records are being committed; three times over the same file."""
    process = await arena.process()
    async with arena.stream():
        await arena.under_way()
        await arena.store_road.refuse()
        for _ in range(3):
            goal = arena.kept() + arena.dice.randrange(1, 60)
            await until(lambda goal=goal: arena.kept() >= goal)  # type: ignore[misc]  # goal is bound
            await process.kill()
            process = await arena.process()
        await arena.store_road.start()
    await arena.arrived()
    await arena.ended_well(process)


async def killed_while_it_replays(arena: Arena) -> None:
    """1: a part of the spool is in the store and not yet forgotten."""
    first = await arena.process()
    await arena.store_road.refuse()
    async with arena.stream():
        await until(lambda: arena.kept() > 100)
    await arena.acknowledged()
    arena.store_road.weather.latency_s = 0.02
    await arena.store_road.start()
    goal = arena.dice.randrange(1, arena.sent)
    await until(lambda: arena.stored >= goal, limit_s=30.0)
    await first.kill()
    arena.store_road.fine()
    second = await arena.process()
    await arena.arrived()
    await arena.ended_well(second)


async def stopped_under_load(arena: Arena) -> None:
    """2: SIGTERM: in order and in time, and the next one goes on; three times."""
    process = await arena.process()
    async with arena.stream():
        for _ in range(3):
            await arena.under_way()
            await arena.ended_well(process)
            process = await arena.process()
    await arena.arrived()
    await arena.ended_well(process)


async def the_disk_takes_nothing_more(arena: Arena) -> None:
    """16, F11: writes to the spool fail while the store is away: nothing more is acknowledged, and it recovers."""
    process = await arena.process()
    async with arena.stream():
        before = await _disk_full(arena, process)
        assert process.running
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await until(lambda: arena.kept() > before, limit_s=30.0)
        await arena.store_road.start()
    await arena.arrived()
    await arena.ended_well(process)


async def killed_while_the_disk_is_full(arena: Arena) -> None:
    """1, 16: what it could not keep it has not acknowledged: the broker has it still."""
    first = await arena.process()
    async with arena.stream():
        await _disk_full(arena, first)
        await first.kill()
        await arena.store_road.start()
        second = await arena.process()
    await arena.arrived()
    await arena.ended_well(second)


async def _disk_full(arena: Arena, process: BridgeProcess) -> int:
    """The store is away and no file of the process may grow beyond what the spool's log has now: a full disk, seen from
    inside. How many records there are.
    """
    await arena.under_way()
    await arena.store_road.refuse()
    goal = arena.dice.randrange(20, 80)
    await until(lambda: arena.kept() > goal)
    log = arena.site.place.settings.spool_path.with_name("spool.db-wal")
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (log.stat().st_size, resource.RLIM_INFINITY))
    await until(lambda: "spool.unavailable" in process.said, limit_s=30.0)
    before = arena.kept()
    await arena.moment()
    assert arena.kept() == before
    return before


async def the_spool_reaches_its_cap(arena: Arena) -> None:
    """16: the cap is kept, the broker holds the rest, and all of it arrives afterwards. Settings: a small spool."""
    async with arena.bridge() as one:
        async with arena.stream():
            await arena.under_way()
            await arena.store_road.refuse()
            await until(lambda: one.counters.spool_failures > 0, limit_s=30.0)
            await arena.moment()
            held = len(one.session.window)
            await arena.store_road.start()
        await arena.arrived()
    assert held > 0


async def the_end_of_the_log_is_torn(arena: Arena) -> None:
    """16: a power cut amid a commit leaves half a record behind the sound ones; those are all replayed."""
    first = await arena.process()
    await _spooled_by(first, arena)
    log = arena.site.place.settings.spool_path.with_name("spool.db-wal")
    with log.open("ab") as file:
        file.write(arena.dice.randbytes(arena.dice.randrange(1, 9_000)))
    second = await arena.process()
    await arena.store_road.start()
    await arena.arrived()
    await arena.ended_well(second)


async def a_bit_of_a_record_is_flipped(arena: Arena) -> None:
    """16: that record is put aside and counted, never stored; every other one is replayed."""
    first = await arena.process()
    await _spooled_by(first, arena)
    _flip(arena)
    second = await arena.process()
    await arena.store_road.start()
    await until(lambda: arena.stored == arena.sent - 1, limit_s=60.0)
    await until(lambda: not arena.kept())
    assert arena.spool_count("damaged") == 1
    assert "spool.record_damaged" in second.said
    assert all(arena.site.points(one).items() <= one.ledger.sent.items() for one in arena.tenants)
    arena.site.check_requests(*arena.tenants)
    await arena.ended_well(second)


async def _spooled_by(process: BridgeProcess, arena: Arena) -> None:
    """Everything published is acknowledged and in the spool alone; the process is dead."""
    await arena.store_road.refuse()
    async with arena.stream():
        await until(lambda: arena.kept() > 100)
    await arena.acknowledged()
    await process.kill()


def _flip(arena: Arena) -> None:
    connection = sqlite3.connect(arena.site.place.settings.spool_path)
    with connection:
        number, body = arena.dice.choice(connection.execute("SELECT id, body FROM record").fetchall())
        changed = bytearray(body)
        changed[arena.dice.randrange(len(changed))] ^= 1 << arena.dice.randrange(8)
        connection.execute("UPDATE record SET body=? WHERE id=?", (bytes(changed), number))
    connection.close()
