"""Devices behind a gateway: noted, adopted, and then writing into their own inverter's bucket. On both databases."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import delete, select, update

from bridge.counters import Counters
from bridge.edges.found_devices import AGAIN_S, KEPT_FOR, MOST_FOR_A_LOGIN, FoundDevices
from schema import migrate
from schema.changes import registry_changed
from schema.database import Sessions, create_engine_for, sessions_for
from schema.models import (
    ClaimState,
    Feed,
    FoundDevice,
    Inverter,
    LetterAction,
    Login,
    Owner,
    Placement,
    PlacementState,
    RequestState,
)
from tests.bridge_set_up import Home, Paired, Publisher, bridge, home, settled
from tests.broker import broker
from tests.fakes import ALICE_LOGIN, BOB_LOGIN, NOON, FakeTime, directory, route
from tests.letters_set_up import carried_out, points, shown
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
        await migrate.upgrade(self.engine)
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


@pytest.fixture
async def place(tmp_path: Path, database_url: str) -> AsyncIterator[Home]:
    """A database of each kind beside a broker."""
    with broker(tmp_path / "broker") as server:
        async with home(tmp_path, server, database_url) as made:
            yield made


async def _adopt(place: Home, paired: Paired, selector: str, serial: str) -> Paired:
    """As the portal does: an inverter, its place, and a feed of the same login under the device's selector."""
    inverter_id, now = uuid4(), datetime.now(UTC)
    async with place.sessions.begin() as session:
        await registry_changed(session, inverter_id=inverter_id)
        session.add(Inverter(id=inverter_id, owner_id=paired.owner_id, name=selector, serial=serial, created_at=now))
        await session.flush()
        session.add(Feed(login=paired.login, selector=selector, inverter_id=inverter_id))
        session.add(Placement(inverter_id=inverter_id, state=PlacementState.READY, updated_at=now))
        gone = delete(FoundDevice).where(FoundDevice.login == paired.login, FoundDevice.selector == selector)
        await session.execute(gone)
    return Paired(paired.owner_id, inverter_id, paired.login, serial)


async def _noted(place: Home, *selectors: str) -> dict[str, FoundDevice]:
    """Wait until just these are noted."""

    async def rows() -> dict[str, FoundDevice] | None:
        async with place.sessions() as session:
            found = {row.selector: row for row in await session.scalars(select(FoundDevice))}
        return found if set(found) == set(selectors) else None

    found = await until_async(rows)
    assert found is not None
    return found


async def test_a_found_device_is_adopted_and_its_messages_and_letters_become_its_own(place: Home) -> None:
    """A gateway's second and third device: noted, set aside; the second adopted, replayed and written from then on; the
    third stays aside, and no value of either is in the first one's curve.
    """
    first = await place.pair()
    async with bridge(place) as one, Publisher(place.broker, first.login) as gateway:
        await gateway.send(first.topic(), {"ac_power": 100.0, "serial": first.serial})
        await settled(one, 1)
        for watts, serial in ((200.0, "2722222222"), (300.0, "2733333333"), (210.0, "2722222222")):
            await gateway.send(first.topic(), {"ac_power": watts, "serial": serial})
        await settled(one, 4)
        found = await _noted(place, "2722222222", "2733333333")
        await shown(place, 3)

        second = await _adopt(place, first, "2722222222", "2722222222")
        await until(lambda: _has_feed(one, first.login, "2722222222"))
        request = await carried_out(place, LetterAction.REPLAY, login=first.login, reason="another_device")
        await gateway.send(first.topic(), {"ac_power": 220.0, "serial": "2722222222"})
        await gateway.send(first.topic(), {"ac_power": 310.0, "serial": "2733333333"})
        await settled(one, 6)
        await shown(place, 2)
        curves = [list(points(place, paired, "ac_power").values()) for paired in (first, second)]
        async with place.sessions() as session:
            states = {
                feed.selector: (feed.claim_state, feed.device_key) for feed in await session.scalars(select(Feed))
            }
        await _noted(place, "2733333333")
        letters = await place.letters()

    assert found["2722222222"].serial == "2722222222"
    assert found["2722222222"].dialect == "native"
    assert (request.state, request.done, request.again) == (RequestState.DONE, 3, 1)
    assert curves == [[(100.0,)], [(200.0,), (210.0,), (220.0,)]]
    assert states == {
        "": (ClaimState.ACTIVE, "2711111111"),
        "2722222222": (ClaimState.ACTIVE, "2722222222"),
    }
    assert [(letter.reason, letter.count) for letter in letters] == [("another_device", 2)]


def _has_feed(one: object, login: str, selector: str) -> bool:
    entry = one.registry.directory.login(login)  # type: ignore[attr-defined]  # a bridge
    return entry is not None and selector in entry.routes


async def test_scalars_of_a_second_logger_are_adopted_with_their_letters(place: Home) -> None:
    """One topic for each value; their sums are nobody's, before and after."""
    first = await place.pair()
    async with bridge(place) as one, Publisher(place.broker, first.login) as gateway:
        await gateway.send(first.topic("1/ac/active_power"), "100")
        await settled(one, 1)
        for tail, value in (("2/ac/active_power", "200"), ("2/day_energy", "2"), ("day_energy", "3")):
            await gateway.send(first.topic(tail), value)
        await settled(one, 4)
        await _noted(place, "2")
        second = await _adopt(place, first, "2", "2722222222")
        await until(lambda: _has_feed(one, first.login, "2"))
        await shown(place, 2)
        request = await carried_out(place, LetterAction.REPLAY, login=first.login, reason="another_device")
        await shown(place, 0)
        curves = [points(place, paired, "ac_power", "day_energy") for paired in (first, second)]

    assert (request.done, request.again) == (2, 0)
    assert [list(curve.values()) for curve in curves] == [[(100.0, None)], [(200.0, 2.0)]]
    assert one.counters.not_readings["sum_of_loggers"] == 1


async def test_two_devices_that_come_at_once_on_a_new_login_do_not_mix(place: Home) -> None:
    """The first one claims the feed; the other's documents are set aside whole and can be replayed."""
    first = await place.pair()
    async with bridge(place) as one, Publisher(place.broker, first.login) as gateway:
        sent = [
            gateway.throw(first.topic(), {"ac_power": float(watts + more), "serial": serial})
            for watts in range(20)
            for serial, more in (("2711111111", 0), ("2722222222", 1_000))
        ]
        await until(lambda: all(answered() for answered in sent))
        await settled(one, 40)
        await shown(place, 20)
        second = await _adopt(place, first, "2722222222", "2722222222")
        await until(lambda: _has_feed(one, first.login, "2722222222"))
        request = await carried_out(place, LetterAction.REPLAY, login=first.login, reason="another_device")
        curves = [points(place, paired, "ac_power") for paired in (first, second)]

    assert (request.done, request.again) == (20, 0)
    assert [sorted(str(values) for values in curve.values()) for curve in curves] == [
        sorted(str((float(watts + more),)) for watts in range(20)) for more in (0, 1_000)
    ]
