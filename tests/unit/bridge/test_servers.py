"""Servers and owners side by side: none of them can keep the others waiting."""

import asyncio
from dataclasses import replace

import pytest

from bridge.lanes import Lane
from bridge.routes import Route
from bridge.server import MOST_PUT_OFF, Server
from schema.timeseries.port import StoreUnavailable
from tests.fakes import ALICE_LOGIN, BOB_LOGIN, route
from tests.waiting import until
from tests.writer_bench import HOLD_S, Bench, at_work, balanced

pytestmark = pytest.mark.unit


def _at(server: str, login: str = ALICE_LOGIN) -> Route:
    made = route(login)
    assert made.destination is not None
    return replace(made, destination=replace(made.destination, server=server))


def _silence() -> StoreUnavailable:
    return StoreUnavailable("no answer in time", answered=False)


async def test_a_hanging_server_does_not_take_the_requests_of_another() -> None:
    """Each server has as many as there may be at one; a hundred hanging lanes cost the neighbour nothing."""
    hanging = [_at("one") for _ in range(20)]
    well = _at("two", BOB_LOGIN)
    async with at_work(Bench(*hanging, well, workers=4)) as bench:
        for one in hanging:
            bench.store.faults[one.inverter_id] = asyncio.Event()
            bench.send(one.inverter_id, b"stuck")
        await bench.sweep()
        bench.send(well.inverter_id, b"fresh")
        await bench.sweep()

    assert bench.store.lines_of(well.inverter_id) == [b"fresh"]
    assert len([one for one, _ in bench.store.requests if one != well.inverter_id]) == 4


async def test_a_server_that_answers_nobody_is_parked_as_a_whole_after_the_hold() -> None:
    """Nobody's messages wait at it any more, not even those of inverters that were not tried yet."""
    stuck, other = _at("one"), _at("one", BOB_LOGIN)
    async with at_work(Bench(stuck, other)) as bench:
        bench.store.faults[stuck.inverter_id] = asyncio.Event()
        bench.send(stuck.inverter_id, b"one")
        await bench.sweep()
        await bench.sweep(HOLD_S)

        bench.send(other.inverter_id, b"two")
        await until(lambda: len(bench.session.acknowledged) == 2)

    assert bench.spool.lines == [b"one", b"two"]
    assert other.inverter_id not in [inverter_id for inverter_id, _ in bench.store.requests]


async def test_a_parked_server_gets_one_probe_at_a_time_and_then_everything() -> None:
    """Thirty lanes have lines for it; one of them asks, the others follow when it has been answered."""
    homes = [_at("one") for _ in range(30)]
    async with at_work(Bench(*homes, workers=8)) as bench:
        for one in homes:
            bench.store.faults[one.inverter_id] = _silence()
        for one in homes:
            bench.send(one.inverter_id, b"old")
        await bench.quiet()
        tried = len(bench.store.requests)
        for _ in range(5):
            await bench.sweep(6.0)
            await bench.quiet()
        probes = len(bench.store.requests) - tried

        bench.store.faults.clear()
        for _ in range(10):
            await bench.sweep(6.0)
        await bench.quiet()

    assert tried <= 8
    assert probes == 5
    assert all(bench.store.lines_of(one.inverter_id) == [b"old"] for one in homes)
    assert bench.spool.records == {}
    assert balanced(bench)


async def test_a_server_that_answers_others_is_not_parked_for_one_silence() -> None:
    """One bucket's requests break off, another's are answered: only the first one is left alone."""
    broken, well = _at("one"), _at("one", BOB_LOGIN)
    async with at_work(Bench(broken, well)) as bench:
        answer = asyncio.Event()
        bench.store.faults[broken.inverter_id] = answer
        bench.send(broken.inverter_id, b"one")
        await bench.sweep()
        bench.time.seconds += 0.1
        bench.send(well.inverter_id, b"two")
        await bench.sweep()
        bench.store.faults[broken.inverter_id] = _silence()
        bench.send(broken.inverter_id, b"three")
        answer.set()
        await bench.sweep()
        bench.send(well.inverter_id, b"four")
        await bench.quiet()

    assert bench.store.lines_of(well.inverter_id) == [b"two", b"four"]


async def test_an_answer_of_any_kind_is_an_answer() -> None:
    """503 parks the one destination it was given for, not the server."""
    busy, well = _at("one"), _at("one", BOB_LOGIN)
    async with at_work(Bench(busy, well)) as bench:
        bench.store.faults[busy.inverter_id] = StoreUnavailable("503")
        bench.send(busy.inverter_id, b"one")
        bench.send(well.inverter_id, b"two")
        await bench.quiet()

    assert bench.store.lines_of(well.inverter_id) == [b"two"]
    assert not any(server.parked for server in bench.writer.servers)


