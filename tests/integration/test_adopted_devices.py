"""A device behind a gateway is adopted and from then on writes into its own inverter's bucket. On both databases."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import delete, select

from schema.changes import registry_changed
from schema.models import (
    ClaimState,
    Feed,
    FoundDevice,
    Inverter,
    LetterAction,
    Placement,
    PlacementState,
    RequestState,
)
from tests.bridge_set_up import Home, Paired, Publisher, bridge, home, settled
from tests.broker import broker
from tests.letters_set_up import carried_out, points, shown
from tests.waiting import until, until_async

pytestmark = pytest.mark.integration


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
