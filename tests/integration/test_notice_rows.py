"""Tripwires on real parts: what Mosquitto's log and payloads tell becomes a notice, and in clear cases a quarantine."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from paho.mqtt.enums import MQTTProtocolVersion
from sqlalchemy import delete, select, update

from bridge.app import Bridge
from bridge.clock import Clock
from bridge.counters import Counters
from bridge.edges.notice_rows import AGAIN_S, NoticeRows
from bridge.tripwires import Trip, Wire
from bridge.tripwires.flapping import FAST_TIMES, TURNS
from bridge.tripwires.log_ins import TIMES as LOG_INS
from bridge.tripwires.power import FOR, IN_A_ROW
from bridge.tripwires.power import TIMES as POWERS
from schema.changes import registry_changed, registry_version
from schema.models import Inverter, LetterAction, Login, Notice, NoticeKind, Owner, Rung
from schema.verifiers import new_login
from tests.bridge_set_up import Home, Paired, Publisher, bridge, home, reached, settled
from tests.broker import broker, connect_as
from tests.fakes import FakeTime, directory, route
from tests.letters_set_up import carried_out, points, shown
from tests.waiting import until, until_async

pytestmark = pytest.mark.integration


@pytest.fixture
async def place(tmp_path: Path, database_url: str) -> AsyncIterator[Home]:
    """A database of each kind beside a broker."""
    with broker(tmp_path / "broker") as server:
        async with home(tmp_path, server, database_url) as made:
            yield made


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[Home]:
    """Where the kind of the database makes no difference."""
    with broker(tmp_path / "broker") as server:
        async with home(tmp_path, server) as made:
            yield made


async def _rows(place: Home) -> dict[str, Notice]:
    async with place.sessions() as session:
        return {str(row.kind): row for row in await session.scalars(select(Notice))}


async def _noticed(place: Home, *kinds: NoticeKind) -> dict[str, Notice]:
    """Wait for just these notices."""

    async def rows() -> dict[str, Notice] | None:
        found = await _rows(place)
        return found if set(found) == set(kinds) else None

    found = await until_async(rows)
    assert found is not None
    return found


async def _quarantine_of(place: Home, login: str) -> tuple[datetime | None, str]:
    async with place.sessions() as session:
        row = (await session.scalars(select(Login).where(Login.name == login))).one()
    return row.quarantined_at, row.quarantine_why


def _quarantined(one: Bridge, login: str) -> bool:
    entry = one.registry.directory.login(login)
    return entry is not None and entry.quarantined


def _trip(paired: Paired, *, quarantine: bool = False, times: int = 1) -> Trip:
    details: dict[str, str | int | float] = {"quantity": "ac_power", "value": 9e6}
    now = datetime.now(UTC)
    return Trip(Wire.IMPOSSIBLE_POWER, paired.login, paired.inverter_id, details, times, now, quarantine=quarantine)


async def test_two_programs_on_one_login_are_told_and_one_that_comes_back_is_not(place: Home) -> None:
    """On a real Mosquitto: two clients throw each other out, paho is back within a second. A neighbour's logger leaves
    and returns as often.
    """
    alice, bob = await place.pair(), await place.pair(serial="2722222222")
    async with (
        bridge(place),
        Publisher(place.broker, alice.login),
        Publisher(place.broker, alice.login, protocol=MQTTProtocolVersion.MQTTv5),
    ):
        for _ in range(FAST_TIMES + 2):
            async with Publisher(place.broker, bob.login):
                pass
        found = await _noticed(place, NoticeKind.FLAPPING)
        state = await _quarantine_of(place, alice.login)

    notice = found[NoticeKind.FLAPPING]
    assert (notice.login, notice.owner_id, notice.inverter_id) == (alice.login, alice.owner_id, None)
    assert notice.count >= TURNS
    assert notice.details["times"] >= TURNS
    assert state == (None, "")


async def test_refused_log_ins_are_told_where_the_broker_names_them(sqlite: Home) -> None:
    """Mosquitto 2.1 logs whom it refused and from where; 2.0 says "<unknown>", and nobody is told anything."""
    alice, bob = await sqlite.pair(), await sqlite.pair(serial="2722222222")
    async with bridge(sqlite) as one, Publisher(sqlite.broker, bob.login) as neighbour:
        for _ in range(LOG_INS):
            connect_as(sqlite.broker.port, alice.login, "wrong")
        await neighbour.send(bob.topic(), {"ac_power": 1.0})
        await settled(one, 1)
        if "<unknown> disconnected, not authorised" in sqlite.broker.log:
            await one.remarks._notices.flush()
            assert await _rows(sqlite) == {}
            pytest.skip("this Mosquitto does not name who was refused")
        found = await _noticed(sqlite, NoticeKind.FAILED_LOG_INS)
        state = await _quarantine_of(sqlite, alice.login)

    notice = found[NoticeKind.FAILED_LOG_INS]
    assert (notice.login, notice.owner_id) == (alice.login, alice.owner_id)
    assert notice.details == {"times": LOG_INS, "address": "127.0.0.1"}
    assert state == (None, "")


async def test_impossible_powers_are_told_with_their_inverter(place: Home) -> None:
    """A dozen readings beyond what it can deliver; a neighbour's are as many and can be true."""
    alice, bob = await place.pair(rated_power_w=600), await place.pair(serial="2722222222")
    async with (
        bridge(place) as one,
        Publisher(place.broker, alice.login) as hers,
        Publisher(place.broker, bob.login) as his,
    ):
        for watts in range(POWERS + 2):
            await hers.send(alice.topic(), {"ac_power": 5_000.0 + watts})
            await his.send(bob.topic(), {"ac_power": 400.0 + watts})
        await settled(one, 2 * (POWERS + 2))
        found = await _noticed(place, NoticeKind.IMPOSSIBLE_POWER)
        state = await _quarantine_of(place, alice.login)

    notice = found[NoticeKind.IMPOSSIBLE_POWER]
    assert (notice.login, notice.owner_id, notice.inverter_id) == (alice.login, alice.owner_id, alice.inverter_id)
    assert notice.details["quantity"] == "ac_power"
    assert notice.details["value"] >= 5_000.0
    assert state == (None, "")