def test_owners_take_turns_whatever_the_number_of_their_inverters() -> None:
    """Five hundred inverters of one owner do not go before the one of another who comes later."""
    server = Server("one")
    alice, bob = route(), route(BOB_LOGIN)
    many, single = [Lane(alice.inverter_id) for _ in range(500)], Lane(bob.inverter_id)
    for lane in many:
        server.push(lane, alice.owner_id)
    server.push(single, bob.owner_id)

    order = [server.pop() for _ in range(502)]

    assert order.index(single) == 1
    assert [lane for lane in order if lane not in (single, None)] == many
    assert order[-1] is None


async def test_a_bucket_never_has_two_requests_at_once() -> None:
    """Not even where fresh lines come while kept ones are under way."""
    roof = route()
    async with at_work(Bench(roof)) as bench:
        bench.store.faults[roof.inverter_id] = StoreUnavailable("503")
        bench.send(roof.inverter_id, b"old")
        await bench.quiet()
        answer = asyncio.Event()
        bench.store.faults[roof.inverter_id] = answer
        await bench.sweep(1.0)
        bench.writer._lanes[roof.inverter_id].parked = False
        under_way = len(bench.store.requests)
        bench.send(roof.inverter_id, b"fresh")
        await bench.sweep()
        at_once = len(bench.store.requests) - under_way

        bench.store.faults.clear()
        answer.set()
        await bench.quiet()
        for _ in range(3):
            await bench.sweep(1.0)

    assert at_once == 0
    assert sorted(bench.store.lines_of(roof.inverter_id)) == [b"fresh", b"old"]


async def test_lanes_that_have_nothing_left_are_forgotten() -> None:
    """A hundred thousand inverters must not be a hundred thousand lanes for ever."""
    homes = [route() for _ in range(10)]
    async with at_work(Bench(*homes)) as bench:
        bench.store.faults[homes[0].inverter_id] = StoreUnavailable("503")
        for one in homes:
            bench.send(one.inverter_id, b"one")
        await bench.quiet()
        await bench.sweep()
        while_parked = len(bench.writer.lanes)
        bench.store.faults.clear()
        for _ in range(5):
            await bench.sweep(6.0)
            await bench.quiet()

    assert while_parked == 1
    assert len(bench.writer.lanes) == 0
    assert bench.store.lines_of(homes[0].inverter_id) == [b"one"]


async def test_a_server_that_puts_everything_off_gets_one_probe_at_a_time_too() -> None:
    """503 to a hundred destinations: not a hundred probes at once, and Retry-After counts for all."""
    homes = [_at("one") for _ in range(100)]
    async with at_work(Bench(*homes, workers=8)) as bench:
        for one in homes:
            bench.store.faults[one.inverter_id] = StoreUnavailable("503", retry_after_s=30.0)
            bench.send(one.inverter_id, b"old")
            await bench.quiet()
        tried = len(bench.store.requests)
        for _ in range(10):
            await bench.sweep(2.9)
        early = len(bench.store.requests) - tried
        bench.store.faults.clear()
        for _ in range(20):
            await bench.sweep(6.0)
        await bench.quiet()

    assert tried == MOST_PUT_OFF
    assert early == 0
    assert all(bench.store.lines_of(one.inverter_id) == [b"old"] for one in homes)
    assert bench.spool.records == {}


async def test_a_lane_that_is_moved_while_it_waits_at_a_hanging_server_keeps_nobody_from_the_new_one() -> None:
    """Its turn at the old one ends after the move: the new one, which is parked, may be probed all the same."""
    stuck, moved, there = _at("one"), _at("one"), _at("two", BOB_LOGIN)
    async with at_work(Bench(stuck, moved, there, workers=1)) as bench:
        bench.store.faults[stuck.inverter_id] = hanging = asyncio.Event()
        bench.store.faults[there.inverter_id] = bench.store.faults[moved.inverter_id] = _silence()
        bench.send(stuck.inverter_id, b"stuck")
        await bench.sweep(0.0)
        bench.send(moved.inverter_id, b"moved")
        bench.send(there.inverter_id, b"there")
        await bench.sweep(HOLD_S)
        assert moved.destination is not None
        new = replace(moved, destination=replace(moved.destination, server="two"))
        bench.registry.set(stuck, new, there)
        for _ in range(3):
            await bench.sweep(6.0)
        hanging.set()
        await bench.sweep(0.0)
        bench.store.faults.clear()
        for _ in range(6):
            await bench.sweep(6.0)

    assert bench.store.lines_of(moved.inverter_id) == [b"moved"]
    assert bench.store.lines_of(there.inverter_id) == [b"there"]
    assert [server.replays for server in bench.writer.servers] == [0, 0]
