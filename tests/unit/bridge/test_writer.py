"""Every answer of a store, and what becomes of the lines: written, kept, halved, refused."""

import asyncio

import pytest

from bridge.refusals import Reason
from schema.timeseries.port import BatchTooLarge, PointsRefused
from tests.fakes import BOB_LOGIN, route
from tests.waiting import until
from tests.writer_bench import HOLD_S, Bench, at_work, balanced

pytestmark = pytest.mark.unit


async def test_a_line_is_acknowledged_after_the_store_has_it() -> None:
    """Not while the request is under way."""
    roof = route()
    answer = asyncio.Event()
    async with at_work(Bench(roof)) as bench:
        bench.store.faults[roof.inverter_id] = answer
        bench.send(roof.inverter_id, b"one")
        await bench.sweep()
        heard_before = list(bench.session.acknowledged)

        answer.set()
        await bench.quiet()

    assert heard_before == []
    assert bench.session.acknowledged == [1]
    assert bench.store.lines_of(roof.inverter_id) == [b"one"]


async def test_what_waits_while_a_request_is_under_way_goes_together() -> None:
    """One request at a time for each inverter; nothing waits while the store is idle."""
    roof = route()
    answer = asyncio.Event()
    async with at_work(Bench(roof)) as bench:
        bench.store.faults[roof.inverter_id] = answer
        bench.send(roof.inverter_id, b"one")
        await bench.sweep()
        bench.send(roof.inverter_id, b"two", b"three")
        await bench.sweep()
        requests_before = list(bench.store.requests)

        answer.set()
        await bench.quiet()

    assert requests_before == [(roof.inverter_id, 1)]
    assert bench.store.requests == [(roof.inverter_id, 1), (roof.inverter_id, 2)]


async def test_a_hanging_destination_does_not_hold_its_messages_for_long_nor_its_neighbours_at_all() -> None:
    """After the hold its lines are kept and acknowledged; when the answer comes at last, the copies are forgotten."""
    roof, barn = route(), route(BOB_LOGIN)
    answer = asyncio.Event()
    async with at_work(Bench(roof, barn)) as bench:
        bench.store.faults[roof.inverter_id] = answer
        bench.send(roof.inverter_id, b"one")
        bench.send(barn.inverter_id, b"two")
        await bench.sweep()
        neighbours = list(bench.session.acknowledged)
        await bench.sweep(HOLD_S)
        await until(lambda: len(bench.session.acknowledged) == 2)
        kept = list(bench.spool.lines)

        answer.set()
        await bench.quiet()

    assert neighbours == [2]
    assert kept == [b"one"]
    assert bench.spool.records == {}
    assert bench.store.lines_of(roof.inverter_id) == [b"one"]
    assert balanced(bench)


async def test_lines_that_come_while_a_request_hangs_are_kept_without_waiting() -> None:
    """The window must not fill for one destination."""
    roof = route()
    async with at_work(Bench(roof)) as bench:
        bench.store.faults[roof.inverter_id] = asyncio.Event()
        bench.send(roof.inverter_id, b"one")
        await bench.sweep()
        await bench.sweep(HOLD_S)

        bench.send(roof.inverter_id, b"two")
        await until(lambda: len(bench.session.acknowledged) == 2)

    assert bench.spool.lines == [b"one", b"two"]


async def test_a_refused_point_does_not_hold_back_its_neighbours() -> None:
    """The bad line is found by halving and becomes a dead letter; the others are stored."""
    roof = route()
    lines = [b"line-%d" % number for number in range(50)]
    async with at_work(Bench(roof)) as bench:
        bench.store.refused_lines[lines[33]] = PointsRefused("unable to parse", status=400)
        bench.send(roof.inverter_id, *lines)
        await bench.quiet()

    assert sorted(bench.store.lines_of(roof.inverter_id)) == sorted(line for line in lines if line != lines[33])
    assert [(letter.payload, letter.reason) for letter in bench.spool.letters] == [(lines[33], Reason.STORE_REFUSED)]
    assert len(bench.session.acknowledged) == 50
    assert balanced(bench)


async def test_a_request_that_is_too_large_is_halved() -> None:
    """Until it fits."""
    roof = route()
    lines = [b"%d" % number for number in range(20)]
    async with at_work(Bench(roof)) as bench:
        bench.store.largest, bench.store.too_large = 6, BatchTooLarge("413")
        bench.send(roof.inverter_id, *lines)
        await bench.quiet()

    assert bench.store.lines_of(roof.inverter_id) == lines
    assert [count for _, count in bench.store.requests] == [20, 10, 5, 5, 10, 5, 5]


async def test_copies_of_a_lost_connection_are_not_written() -> None:
    """The broker sends them again; an untimed reading would be stored twice."""
    roof = route()
    answer = asyncio.Event()
    async with at_work(Bench(roof)) as bench:
        bench.store.faults[roof.inverter_id] = answer
        bench.send(roof.inverter_id, b"under way")
        await bench.sweep()
        bench.send(roof.inverter_id, b"waiting")
        bench.session.lose_connection()
        answer.set()
        await bench.quiet()

    assert bench.store.lines_of(roof.inverter_id) == [b"under way"]
    assert bench.session.acknowledged == []
    assert balanced(bench)


async def test_a_fault_of_an_adapter_costs_no_line_and_no_worker() -> None:
    """An exception nobody expected parks the lane; the others go on."""
    roof, barn = route(), route(BOB_LOGIN)
    async with at_work(Bench(roof, barn, workers=1)) as bench:
        bench.store.faults[roof.inverter_id] = RuntimeError("a defect")  # type: ignore[assignment]  # that is the point
        bench.send(roof.inverter_id, b"one")
        bench.send(barn.inverter_id, b"two")
        await bench.quiet()

    assert bench.spool.lines == [b"one"]
    assert bench.store.lines_of(barn.inverter_id) == [b"two"]
    assert bench.counters.faults == 1


async def test_a_stop_amid_a_request_ends_in_order_while_more_waits_and_another_worker_is_idle() -> None:
    """The worker that is cancelled leaves its lane to the next one, and that is being cancelled too."""
    roof, barn = route(), route(BOB_LOGIN)
    async with at_work(Bench(roof, barn)) as bench:
        bench.store.faults[roof.inverter_id] = asyncio.Event()
        bench.send(roof.inverter_id, b"one")
        bench.send(barn.inverter_id, b"two")
        await bench.sweep()
        bench.send(roof.inverter_id, b"three")
        acknowledged = list(bench.session.acknowledged)

    assert acknowledged == [2]


async def test_lines_never_go_to_another_inverters_destination() -> None:
    """Each request carries one inverter's lines and that inverter's own destination."""
    roof, barn = route(), route(BOB_LOGIN)
    async with at_work(Bench(roof, barn, workers=2)) as bench:
        for number in range(30):
            bench.send(roof.inverter_id, b"roof-%d" % number)
            bench.send(barn.inverter_id, b"barn-%d" % number)
        await bench.quiet()

    assert all(
        destination == (roof if line.startswith(b"roof") else barn).destination
        for destination, line in bench.store.written
    )
    assert len(bench.store.written) == 60
