"""What waits for the database: first readings and new devices."""

import asyncio
from collections.abc import Sequence
from functools import partial

import pytest

from bridge.kept import Line
from bridge.patience import AWAY_S, PATIENCE_S
from bridge.ports import Delivery
from bridge.refusals import Reason
from bridge.routes import Claim
from tests.claims_bench import Bench, at_work
from tests.fakes import ALICE_LOGIN, BOB_LOGIN, FakeLive, route
from tests.waiting import until

pytestmark = pytest.mark.unit

READING = f"deye/{ALICE_LOGIN}/reading"


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


@pytest.mark.parametrize("held_elsewhere", [True, False])
async def test_a_serial_is_answered_the_same_whoever_else_has_it(*, held_elsewhere: bool) -> None:
    """Stored, bound, one notice: who tries serials out learns nothing. Only the alias is withheld, and counted."""
    roof = route()
    async with at_work(Bench(roof)) as bench:
        bench.registry.held_elsewhere = {"4100000001"} if held_elsewhere else set()
        for _ in range(3):
            bench.send(READING, '{"ac_power": 1, "serial": "4100000001"}')
            await bench.quiet()
        bench.send(READING, '{"ac_power": 2, "serial": "4100000002"}')
        await bench.quiet()

    assert len(bench.store.lines_of(roof.inverter_id)) == 3
    assert [reason for _, reason, _ in bench.live.refusals] == [Reason.OTHER_SERIAL, Reason.ANOTHER_DEVICE]
    assert bench.reasons == [Reason.ANOTHER_DEVICE]
    assert bench.counters.aliases_withheld == held_elsewhere


async def test_while_the_database_is_away_a_first_reading_is_kept_and_the_next_one_claims() -> None:
    """Pairing is late, the reading is not lost."""
    roof = route(claim=Claim.PENDING)
    async with at_work(Bench(roof)) as bench:
        bench.registry.away = True
        bench.send(READING, '{"ac_power": 1}')
        await bench.quiet()
        kept = len(bench.spool.lines)
        bench.registry.away = False
        bench.time.seconds += AWAY_S
        bench.send(READING, '{"ac_power": 2}')
        await bench.quiet()

    assert kept == 1
    assert len(bench.session.acknowledged) == 2
    assert len(bench.registry.claims) == 1


async def test_a_database_that_cannot_be_asked_is_not_asked_for_every_message() -> None:
    """Each question may take seconds. One is enough to know; what comes soon after it is kept unasked."""
    silence_s = 5.0
    roof = route(claim=Claim.PENDING)
    async with at_work(Bench(roof)) as bench:
        bench.registry.away = True
        bench.registry.thinks = partial(bench.time.sleep, silence_s)
        for _ in range(4):
            bench.send(READING, *['{"ac_power": 1}'] * 50)
            bench.send(f"deye/{BOB_LOGIN}/reading", '{"ac_power": 1}')
            await bench.quiet()
        asked_at_first, waited_s = bench.registry.asked, bench.time.seconds

        bench.time.seconds += silence_s
        bench.send(f"deye/{BOB_LOGIN}/reading", '{"ac_power": 1}')
        await bench.quiet()

    assert (asked_at_first, waited_s) == (1, silence_s)
    assert bench.registry.asked == 2
    assert len(bench.session.acknowledged) == 205


async def test_nobody_waits_behind_a_question_that_takes_too_long() -> None:
    """The window belongs to all: what comes while the database thinks is kept, and so is what waits already."""
    roof = route(claim=Claim.PENDING)
    answer = asyncio.Event()
    async with at_work(Bench(roof)) as bench:
        bench.registry.thinks = answer.wait
        bench.send(READING, *['{"ac_power": 1}'] * 20)
        bench.send(f"deye/{BOB_LOGIN}/reading", '{"ac_power": 1}')
        await until(lambda: bench.registry.asked == 1)
        held_at_first = len(bench.session.window)
        bench.time.seconds += PATIENCE_S
        bench.send(READING, '{"ac_power": 1}')
        await until(lambda: not bench.keeper.pending)
        held, kept = len(bench.session.window), len(bench.spool.records)

        answer.set()
        await bench.quiet()

    assert held_at_first == 21
    assert (held, kept) == (1, 21)
    assert bench.registry.asked == 1
    assert len(bench.session.acknowledged) == 22
    assert len(bench.store.lines_of(roof.inverter_id)) == 1


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
    bench.pipeline._sieve._live = Broken()
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


async def test_while_the_database_is_away_a_feed_has_the_device_that_spoke_first() -> None:
    """A second one must not get into its curve by way of the spool; the first one has it when the database is back,
    whoever speaks then.
    """
    roof = route()
    async with at_work(Bench(roof)) as bench:
        bench.registry.away = True
        bench.send(READING, '{"ac_power": 1, "serial": "2711111111"}')
        await bench.quiet()
        bench.send(READING, '{"ac_power": 2, "serial": "2722222222"}')
        bench.send(READING, '{"ac_power": 3, "serial": "2711111111"}')
        await bench.quiet()
        kept = [entry.line for entry in bench.spool.records.values() if isinstance(entry, Line)]
        bench.registry.away = False
        bench.time.seconds += AWAY_S
        bench.send(READING, '{"ac_power": 4, "serial": "2722222222"}')
        await bench.quiet()
        bench.send(READING, '{"ac_power": 5, "serial": "2711111111"}')
        await bench.quiet()

    assert [line.split(b"ac_power=")[1][:3] for line in kept] == [b"1.0", b"3.0"]
    assert [key for _, key, _ in bench.registry.claims] == ["2711111111"]
    assert [letter.payload for letter in bench.spool.letters] == [
        b'{"ac_power": 2, "serial": "2722222222"}',
        b'{"ac_power": 4, "serial": "2722222222"}',
    ]
    assert [line.split(b"ac_power=")[1][:3] for line in bench.store.lines_of(roof.inverter_id)] == [b"5.0"]
