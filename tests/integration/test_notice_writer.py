"""What is written of trips: notices that are counted now and then, and quarantines that are made once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.exc import SQLAlchemyError

from bridge.counters import Counters
from bridge.edges.notice_rows import AGAIN_S, NoticeRows
from schema.changes import registry_version
from schema.models import Inverter, Login, Notice, NoticeKind, Owner
from schema.verifiers import new_login
from tests.bridge_set_up import Home, Paired, home
from tests.broker import broker
from tests.fakes import FakeTime, directory, route
from tests.notice_set_up import let_speak, noticed_rows, quarantine_of, tripped
from tests.waiting import until, until_async

pytestmark = pytest.mark.integration


@pytest.fixture
async def place(tmp_path: Path, database_url: str) -> AsyncIterator[Home]:
    """A database of each kind beside a broker."""
    with broker(tmp_path / "broker") as server:
        async with home(tmp_path, server, database_url) as made:
            yield made


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
    bench.rows.note(tripped(alice, times=10))
    await bench.rows.flush()
    first = (await noticed_rows(place))[NoticeKind.IMPOSSIBLE_POWER].count
    for _ in range(100):
        bench.rows.note(tripped(alice))
        await bench.rows.flush()
    between = (await noticed_rows(place))[NoticeKind.IMPOSSIBLE_POWER].count
    bench.time.seconds += AGAIN_S
    await bench.rows.flush()
    last = (await noticed_rows(place))[NoticeKind.IMPOSSIBLE_POWER].count
    bench.time.seconds += AGAIN_S
    await bench.rows.flush()

    assert (first, between, last) == (10, 10, 110)
    assert bench.rows._told == {}


async def test_a_notice_that_cannot_be_written_keeps_nobody_waiting(place: Home) -> None:
    """PostgreSQL takes no infinity, SQLite no such number: the neighbour's notice is there after the next turns."""
    alice, bob = await place.pair(), await place.pair(serial="2722222222")
    bench = Bench(place, alice, bob)
    wrong = tripped(alice)._replace(details={"value": float("inf")}, times=2**70)
    bench.rows.note(wrong)
    bench.rows.note(tripped(bob))
    for _ in range(3):
        with contextlib.suppress(SQLAlchemyError, OverflowError):
            await bench.rows.flush()

    assert [row.login for row in (await noticed_rows(place)).values()] == [bob.login]


async def test_a_clear_case_does_not_wait_for_the_rest_of_a_notice(place: Home) -> None:
    """Told a moment ago and clear now: the quarantine is at once. Asked for again and again it is one row a minute."""
    alice = await place.pair()
    bench = Bench(place, alice)
    bench.rows.note(tripped(alice, times=10))
    await bench.rows.flush()
    bench.time.seconds += 1
    bench.rows.note(tripped(alice, quarantine=True))
    await bench.rows.flush()
    since, _ = await quarantine_of(place, alice.login)
    for _ in range(5):
        bench.rows.note(tripped(alice, quarantine=True))
        await bench.rows.flush()

    assert since is not None
    assert (await noticed_rows(place))[NoticeKind.IMPOSSIBLE_POWER].count == 11


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
            bench.rows.note(tripped(paired, quarantine=True))
        await bench.rows.flush()
        bench.time.seconds += AGAIN_S
    async with place.sessions() as session:
        after = await registry_version(session)
    states = [(await quarantine_of(place, paired.login))[0] is not None for paired in (alice, bob, eve)]

    assert states == [True, False, False]
    assert after == before + 1


async def test_a_second_quarantine_is_told_though_the_first_one_was_read(place: Home) -> None:
    """Its owner let it speak, and it happened again the same day."""
    alice = await place.pair()
    bench = Bench(place, alice)
    hidden = []
    for _ in range(2):
        bench.rows.note(tripped(alice, quarantine=True))
        await bench.rows.flush()
        hidden.append((await noticed_rows(place))[NoticeKind.QUARANTINED].hidden_at)
        await let_speak(place, alice)
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
        bench.rows.note(tripped(paired))
    bench.rows.note(tripped(Paired(uuid4(), uuid4(), new_login(), "x")))
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
    bench.rows.note(tripped(alice, times=10))
    await until(lambda: bench.rows._trouble.times)
    bench.rows.note(tripped(alice))
    bench.rows._sessions = sessions

    async def written() -> bool:
        return {kind: row.count for kind, row in (await noticed_rows(place)).items()} == {
            NoticeKind.IMPOSSIBLE_POWER: 11
        }

    await until_async(written)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _away() -> None:
    raise ConnectionRefusedError
