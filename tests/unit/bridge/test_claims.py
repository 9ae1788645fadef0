"""What waits for the database: first readings, new devices, logins nobody knows yet."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from bridge.claims import Claims
from bridge.counters import Counters
from bridge.keeper import Keeper
from bridge.lanes import Limits
from bridge.pipeline import Pipeline
from bridge.ports import Delivery, Raw
from bridge.receiver import Receiver
from bridge.refusals import Reason
from bridge.routes import Claim, Route
from bridge.writer import Writer
from tests.fakes import (
    ALICE_LOGIN,
    BOB_LOGIN,
    FakeLive,
    FakeRegistry,
    FakeSession,
    FakeSpool,
    FakeStore,
    FakeTime,
    route,
)
from tests.waiting import until

pytestmark = pytest.mark.unit

READING = f"deye/{ALICE_LOGIN}/reading"


class Bench:
    """The whole middle of the bridge, between a fake session and a fake store."""

    def __init__(self, *routes: Route, receive_maximum: int = 1000) -> None:
        self.session, self.spool, self.store, self.time = FakeSession(), FakeSpool(), FakeStore(), FakeTime()
        self.registry, self.live, self.counters = FakeRegistry(*routes), FakeLive(), Counters()
        clock = self.time.clock()
        self.keeper = Keeper(self.spool, self.session, self.counters, clock)
        self.writer = Writer(
            store=self.store,
            registry=self.registry,
            keeper=self.keeper,
            spool=self.spool,
            counters=self.counters,
            clock=clock,
            limits=Limits(hold_s=2.0, probe_s=5.0, workers=2),
        )
        self.claims = Claims(
            registry=self.registry, writer=self.writer, keeper=self.keeper, counters=self.counters, clock=clock
        )
        self.pipeline = Pipeline(
            directory=lambda: self.registry.directory,
            live=self.live,
            counters=self.counters,
            reading_max_bytes=16_384,
            monotonic=lambda: self.time.seconds,
        )
        self.receiver = Receiver(
            session=self.session,
            pipeline=self.pipeline,
            writer=self.writer,
            keeper=self.keeper,
            claims=self.claims,
            spool=self.spool,
            counters=self.counters,
            clock=clock,
            receive_maximum=receive_maximum,
        )

    def send(self, topic: str, *payloads: str) -> None:
        """Messages that arrive at once."""
        self.receiver.take([self.session.deliver(topic, payload) for payload in payloads])

    async def quiet(self) -> None:
        """Everything has found its end."""
        await until(lambda: not (self.claims.pending or self.writer.pending or self.keeper.pending))

    @property
    def reasons(self) -> list[Reason]:
        """Why messages were set aside."""
        return [letter.reason for letter in self.spool.letters]


@asynccontextmanager
async def at_work(bench: Bench) -> AsyncIterator[Bench]:
    """Writer, keeper and claims run."""
    loops = [bench.writer.work(), bench.keeper.run(), bench.claims.run(bench.receiver.take)]
    tasks = [asyncio.create_task(loop) for loop in loops]
    yield bench
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_the_first_reading_claims_before_it_is_acknowledged() -> None:
    """When the broker hears of it, the registry has it."""
    roof = route(claim=Claim.PENDING)
    async with at_work(Bench(roof)) as bench:
        bench.send(READING, '{"ac_power": 1}')
        await until(lambda: bool(bench.registry.claims))
        heard_at_claim = list(bench.session.acknowledged)
        await bench.quiet()

    assert heard_at_claim == []
    assert bench.session.acknowledged == [1]
    assert len(bench.store.lines_of(roof.inverter_id)) == 1


async def test_readings_that_come_while_a_claim_is_made_do_not_claim_again() -> None:
    """One claim for a feed."""
    roof = route(claim=Claim.PENDING)
    async with at_work(Bench(roof)) as bench:
        bench.send(READING, *['{"ac_power": 1}'] * 5)
        await bench.quiet()
        bench.send(READING, '{"ac_power": 1}')
        await bench.quiet()

    assert len(bench.registry.claims) == 1
    assert len(bench.store.lines_of(roof.inverter_id)) == 6


async def test_a_disputed_feed_writes_into_its_own_bucket() -> None:
    """Only the serial's name is contested."""
    roof = route(claim=Claim.PENDING)
    async with at_work(Bench(roof)) as bench:
        bench.registry.disputed.add(roof.inverter_id)
        bench.send(READING, '{"ac_power": 1}')
        await bench.quiet()
        bench.send(READING, '{"ac_power": 2}')
        await bench.quiet()

    assert len(bench.store.lines_of(roof.inverter_id)) == 2
    assert len(bench.registry.claims) == 1


