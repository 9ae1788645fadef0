"""Every answer of a store, and what becomes of the lines: written, kept, halved, refused, parked, replayed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID

import pytest

from bridge.batch import Parcel
from bridge.counters import Counters
from bridge.keeper import Keeper
from bridge.lanes import Limits
from bridge.refusals import Reason
from bridge.routes import Route
from bridge.writer import Writer
from schema.timeseries.port import BatchTooLarge, PointsRefused, StoreMisconfigured, StoreUnavailable
from tests.fakes import BOB_LOGIN, FakeRegistry, FakeSession, FakeSpool, FakeStore, FakeTime, route
from tests.waiting import until

pytestmark = pytest.mark.unit

HOLD_S = 2.0


class Bench:
    """A writer with everything around it faked; ``sweep`` moves the time and looks after the lanes."""

    def __init__(self, *routes: Route, workers: int = 4, spool: FakeSpool | None = None) -> None:
        self.session, self.store, self.time = FakeSession(), FakeStore(), FakeTime()
        self.spool = spool or FakeSpool()
        self.registry = FakeRegistry(*routes)
        self.counters = Counters()
        clock = self.time.clock()
        self.keeper = Keeper(self.spool, self.session, self.counters, clock)
        self.writer = Writer(
            store=self.store,
            registry=self.registry,
            keeper=self.keeper,
            spool=self.spool,
            counters=self.counters,
            clock=clock,
            limits=Limits(hold_s=HOLD_S, probe_s=5.0, workers=workers),
        )
        self.workers = workers

    def send(self, inverter_id: UUID, *lines: bytes) -> None:
        """Lines that each settle a message of their own."""
        parcels = [
            Parcel(
                inverter_id=inverter_id,
                line=line,
                tokens=[self.session.deliver("deye/x/y", line).token],
                since=self.time.seconds,
            )
            for line in lines
        ]
        self.writer.add(parcels)

    async def sweep(self, seconds: float = 0.1) -> None:
        """Let time pass and everything come to rest."""
        self.time.seconds += seconds
        self.writer.look_after()
        for _ in range(40):
            await asyncio.sleep(0)

    async def quiet(self) -> None:
        """Everything that was sent has found its end."""
        await until(lambda: not self.writer.pending and not self.keeper.pending)


@asynccontextmanager
async def at_work(bench: Bench) -> AsyncIterator[Bench]:
    """The workers and the keeper run."""
    await bench.writer.start()
    tasks = [asyncio.create_task(bench.writer.work()) for _ in range(bench.workers)]
    tasks.append(asyncio.create_task(bench.keeper.run()))
    yield bench
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _balanced(bench: Bench) -> bool:
    window = bench.session.window
    return window.received == window.settled + len(window) + window.dropped


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
    assert _balanced(bench)


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


async def test_a_destination_that_failed_is_parked_and_its_lines_come_later_in_order() -> None:
    """Kept at once, one probe after the pause, then everything, oldest first."""
    roof = route()
    async with at_work(Bench(roof)) as bench:
        bench.store.faults[roof.inverter_id] = StoreUnavailable("503")
        bench.send(roof.inverter_id, b"one")
        await bench.quiet()
        bench.send(roof.inverter_id, b"two", b"three")
        await bench.quiet()
        requests_while_parked = len(bench.store.requests)

        bench.store.faults.clear()
        await bench.sweep(1.0)
        await bench.quiet()

    assert requests_while_parked == 1
    assert bench.session.acknowledged == [1, 2, 3]
    assert bench.store.lines_of(roof.inverter_id) == [b"one", b"two", b"three"]
    assert bench.spool.records == {}
    assert bench.counters.lines_replayed == 3


async def test_the_stores_own_wish_is_honoured() -> None:
    """Retry-After: nothing is sent before it has passed."""
    roof = route()
    async with at_work(Bench(roof)) as bench:
        bench.store.faults[roof.inverter_id] = StoreUnavailable("429", retry_after_s=30.0)
        bench.send(roof.inverter_id, b"one")
        await bench.quiet()
        bench.store.faults.clear()

        await bench.sweep(29.0)
        early = list(bench.store.written)
        await bench.sweep(1.1)
        await bench.quiet()

    assert early == []
    assert bench.store.lines_of(roof.inverter_id) == [b"one"]


async def test_fresh_lines_go_before_kept_ones() -> None:
    """After an outage the owner sees now first, then the past."""
    roof = route()
    async with at_work(Bench(roof)) as bench:
        bench.store.faults[roof.inverter_id] = StoreUnavailable("503")
        bench.send(roof.inverter_id, b"old-1")
        await bench.quiet()
        bench.send(roof.inverter_id, *[b"old-%d" % number for number in range(2, 400)])
        await bench.quiet()
        bench.store.faults.clear()

        await bench.sweep(1.0)
        bench.send(roof.inverter_id, b"fresh")
        await until(lambda: b"fresh" in bench.store.lines_of(roof.inverter_id))
        kept_then = len(bench.spool.lines)
        for _ in range(20):
            await bench.sweep(1.0)
        await bench.quiet()

    assert kept_then > 0
    assert sorted(bench.store.lines_of(roof.inverter_id)) == sorted(
        [*(b"old-%d" % number for number in range(1, 400)), b"fresh"]
    )


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_refused_credential_is_fetched_again_once_and_nothing_is_lost(status: int) -> None:
    """Parked; a new token from the registry is tried without waiting for the pause."""
    roof = route(token="old")
    async with at_work(Bench(roof)) as bench:
        bench.store.faults[roof.inverter_id] = StoreMisconfigured("no", status=status)
        bench.send(roof.inverter_id, b"one")
        await bench.quiet()
        await bench.sweep(5.0)
        refetched = bench.registry.refetched
        requests_before = len(bench.store.requests)
        bench.store.faults.clear()

        assert roof.destination is not None
        bench.registry.set(replace(roof, destination=replace(roof.destination, token="new")))
        await bench.sweep()
        await bench.quiet()

    assert refetched == 1
    assert requests_before == 1
    assert [(destination.token, line) for destination, line in bench.store.written] == [("new", b"one")]


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
    assert _balanced(bench)


async def test_a_refused_point_among_kept_lines_is_found_too() -> None:
    """Replay halves like the fast path; the record goes when the letter is durable."""
    roof = route()
    async with at_work(Bench(roof)) as bench:
        bench.store.faults[roof.inverter_id] = StoreUnavailable("503")
        bench.send(roof.inverter_id, b"good-1", b"bad", b"good-2")
        await bench.quiet()
        bench.store.faults.clear()
        bench.store.refused_lines[b"bad"] = PointsRefused("field type conflict", status=422)

        await bench.sweep(1.0)
        await bench.quiet()

    assert bench.store.lines_of(roof.inverter_id) == [b"good-1", b"good-2"]
    assert [letter.payload for letter in bench.spool.letters] == [b"bad"]
    assert bench.spool.lines == []


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


async def test_an_inverter_without_a_place_is_kept_until_it_has_one() -> None:
    """Pairing works while provisioning does not."""
    roof = route(placed=False)
    async with at_work(Bench(roof)) as bench:
        bench.send(roof.inverter_id, b"one")
        await bench.quiet()
        acknowledged, kept = list(bench.session.acknowledged), list(bench.spool.lines)

        bench.registry.set(replace(roof, destination=route().destination))
        await bench.sweep()
        await bench.quiet()

    assert (acknowledged, kept) == ([1], [b"one"])
    assert [line for _, line in bench.store.written] == [b"one"]


async def test_what_an_earlier_process_kept_is_replayed() -> None:
    """The spool outlives the bridge."""
    roof = route()
    bench = Bench(roof)
    bench.store.faults[roof.inverter_id] = StoreUnavailable("503")
    async with at_work(bench):
        bench.send(roof.inverter_id, b"one", b"two")
        await bench.quiet()

    later = Bench(roof, spool=bench.spool)
    async with at_work(later):
        await later.sweep()
        await later.quiet()

    assert later.store.lines_of(roof.inverter_id) == [b"one", b"two"]
    assert later.spool.records == {}


async def test_a_full_spool_stops_acknowledging_and_loses_nothing() -> None:
    """The messages stay in the window; when there is room again they end."""
    roof = route()
    async with at_work(Bench(roof)) as bench:
        bench.spool.broken = True
        bench.store.faults[roof.inverter_id] = StoreUnavailable("503")
        bench.send(roof.inverter_id, b"one", b"two")
        await until(lambda: bench.counters.spool_failures >= 2)
        heard_before, held = list(bench.session.acknowledged), len(bench.session.window)

        bench.spool.broken = False
        await bench.quiet()

    assert (heard_before, held) == ([], 2)
    assert sorted(bench.session.acknowledged) == [1, 2]


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
    assert _balanced(bench)


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
