"""Devices behind a gateway are noted for their owner, within bounds. On both databases."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import delete, select, update

from bridge.counters import Counters
from bridge.edges.found_devices import AGAIN_S, KEPT_FOR, MOST_FOR_A_LOGIN, FoundDevices
from schema.database import Sessions, create_engine_for, sessions_for
from schema.models import (
    Feed,
    FoundDevice,
    Inverter,
    Login,
    Owner,
)
from tests.databases import bring_up_to_date
from tests.fakes import ALICE_LOGIN, BOB_LOGIN, NOON, FakeTime, directory, route
from tests.waiting import until, until_async

pytestmark = pytest.mark.integration


class Bench:
    """Alice's and Bob's logins in a database, and what is noted there; the clock is the test's."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.time = FakeTime()
        self.engine = create_engine_for(url)
        self.sessions: Sessions = sessions_for(self.engine)
        self.directory = directory(route(), route(BOB_LOGIN))
        self.devices = FoundDevices(self.sessions, lambda: self.directory, url, self.time.clock(), Counters())

    async def open(self) -> None:
        """Make the tables and the logins."""
        await bring_up_to_date(self.engine)
        owner = Owner(id=uuid4(), name="an owner", created_at=NOON)
        async with self.sessions.begin() as session:
            session.add(owner)
            await session.flush()
            for name in (ALICE_LOGIN, BOB_LOGIN):
                session.add(Login(name=name, owner_id=owner.id, verifier="-", registry_version=0, created_at=NOON))

    def note(self, selector: str, *, login: str = ALICE_LOGIN, serial: str = "", dialect: str = "deye_mqtt") -> None:
        """A message of a device comes now."""
        self.devices.note(login, selector, serial=serial, dialect=dialect, at=self.time.now())

    async def rows(self, login: str = ALICE_LOGIN) -> dict[str, FoundDevice]:
        """As the owner's page would read them."""
        async with self.sessions() as session:
            found = await session.scalars(select(FoundDevice).where(FoundDevice.login == login))
            return {row.selector: row for row in found}


@pytest.fixture
async def bench(database_url: str) -> AsyncIterator[Bench]:
    """On each kind of database."""
    one = Bench(database_url)
    await one.open()
    yield one
    await one.engine.dispose()


async def test_a_device_is_noted_at_once_and_counted_now_and_then(bench: Bench) -> None:
    """First and last time, how often, what it is called in its payloads and how it speaks."""
    bench.note("2")
    await bench.devices.flush()
    first = await bench.rows()
    for second in range(1, 10):
        bench.time.seconds = second
        bench.note("2", serial="2722222222")
    too_early = await bench.devices.flush()
    bench.time.seconds = AGAIN_S
    await bench.devices.flush()
    (row,) = (await bench.rows()).values()

    assert (first["2"].messages, first["2"].serial, first["2"].dialect) == (1, "", "deye_mqtt")
    assert too_early == 0
    assert (row.messages, row.serial) == (10, "2722222222")
    assert (row.first_seen_at, row.last_seen_at) == (NOON, NOON + timedelta(seconds=9))


async def test_a_serial_that_was_known_is_not_forgotten_by_a_message_without_one(bench: Bench) -> None:
    """And after a restart the row goes on."""
    bench.note("roof", serial="2722222222")
    await bench.devices.flush()
    again = FoundDevices(bench.sessions, lambda: bench.directory, bench.url, bench.time.clock(), Counters())
    again.note(ALICE_LOGIN, "roof", serial="", dialect="native", at=bench.time.now())
    await again.flush()
    (row,) = (await bench.rows()).values()

    assert (row.serial, row.messages, row.dialect) == ("2722222222", 2, "native")


async def test_nobody_grows_the_table_or_the_memory_without_bound(bench: Bench) -> None:
    """Alice invents ten thousand devices, a stranger logins; Bob's device is noted all the same."""
    for number in range(10_000):
        bench.note(f"device-{number}")
        bench.note("1", login=f"ZZ{number:08}".translate(str.maketrans("01", "AB")))
    bench.note("2", login=BOB_LOGIN)
    in_memory = len(bench.devices._devices)
    while await bench.devices.flush():
        pass

    assert in_memory == MOST_FOR_A_LOGIN + 1
    assert len(await bench.rows()) == MOST_FOR_A_LOGIN
    assert set(await bench.rows(BOB_LOGIN)) == {"2"}
    bench.time.seconds += AGAIN_S
    await bench.devices.flush()
    assert bench.devices._devices == {}
    assert bench.devices._of_login == {}


async def test_a_new_device_takes_the_place_of_one_that_has_gone_silent(bench: Bench) -> None:
    """A mistake of months ago must not keep the real one from being seen."""
    for number in range(MOST_FOR_A_LOGIN):
        bench.time.seconds = number
        bench.note(f"device-{number}")
    await bench.devices.flush()
    bench.time.seconds += AGAIN_S
    await bench.devices.flush()
    bench.note("soon")
    await bench.devices.flush()
    soon = await bench.rows()
    bench.time.seconds += 2 * 86_400
    await bench.devices.flush()
    bench.note("late")
    await bench.devices.flush()
    late = await bench.rows()

    assert "soon" not in soon
    assert len(late) == MOST_FOR_A_LOGIN
    assert "late" in late
    assert "device-0" not in late


@pytest.mark.parametrize("selector", ["", "x" * 65, "a\nb", "a\x07b"])
async def test_a_name_that_no_feed_could_have_is_not_noted(bench: Bench, selector: str) -> None:
    """It is set aside all the same, with its reason."""
    bench.note(selector)
    await bench.devices.flush()

    assert await bench.rows() == {}


async def test_what_was_adopted_or_withdrawn_meanwhile_is_not_written_again(bench: Bench) -> None:
    """A row that comes back after the click would be adopted twice."""
    inverter = uuid4()
    for selector in ("2", "3"):
        bench.note(selector)
    bench.note("2", login=BOB_LOGIN)
    async with bench.sessions.begin() as session:
        owner_id = (await session.scalars(select(Owner.id))).one()
        session.add(Inverter(id=inverter, owner_id=owner_id, name="two", serial="2722222222", created_at=NOON))
        await session.flush()
        session.add(Feed(login=ALICE_LOGIN, selector="2", inverter_id=inverter))
        await session.execute(delete(Login).where(Login.name == BOB_LOGIN))
    await bench.devices.flush()

    assert set(await bench.rows()) == {"3"}
    assert await bench.rows(BOB_LOGIN) == {}


async def test_who_is_silent_for_long_is_forgotten(bench: Bench) -> None:
    """Hidden or not."""
    bench.note("2")
    await bench.devices.flush()
    async with bench.sessions.begin() as session:
        await session.execute(update(FoundDevice).values(hidden_at=NOON))
    bench.time.seconds += KEPT_FOR.total_seconds() + 1
    await bench.devices.tidy()

    assert await bench.rows() == {}


async def test_an_absent_database_delays_the_rows_and_nothing_else(bench: Bench) -> None:
    """What was noted meanwhile is written when it is back."""
    sessions, bench.devices._sessions = bench.devices._sessions, _away  # type: ignore[assignment]  # raises at the call
    task = asyncio.create_task(bench.devices.run())
    bench.note("2")
    await until(lambda: bench.devices._trouble.times)
    bench.note("2")
    bench.devices._sessions = sessions

    async def written() -> bool:
        return {selector: row.messages for selector, row in (await bench.rows()).items()} == {"2": 2}

    await until_async(written)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _away() -> None:
    raise ConnectionRefusedError