async def test_a_clear_case_sets_aside_what_comes_and_gives_it_back_when_the_owner_says_so(place: Home) -> None:
    """Quarantine by the bridge, dead letters with their reason, the ladder's trouble; then its end and a replay."""
    alice, bob = await place.pair(), await place.pair(serial="2722222222")
    async with (
        bridge(place) as one,
        Publisher(place.broker, alice.login) as hers,
        Publisher(place.broker, bob.login) as his,
    ):
        await hers.send(alice.topic(), {"ac_power": 1.0})
        await settled(one, 1)
        one.remarks._notices.note(_trip(alice, quarantine=True, times=POWERS))
        await until(lambda: _quarantined(one, alice.login))
        for watts in (2.0, 3.0):
            await hers.send(alice.topic(), {"ac_power": watts})
        await his.send(bob.topic(), {"ac_power": 7.0})
        await settled(one, 4)
        await shown(place, 2)
        letters = await place.letters()
        row = await reached(place, alice, Rung.VALUES_PLAUSIBLE)
        found = await _noticed(place, NoticeKind.IMPOSSIBLE_POWER, NoticeKind.QUARANTINED)
        since, why = await _quarantine_of(place, alice.login)
        in_vain = await carried_out(place, LetterAction.REPLAY, login=alice.login, reason="quarantined")

        await _let_speak(place, alice)
        await until(lambda: not _quarantined(one, alice.login))
        request = await carried_out(place, LetterAction.REPLAY, login=alice.login, reason="quarantined")
        await hers.send(alice.topic(), {"ac_power": 4.0})
        await settled(one, 5)
        await shown(place, 0)
        curves = [list(points(place, paired, "ac_power").values()) for paired in (alice, bob)]

    assert [(letter.reason, letter.count, letter.kept, letter.inverter_id) for letter in letters] == [
        ("quarantined", 2, 2, alice.inverter_id)
    ]
    assert row.refusal == "quarantined"
    assert found[NoticeKind.QUARANTINED].details == {"why": "impossible_power"}
    assert (since is not None, why) == (True, "impossible_power")
    assert (in_vain.done, in_vain.again) == (2, 2)
    assert (request.done, request.again) == (2, 0)
    assert curves == [[(1.0,), (2.0,), (3.0,), (4.0,)], [(7.0,)]]


