"""Destinations that fail are parked, and what was kept for them comes later: whole, in order, after fresh lines."""

import asyncio
from dataclasses import replace

import pytest

from schema.timeseries.port import PointsRefused, StoreMisconfigured, StoreUnavailable
from tests.fakes import route
from tests.waiting import until
from tests.writer_bench import Bench, at_work

pytestmark = pytest.mark.unit


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


async def test_a_lane_that_is_never_idle_is_drained_all_the_same() -> None:
    """A fresh line waits at every moment: it goes first each time, and kept ones go in between."""
    roof = route()
    async with at_work(Bench(roof)) as bench:
        bench.store.faults[roof.inverter_id] = StoreUnavailable("503")
        bench.send(roof.inverter_id, b"old-1", b"old-2")
        await bench.quiet()
        bench.store.faults.clear()
        await bench.sweep(1.0)
        await bench.quiet()
        bench.store.faults[roof.inverter_id] = StoreUnavailable("503")
        bench.send(roof.inverter_id, b"old-3")
        await bench.quiet()
        bench.store.faults.clear()
        bench.writer._lanes[roof.inverter_id].succeeded()
        for number in range(50):
            bench.send(roof.inverter_id, b"fresh-%d" % number)
            bench.time.seconds += 0.1
            bench.writer.look_after()
            await asyncio.sleep(0)
            bench.send(roof.inverter_id, b"more-%d" % number)
            await asyncio.sleep(0)

        drained = bench.spool.lines == []
        await bench.quiet()

    assert drained
    assert bench.store.lines_of(roof.inverter_id)[:2] == [b"old-1", b"old-2"]
    assert b"old-3" in bench.store.lines_of(roof.inverter_id)