async def test_of_two_devices_that_come_at_once_the_first_is_bound() -> None:
    """The second is judged again after the first one's claim, and refused."""
    roof = route()
    async with at_work(Bench(roof)) as bench:
        bench.send(READING, '{"ac_power": 1, "serial": "4100000001"}', '{"ac_power": 2, "serial": "4100000002"}')
        await bench.quiet()

    assert len(bench.store.lines_of(roof.inverter_id)) == 1
    assert bench.reasons == [Reason.ANOTHER_DEVICE]
    assert bench.registry.claims == [(roof.feed_id, "4100000001", "4100000001")]


async def test_while_the_database_is_away_a_first_reading_is_kept_and_the_next_one_claims() -> None:
    """Pairing is late, the reading is not lost."""
    roof = route(claim=Claim.PENDING)
    async with at_work(Bench(roof)) as bench:
        bench.registry.away = True
        bench.send(READING, '{"ac_power": 1}')
        await bench.quiet()
        kept = len(bench.spool.lines)
        bench.registry.away = False
        bench.send(READING, '{"ac_power": 2}')
        await bench.quiet()

    assert kept == 1
    assert len(bench.session.acknowledged) == 2
    assert len(bench.registry.claims) == 1


async def test_an_unknown_login_becomes_a_dead_letter_after_one_look_up() -> None:
    """Not found is an answer."""
    async with at_work(Bench()) as bench:
        bench.send(READING, '{"ac_power": 1}')
        await bench.quiet()

    assert bench.reasons == [Reason.UNKNOWN_LOGIN]
    assert bench.session.acknowledged == [1]


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


async def _replayed(bench: Bench) -> None:
    task = asyncio.create_task(bench.receiver.replay_raws())
    await until(lambda: bool(bench.store.written))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_half_a_window_of_waiting_scalars_leaves_at_once() -> None:
    """Cycles that wait must never fill the window, or nothing would come any more."""
    roof = route()
    async with at_work(Bench(roof, receive_maximum=10)) as bench:
        for number in range(5):
            bench.send(f"deye/{ALICE_LOGIN}/x/{number}", "1")
        await bench.quiet()

    assert len(bench.session.acknowledged) == 5


async def test_a_message_the_code_fails_on_costs_no_neighbour() -> None:
    """It becomes a dead letter that says the fault is ours."""
    roof, barn = route(), route(BOB_LOGIN, serial="2722222222")

    class Broken(FakeLive):
        def reading(self, inverter_id, reading, at) -> None:  # type: ignore[no-untyped-def]  # raises before it matters
            if inverter_id == roof.inverter_id:
                raise ZeroDivisionError
            super().reading(inverter_id, reading, at)

    bench = Bench(roof, barn)
    bench.pipeline._live = Broken()
    async with at_work(bench):
        deliveries: Sequence[Delivery] = [
            bench.session.deliver(READING, '{"ac_power": 1}'),
            bench.session.deliver(f"deye/{ALICE_LOGIN}/day_energy", "1"),
            bench.session.deliver(f"deye/{BOB_LOGIN}/reading", '{"ac_power": 2}'),
        ]
        bench.receiver.take(deliveries)
        bench.receiver.flush()
        await bench.quiet()

    assert bench.reasons == [Reason.NOT_UNDERSTOOD, Reason.NOT_UNDERSTOOD]
    assert len(bench.store.lines_of(barn.inverter_id)) == 1
    assert sorted(bench.session.acknowledged) == [1, 2, 3]
    assert bench.counters.faults == 2
