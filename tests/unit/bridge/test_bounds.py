"""What bounds the spool and the requests: shares, refusals without end, deleted inverters, a spool that is full."""

import pytest
import structlog

from bridge.keeper import Outcome
from bridge.refusals import Reason
from bridge.replay import ABSENT_FOR_S
from bridge.sender import MOST_REQUESTS
from schema.timeseries.port import PointsRefused, StoreMisconfigured, StoreUnavailable
from tests.fake_spool import FakeSpool
from tests.fakes import BOB_LOGIN, route
from tests.waiting import until
from tests.writer_bench import Bench, at_work, balanced

pytestmark = pytest.mark.unit


async def test_a_destination_keeps_no_more_than_its_share_and_its_neighbour_keeps_all() -> None:
    """What is beyond is counted durably, shown to its owner and acknowledged; room that is made is used again."""
    roof, barn = route(), route(BOB_LOGIN)
    async with at_work(Bench(roof, barn, share_bytes=100)) as bench:
        for one in (roof, barn):
            bench.store.faults[one.inverter_id] = StoreUnavailable("503")
        bench.send(roof.inverter_id, *[b"%010d" % number for number in range(15)])
        bench.send(barn.inverter_id, b"his")
        await bench.quiet()
        outcomes = dict(bench.counters.outcomes)
        bench.store.faults.clear()
        for _ in range(3):
            await bench.sweep(6.0)
            await bench.quiet()
        bench.store.faults[roof.inverter_id] = StoreUnavailable("503")
        bench.send(roof.inverter_id, b"%010d" % 99)
        await bench.quiet()

    assert outcomes == {Outcome.SPOOLED: 11, Outcome.OVER_QUOTA: 5}
    assert bench.spool.tallies == {("", Reason.SPOOL_SHARE): 5}
    assert {(inverter_id, reason) for inverter_id, reason, _ in bench.live.refusals} == {
        (roof.inverter_id, Reason.SPOOL_SHARE)
    }
    assert len(bench.store.lines_of(roof.inverter_id)) == 10
    assert bench.spool.lines == [b"%010d" % 99]
    assert balanced(bench)


async def test_the_share_counts_what_an_earlier_process_kept() -> None:
    """A restart is no way round it."""
    roof = route()
    first = Bench(roof, share_bytes=100)
    first.store.faults[roof.inverter_id] = StoreUnavailable("503")
    async with at_work(first):
        first.send(roof.inverter_id, b"x" * 90)
        await first.quiet()

    second = Bench(roof, share_bytes=100, spool=first.spool)
    second.store.faults[roof.inverter_id] = StoreUnavailable("503")
    async with at_work(second):
        second.send(roof.inverter_id, b"y" * 90)
        await second.quiet()

    assert second.counters.outcomes == {Outcome.OVER_QUOTA: 1}


async def test_a_store_that_refuses_every_line_is_asked_ever_more_slowly() -> None:
    """A thousand bad lines: so many requests at a time, then a pause that grows; in the end all are dead letters."""
    roof = route()
    lines = [b"bad-%d" % number for number in range(1_000)]
    async with at_work(Bench(roof)) as bench:
        bench.store.refused_lines.update(dict.fromkeys(lines, PointsRefused("no", status=400)))
        bench.send(roof.inverter_id, *lines)
        await bench.quiet()
        first_turn = len(bench.store.requests)
        for _ in range(20):
            await bench.sweep(0.1)
            await bench.quiet()
        two_seconds = len(bench.store.requests)
        for _ in range(1_000):
            await bench.sweep(6.0)
        await bench.quiet()

    assert first_turn <= MOST_REQUESTS + 1
    assert two_seconds <= 5 * MOST_REQUESTS
    assert len(bench.spool.letters) == 1_000
    assert bench.spool.lines == []
    assert len(bench.session.acknowledged) == 1_000


async def test_three_bad_lines_in_five_thousand_cost_their_neighbours_nothing() -> None:
    """All others are stored, over several turns if need be."""
    roof = route()
    lines = [b"line-%d" % number for number in range(5_000)]
    bad = {lines[17], lines[2_500], lines[4_999]}
    async with at_work(Bench(roof)) as bench:
        bench.store.refused_lines.update(dict.fromkeys(bad, PointsRefused("type conflict", status=422)))
        bench.send(roof.inverter_id, *lines)
        for _ in range(400):
            await bench.sweep(6.0)
        await bench.quiet()

    assert sorted(bench.store.lines_of(roof.inverter_id)) == sorted(set(lines) - bad)
    assert {letter.payload for letter in bench.spool.letters} == bad
    assert bench.spool.lines == []