async def _let_speak(place: Home, paired: Paired) -> None:
    """As the owner's page does."""
    async with place.sessions.begin() as session:
        await registry_changed(session, inverter_id=paired.inverter_id)
        speaks = update(Login).where(Login.name == paired.login)
        await session.execute(speaks.values(quarantined_at=None, quarantine_why=""))
        await session.execute(update(Notice).where(Notice.login == paired.login).values(hidden_at=datetime.now(UTC)))


async def test_a_bridge_that_starts_without_the_database_knows_of_the_quarantine(sqlite: Home) -> None:
    """The snapshot has it: a restart lets nobody speak."""
    alice = await sqlite.pair()
    async with bridge(sqlite) as one:
        one.remarks._notices.note(_trip(alice, quarantine=True))
        await until(lambda: _quarantined(one, alice.login))
        await until(lambda: one.registry._saved.version == one.registry.directory.version)
    (sqlite.folder / "deye.db").rename(sqlite.folder / "away.db")
    (sqlite.folder / "deye.db").mkdir()
    async with bridge(sqlite) as again, Publisher(sqlite.broker, alice.login) as logger:
        await logger.send(alice.topic(), {"ac_power": 1.0})
        await settled(again, 1)

    assert again.counters.refusals == {"quarantined": 1}


class Bench:
    """What is written of trips, on a database with two owners; the clock is the test's."""

    def __init__(self, place: Home, *paired: Paired) -> None:
        self.place = place
        self.time = FakeTime()
        routes = [route(one.login, owner_id=one.owner_id) for one in paired]
        self.rows = NoticeRows(
            place.sessions, lambda: directory(*routes), place.settings.database_url, self.time.clock(), Counters()
        )


async def test_a_trouble_that_lasts_is_counted_now_and_then(place: Home) -> None:
    """The first time at once; however often, one row a minute."""
    alice = await place.pair()
    bench = Bench(place, alice)
    bench.rows.note(_trip(alice, times=10))
    await bench.rows.flush()
    first = (await _rows(place))[NoticeKind.IMPOSSIBLE_POWER].count
    for _ in range(100):
        bench.rows.note(_trip(alice))
        await bench.rows.flush()
    between = (await _rows(place))[NoticeKind.IMPOSSIBLE_POWER].count
    bench.time.seconds += AGAIN_S
    await bench.rows.flush()
    last = (await _rows(place))[NoticeKind.IMPOSSIBLE_POWER].count
    bench.time.seconds += AGAIN_S
    await bench.rows.flush()

    assert (first, between, last) == (10, 10, 110)
    assert bench.rows._told == {}


