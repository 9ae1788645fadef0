"""Untimed messages of an outage on a real spool file: kept, spread, and the same again after a crash at any point."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from bridge.refusals import Reason
from bridge.routes import Claim
from tests.backlog_process import HOUR, cycles, process
from tests.fakes import ALICE_LOGIN, BOB_LOGIN, NOON, FakeRegistry, route
from tests.waiting import until

pytestmark = pytest.mark.integration


async def test_cycles_of_an_outage_are_spread_over_it_and_flagged(tmp_path: Path) -> None:
    """Four cycles in an hour: one for each quarter, in the middle of it."""
    roof = route()
    async with process(tmp_path / "spool.db", FakeRegistry(roof)) as one:
        cycles(one.send, ALICE_LOGIN, 4)
        one.spreading.marker()
        await one.nothing_left()
        points = await one.points(roof)

    assert points == [
        (
            NOON + timedelta(minutes=7.5 + 15 * number),
            {"ac_power": float(number), "day_energy": 1.5, "time_estimated": 1},
        )
        for number in range(4)
    ]
    assert one.counters.outcomes == {"spooled": 8, "not_a_reading": 4}
    assert len(one.session.window) == 0
    assert one.spooled == {roof.inverter_id: 4}


async def test_nothing_is_written_before_the_backlog_has_ended(tmp_path: Path) -> None:
    """How many cycles there are is known only then; the messages are acknowledged all the same."""
    roof = route()
    async with process(tmp_path / "spool.db", FakeRegistry(roof)) as one:
        cycles(one.send, ALICE_LOGIN, 2)
        await one.durable()
        points, in_window = await one.points(roof), len(one.session.window)

    assert points == []
    assert in_window == 0


async def test_documents_with_a_time_of_their_own_go_the_normal_way(tmp_path: Path) -> None:
    """And untimed ones between them do not."""
    async with process(tmp_path / "spool.db", FakeRegistry(route())) as one:
        timed = one.send(f"deye/{ALICE_LOGIN}/reading", '{"ac_power": 1.5, "time": "2026-06-01T12:30:00Z"}')
        untimed = one.send(f"deye/{ALICE_LOGIN}/reading", '{"ac_power": 2.5}')
        await one.durable()

    assert (len(timed.parcels), len(timed.untimed)) == (1, 0)
    assert (len(untimed.parcels), len(untimed.untimed)) == (0, 1)


@pytest.mark.parametrize("turns", range(6))
async def test_a_crash_at_any_point_of_the_spreading_leads_to_the_same_points(tmp_path: Path, turns: int) -> None:
    """Two inverters, killed before each transaction in turn: every cycle once, at the time it would have had."""
    roof, barn = route(), route(BOB_LOGIN, serial="2722222222")
    registry = FakeRegistry(roof, barn)
    path = tmp_path / "spool.db"
    async with process(path, registry, dies_after=turns) as one:
        cycles(one.send, ALICE_LOGIN, 700)
        cycles(one.send, BOB_LOGIN, 3)
        one.spreading.marker()
        await one.durable()
        await until(lambda: one.kept.turns < 0 or not one.spreading.busy)
    async with process(path, registry) as other:
        await other.nothing_left()
        hers, his = await other.points(roof), await other.points(barn)

    step = HOUR / 700
    assert [values["ac_power"] for _, values in hers] == [float(number) for number in range(700)]
    assert all(
        abs(at - (NOON + step * (number + 0.5))) < timedelta(milliseconds=1) for number, (at, _) in enumerate(hers)
    )
    assert [at for at, _ in his] == [NOON + timedelta(minutes=10 + 20 * number) for number in range(3)]


async def test_a_crash_before_the_marker_loses_nothing_and_goes_on_in_the_same_outage(tmp_path: Path) -> None:
    """What was acknowledged is on the disk, the rest comes again from the broker."""
    roof = route()
    registry, path = FakeRegistry(roof), tmp_path / "spool.db"
    async with process(path, registry) as one:
        cycles(one.send, ALICE_LOGIN, 2)
        await one.durable()
    async with process(path, registry) as other:
        other.connected_at = NOON + 2 * HOUR
        cycles(other.send, ALICE_LOGIN, 2)
        other.spreading.marker()
        await other.nothing_left()
        points = await other.points(roof)

    assert [at for at, _ in points] == [NOON + timedelta(minutes=15 + 30 * number) for number in range(4)]


@pytest.mark.parametrize("killed", [True, False], ids=["the bridge ended", "the connection ended"])
async def test_what_the_broker_repeats_is_not_kept_twice(tmp_path: Path, killed: bool) -> None:
    """Committed and not acknowledged: packet ids 4 to 8 come again, of which the last was never committed; another
    message of an old packet id is another message.
    """
    roof = route()
    registry, path = FakeRegistry(roof), tmp_path / "spool.db"
    power, day = f"deye/{ALICE_LOGIN}/ac/active_power", f"deye/{ALICE_LOGIN}/day_energy"
    sent = [(topic, f"{number}.0") for number in range(4) for topic in (power, day)]
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(process(path, registry))
        for topic, payload in sent[:7]:
            one.send(topic, payload)
        await one.durable()
        if killed:
            one = await stack.enter_async_context(process(path, registry))
        else:
            one.session.lose_connection()
            one.connected_at = NOON + HOUR + timedelta(seconds=30)
        for number, (topic, payload) in enumerate(sent[3:], 4):
            one.send(topic, payload, again=number)
        one.send(power, "0.0", again=3)
        one.spreading.marker()
        await one.nothing_left()
        points = [values for _, values in await one.points(roof)]

    assert [(values.get("ac_power"), values.get("day_energy")) for values in points] == [
        *((float(number), float(number)) for number in range(4)),
        (0.0, None),
    ]
    assert len(one.session.window) == 0


async def test_a_source_that_waits_is_not_taken_up_twice_when_another_ones_disk_was_full(tmp_path: Path) -> None:
    """The database takes its time with Bob's claim; Alice's lines find no room meanwhile and are tried again."""
    roof, barn = route(), route(BOB_LOGIN, serial="2722222222", claim=Claim.PENDING)
    registry = FakeRegistry(roof, barn)
    answers = asyncio.Event()
    registry.thinks = answers.wait
    async with process(tmp_path / "spool.db", registry) as one:
        one.kept.failing = 1
        for login, watts in ((ALICE_LOGIN, "1.0"), (BOB_LOGIN, "2.0"), (BOB_LOGIN, "99999999")):
            one.send(f"deye/{login}/ac/active_power", watts)
        one.spreading.marker()
        await until(lambda: registry.asked and not one.kept.failing)
        # Long enough for the next round: its pause is none on this clock.
        await one.kept.closed()
        for _ in range(100):
            await one.kept.sources(1, "", 1)
        asked = registry.asked
        answers.set()
        await one.nothing_left()
        (letters,) = await one.spool.run(
            lambda file: file.connection.execute("SELECT sum(count) FROM trouble").fetchone()
        )
        lines = [len(await one.points(paired)) for paired in (roof, barn)]

    assert (asked, lines, letters) == (1, [1, 1], 1)
    assert one.spooled == {roof.inverter_id: 1, barn.inverter_id: 1}


async def test_the_first_reading_of_a_feed_claims_it_before_others_are_judged(tmp_path: Path) -> None:
    """The second device on one feed is refused as it would have been live."""
    pending = route(claim=Claim.PENDING)
    registry = FakeRegistry(pending)
    async with process(tmp_path / "spool.db", registry) as one:
        one.send(f"deye/{ALICE_LOGIN}/114180000001/0/power", "1.0")
        one.send(f"deye/{ALICE_LOGIN}/114180000002/0/power", "2.0")
        one.spreading.marker()
        await one.nothing_left()
        points = await one.points(pending)

    assert [values["ac_power"] for _, values in points] == [1.0]
    assert len(registry.claims) == 1
    assert one.counters.refusals[Reason.ANOTHER_DEVICE] >= 1


async def test_while_the_database_is_away_a_claim_waits_and_others_go_on(tmp_path: Path) -> None:
    """Nothing of it is lost."""
    pending, barn = route(claim=Claim.PENDING), route(BOB_LOGIN, serial="2722222222")
    registry = FakeRegistry(pending, barn)
    registry.away = True
    async with process(tmp_path / "spool.db", registry) as one:
        cycles(one.send, ALICE_LOGIN, 1)
        cycles(one.send, BOB_LOGIN, 1)
        one.spreading.marker()
        await one.durable()
        await until(lambda: barn.inverter_id in one.spooled)
        meanwhile = await one.points(pending)
        registry.away = False
        await one.nothing_left()
        points = await one.points(pending)

    assert meanwhile == []
    assert len(points) == 1


async def test_a_login_that_was_withdrawn_meanwhile_gets_dead_letters(tmp_path: Path) -> None:
    """What it sent is not stored, and not lost without a word."""
    roof = route()
    registry = FakeRegistry(roof)
    async with process(tmp_path / "spool.db", registry) as one:
        cycles(one.send, ALICE_LOGIN, 1)
        await one.durable()
        registry.set()
        one.spreading.marker()
        await one.nothing_left()
        points = await one.points(roof)
        letters = await one.spool.run(lambda file: file.connection.execute("SELECT reason FROM letter").fetchall())

    assert points == []
    assert letters == [(Reason.UNKNOWN_LOGIN.value,)] * 2


async def test_a_damaged_message_is_put_aside_and_the_others_are_spread(tmp_path: Path) -> None:
    """A flipped bit must not become a reading, nor keep the next process from its start."""
    roof = route()
    async with process(tmp_path / "spool.db", FakeRegistry(roof)) as one:
        cycles(one.send, ALICE_LOGIN, 2)
        await one.durable()
        await one.spool.run(lambda file: file.connection.execute("UPDATE untimed SET payload='9' WHERE id=1"))
        known = await one.kept.known(10)
        one.spreading.marker()
        await one.nothing_left()
        points = await one.points(roof)

    assert [values.get("ac_power") for _, values in points] == [None, 1.0]
    assert one.counters.records_damaged == 1
    assert len(known.last) == 3


async def test_a_small_spool_takes_a_long_backlog_in_parts(tmp_path: Path) -> None:
    """Ten times what fits: the first half of the time is spread while the rest still comes, nothing waits for ever."""
    roof = route()
    async with process(tmp_path / "spool.db", FakeRegistry(roof), max_bytes=400_000) as one:
        for number in range(50):
            cycles(one.send, ALICE_LOGIN, 100)
            await one.durable()
            kept = await one.spool.oldest_lines(roof.inverter_id, lines=10_000, size=10**9)
            await one.spool.commit([], [line.record for line in kept])
            assert number >= 0
        one.spreading.marker()
        await one.nothing_left()

    assert one.spooled == {roof.inverter_id: 5_000}
    assert one.counters.outcomes["spooled"] == 10_000


async def test_a_line_takes_the_place_of_its_messages(tmp_path: Path) -> None:
    """Nothing of the backlog stays on the disk beside what it became."""
    roof = route()
    async with process(tmp_path / "spool.db", FakeRegistry(roof)) as one:
        cycles(one.send, ALICE_LOGIN, 3)
        one.spreading.marker()
        await one.nothing_left()
        left = await one.spool.run(lambda file: file.connection.execute("SELECT count(*) FROM untimed").fetchone())
        lines = await one.spool.oldest_lines(roof.inverter_id, lines=10, size=10**6)

    assert left == (0,)
    assert len(lines) == 3