async def test_a_credential_that_is_refused_after_an_outage_is_fetched_again_too() -> None:
    """503 first, then 401 at the probe: the outage before is no reason not to ask."""
    roof = route()
    async with at_work(Bench(roof)) as bench:
        bench.store.faults[roof.inverter_id] = StoreUnavailable("503")
        bench.send(roof.inverter_id, b"one")
        await bench.quiet()
        bench.store.faults[roof.inverter_id] = StoreMisconfigured("unauthorized", status=401)
        for _ in range(3):
            await bench.sweep(61.0)
            await bench.quiet()

    assert bench.registry.refetched == 1


async def test_lines_of_a_deleted_inverter_are_dropped_and_counted_once_the_database_says_so() -> None:
    """Not while it cannot be asked, and not for an inverter that has only no place."""
    roof, barn = route(placed=False), route(BOB_LOGIN, placed=False)
    async with at_work(Bench(roof, barn)) as bench:
        bench.send(roof.inverter_id, b"one", b"two")
        bench.send(barn.inverter_id, b"his")
        await bench.quiet()
        bench.registry.set(barn)
        bench.registry.deleted.add(roof.inverter_id)
        await bench.sweep()
        bench.registry.away = True
        await bench.sweep(ABSENT_FOR_S)
        await bench.writer._replay.drop_deleted()
        while_away = len(bench.spool.lines)
        bench.registry.away = False
        await bench.writer._replay.drop_deleted()
        await bench.sweep()

    assert while_away == 3
    assert bench.spool.lines == [b"his"]
    assert bench.spool.tallies == {("", Reason.INVERTER_DELETED): 2}
    assert [lane.inverter_id for lane in bench.writer.lanes] == [barn.inverter_id]


class _Small(FakeSpool):
    """Room for so many lines; what is forgotten in a transaction that fails is not forgotten."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    async def commit(self, entries, forgotten):  # type: ignore[no-untyped-def]  # as in the fake
        left = len(self.records) - len(set(forgotten) & set(self.records))
        self.broken = bool(entries) and left + len(entries) > self.room
        return await super().commit(entries, forgotten)


async def test_a_full_spool_that_is_being_emptied_takes_lines_again() -> None:
    """More waits than there is room for: what the store has meanwhile taken makes room all the same, bit by bit."""
    roof = route()
    async with at_work(Bench(roof, spool=_Small(room=10))) as bench:
        bench.store.faults[roof.inverter_id] = StoreUnavailable("503")
        bench.send(roof.inverter_id, *[b"%d" % number for number in range(10)])
        await bench.quiet()
        bench.send(roof.inverter_id, *[b"%d" % number for number in range(10, 100)])
        await until(lambda: bench.counters.spool_failures > 0)
        acknowledged_while_full = len(bench.session.acknowledged)
        bench.store.faults.clear()
        for _ in range(200):
            await bench.sweep(1.0)
        await bench.quiet()
        for _ in range(20):
            await bench.sweep(1.0)

    assert acknowledged_while_full == 10
    assert len(bench.session.acknowledged) == 100
    assert sorted(bench.store.lines_of(roof.inverter_id), key=int) == [b"%d" % number for number in range(100)]
    assert bench.spool.lines == []


async def test_a_spool_that_cannot_be_written_is_said_once_a_minute() -> None:
    """It is tried every second; and the log says when it is over."""
    roof = route()
    with structlog.testing.capture_logs() as logs:
        async with at_work(Bench(roof)) as bench:
            bench.spool.broken = True
            bench.store.faults[roof.inverter_id] = StoreUnavailable("503")
            bench.send(roof.inverter_id, b"one")
            await until(lambda: bench.counters.spool_failures >= 150)
            bench.spool.broken = False
            await bench.quiet()

    said = [entry["event"] for entry in logs if entry["event"].startswith("spool.")]
    assert 2 <= said.count("spool.unavailable") <= bench.counters.spool_failures / 60 + 1
    assert said[-1] == "spool.back"