async def test_a_quarantine_is_made_once_and_only_of_a_login_that_speaks(place: Home) -> None:
    """Said twice it is one change of the registry; a withdrawn login, or one that is another owner's now, is left."""
    alice, bob, eve = [await place.pair(serial=serial) for serial in ("2711111111", "2722222222", "2733333333")]
    await place.revoke(bob)
    async with place.sessions.begin() as session:
        other = Owner(id=uuid4(), name="another", created_at=datetime.now(UTC))
        session.add(other)
        await session.flush()
        await session.execute(update(Login).where(Login.name == eve.login).values(owner_id=other.id))
        before = await registry_version(session)
    bench = Bench(place, alice, bob, eve)
    for _ in range(2):
        for paired in (alice, bob, eve):
            bench.rows.note(_trip(paired, quarantine=True))
        await bench.rows.flush()
        bench.time.seconds += AGAIN_S
    async with place.sessions() as session:
        after = await registry_version(session)
    states = [(await _quarantine_of(place, paired.login))[0] is not None for paired in (alice, bob, eve)]

    assert states == [True, False, False]
    assert after == before + 1


async def test_a_second_quarantine_is_told_though_the_first_one_was_read(place: Home) -> None:
    """Its owner let it speak, and it happened again the same day."""
    alice = await place.pair()
    bench = Bench(place, alice)
    hidden = []
    for _ in range(2):
        bench.rows.note(_trip(alice, quarantine=True))
        await bench.rows.flush()
        hidden.append((await _rows(place))[NoticeKind.QUARANTINED].hidden_at)
        await _let_speak(place, alice)
        bench.time.seconds += AGAIN_S

    assert hidden == [None, None]


async def test_nobody_is_told_where_the_inverter_or_the_owner_has_gone(place: Home) -> None:
    """And nobody else's notices wait for it."""
    alice, bob, eve = [await place.pair(serial=serial) for serial in ("2711111111", "2722222222", "2733333333")]
    bench = Bench(place, alice, bob, eve)
    async with place.sessions.begin() as session:
        await session.execute(delete(Inverter).where(Inverter.id == alice.inverter_id))
        await session.execute(delete(Owner).where(Owner.id == bob.owner_id))
    for paired in (alice, bob, eve):
        bench.rows.note(_trip(paired))
    bench.rows.note(_trip(Paired(uuid4(), uuid4(), new_login(), "x")))
    await bench.rows.flush()
    async with place.sessions() as session:
        told = (await session.scalars(select(Notice.inverter_id))).all()

    assert told == [eve.inverter_id]


async def test_an_absent_database_delays_the_notices_and_nothing_else(place: Home) -> None:
    """What tripped meanwhile is counted when it is back."""
    alice = await place.pair()
    bench = Bench(place, alice)
    sessions, bench.rows._sessions = bench.rows._sessions, _away  # type: ignore[assignment]  # raises at the call
    task = asyncio.create_task(bench.rows.run())
    bench.rows.note(_trip(alice, times=10))
    await until(lambda: bench.rows._trouble.times)
    bench.rows.note(_trip(alice))
    bench.rows._sessions = sessions

    async def written() -> bool:
        return {kind: row.count for kind, row in (await _rows(place)).items()} == {NoticeKind.IMPOSSIBLE_POWER: 11}

    await until_async(written)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _away() -> None:
    raise ConnectionRefusedError


async def test_half_an_hour_of_nonsense_ends_in_quarantine_by_itself(sqlite: Home) -> None:
    """From the payload to the registry: the clock of the messages is moved on, everything else is real."""
    passed = [timedelta(0)]
    clock = Clock(now=lambda: datetime.now(UTC) + passed[0])
    alice = await sqlite.pair()
    async with bridge(sqlite, clock=clock) as one, Publisher(sqlite.broker, alice.login) as logger:
        for number in range(IN_A_ROW + 1):
            passed[0] = (FOR + timedelta(minutes=1)) * number / IN_A_ROW
            await logger.send(alice.topic(), {"ac_power": 9e6 + number})
            await settled(one, number + 1)
        await until(lambda: _quarantined(one, alice.login))
        found = await _noticed(sqlite, NoticeKind.IMPOSSIBLE_POWER, NoticeKind.QUARANTINED)

    assert found[NoticeKind.QUARANTINED].details == {"why": "impossible_power"}
