"""What the spool has of a lane is counted right, and a refused line is one dead letter, whatever happens on the way."""

import asyncio

import pytest

from bridge.kept import Letter, Line
from bridge.routes import Route
from schema.timeseries.port import PointsRefused, StoreUnavailable
from tests.fakes import route
from tests.waiting import until
from tests.writer_bench import HOLD_S, Bench, at_work

pytestmark = pytest.mark.unit

_REFUSED = PointsRefused("field type conflict", status=422)


async def _kept(bench: Bench, roof: Route, *lines: bytes) -> None:
    """These lines lie in the spool, and the store is back."""
    bench.store.faults[roof.inverter_id] = StoreUnavailable("503")
    bench.send(roof.inverter_id, *lines)
    await bench.quiet()
    bench.store.faults.clear()


async def _refused_late(bench: Bench, roof: Route) -> asyncio.Event:
    """The store refuses a line after it was held for too long, while it is being kept; set the event to go on."""
    bench.store.refused_lines[b"bad"] = _REFUSED
    bench.store.faults[roof.inverter_id] = answers = asyncio.Event()
    bench.spool.hold = disk = asyncio.Event()
    bench.send(roof.inverter_id, b"bad")
    await bench.sweep(0.0)
    await bench.sweep(HOLD_S)
    answers.set()
    await bench.sweep(0.0)
    return disk


async def test_a_refused_line_is_not_sent_again_while_its_letter_is_on_its_way() -> None:
    """A slow disk: each look at the spool finds the record still. One letter all the same, and the others go on."""
    roof = route()
    async with at_work(Bench(roof)) as bench:
        await _kept(bench, roof, b"bad", b"good")
        before = len(bench.store.requests)
        bench.store.refused_lines[b"bad"] = _REFUSED
        bench.spool.hold = disk = asyncio.Event()
        for _ in range(5):
            await bench.sweep(1.0)
        requests = len(bench.store.requests) - before
        disk.set()
        await bench.quiet()

    assert requests == 3, "both together, then each alone"
    assert [letter.payload for letter in bench.spool.letters] == [b"bad"]
    assert bench.store.lines_of(roof.inverter_id) == [b"good"]
    assert bench.spool.lines == []


async def test_a_record_goes_in_the_very_commit_that_keeps_its_letter() -> None:
    """After a kill in between it would be refused, and counted, once more."""
    roof = route()
    async with at_work(Bench(roof)) as bench:
        await _kept(bench, roof, b"bad")
        (record,) = bench.spool.records
        bench.store.refused_lines[b"bad"] = _REFUSED
        await bench.sweep(1.0)
        await bench.quiet()

    commits = [forgotten for entries, forgotten in bench.spool.log if any(isinstance(one, Letter) for one in entries)]
    assert commits == [[record]]


async def test_a_line_that_is_refused_while_it_is_being_kept_stays_until_its_letter_is_kept() -> None:
    """The spool gets full just then: what is forgotten makes room, but not what has no other home yet."""
    roof = route()
    async with at_work(Bench(roof)) as bench:
        disk = await _refused_late(bench, roof)
        bench.spool.commits_left = 1
        disk.set()
        await until(lambda: bench.counters.spool_failures >= 3)
        meanwhile = list(bench.spool.records.values())

        bench.spool.commits_left = None
        await bench.quiet()
        await bench.sweep(0.0)

    assert [type(entry) for entry in meanwhile] == [Line]
    assert [type(entry) for entry in bench.spool.records.values()] == [Letter]
    assert list(bench.writer.lanes) == []


async def test_each_line_that_leaves_the_spool_is_counted_off_once() -> None:
    """One is refused while it is being kept, another one waits behind it: that one is looked after still."""
    roof = route()
    async with at_work(Bench(roof)) as bench:
        disk = await _refused_late(bench, roof)
        bench.store.faults[roof.inverter_id] = StoreUnavailable("503")
        bench.send(roof.inverter_id, b"other")
        disk.set()
        await bench.quiet()
        (lane,) = bench.writer.lanes
        counted, there = (lane.spooled, lane.weight), bench.spool.lines

    assert there == [b"other"]
    assert counted == (1, len(b"other"))


async def test_copies_of_a_lost_connection_take_nothing_of_the_share() -> None:
    """Else the share would shrink with each reconnect of an outage, until nothing of that inverter is kept any more."""
    roof = route()
    async with at_work(Bench(roof, share_bytes=100)) as bench:
        bench.store.faults[roof.inverter_id] = StoreUnavailable("503")
        for _ in range(3):
            bench.spool.hold = disk = asyncio.Event()
            bench.send(roof.inverter_id, b"before")
            await bench.sweep(0.0)
            bench.send(roof.inverter_id, bytes(40))
            bench.session.lose_connection()
            disk.set()
            await bench.quiet()
        bench.send(roof.inverter_id, bytes(40))
        await bench.quiet()
        (lane,) = bench.writer.lanes

    assert bench.spool.lines[-1] == bytes(40)
    assert not bench.spool.tallies
    assert lane.landing == 0
    assert lane.weight == sum(map(len, bench.spool.lines))


async def test_copies_of_lost_connections_do_not_pile_up_while_the_disk_is_full() -> None:
    """Each reconnect brings the whole window again."""
    roof = route()
    async with at_work(Bench(roof)) as bench:
        bench.store.faults[roof.inverter_id] = StoreUnavailable("503")
        bench.spool.broken = True
        for _ in range(5):
            bench.send(roof.inverter_id, *[b"%d" % number for number in range(20)])
            failures = bench.counters.spool_failures
            await until(lambda failures=failures: bench.counters.spool_failures >= failures + 2)  # type: ignore[misc]
            bench.session.lose_connection()
        failures = bench.counters.spool_failures
        await until(lambda: bench.counters.spool_failures >= failures + 2 or not bench.keeper.pending)

        assert bench.counters.dropped_copies == 100
        assert not bench.keeper.pending
