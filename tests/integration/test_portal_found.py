"""Devices heard on a login: told on its inverters' pages, adopted with one click, hidden, never somebody else's."""

import asyncio
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, update

from schema.models import (
    ClaimState,
    DeadLetterRequest,
    Feed,
    FoundDevice,
    Inverter,
    LetterAction,
    Login,
    Placement,
)
from tests.at_once import AT_ONCE
from tests.people import Cast, login_of
from tests.registry_set_up import Site
from tests.waiting import until

pytestmark = pytest.mark.integration


@pytest.fixture
def cast(cast_on_each: Cast) -> Cast:
    """Everybody at a portal of their own, over each kind of database."""
    return cast_on_each


async def hear(cast: Cast, selector: str, *, serial: str = "", messages: int = 42) -> str:
    """The bridge has noted a device on the roof's login; returns the login."""
    login, now = (await login_of(cast.portal, cast.roof)).name, cast.portal.clock()
    async with cast.portal.parts.sessions.begin() as session:
        session.add(
            FoundDevice(
                login=login,
                selector=selector,
                serial=serial,
                dialect="opendtu",
                first_seen_at=now,
                last_seen_at=now,
                messages=messages,
            )
        )
    return login


def of_path(location: str) -> UUID:
    """The inverter that an answer leads to."""
    return UUID(location.split("/")[2])


async def test_a_found_device_is_told_to_who_may_add_it(cast: Cast) -> None:
    """On every inverter of that login; not to Bob, and not to Ines, who may only look."""
    login = await hear(cast, "114180000002")
    barn = await cast.alice.add_inverter("Barn", "2744444444")
    async with cast.portal.parts.sessions.begin() as session:
        session.add(Feed(id=uuid4(), login=login, selector="114180000001", inverter_id=barn))
    hers = [await cast.alice.get(f"/inverters/{inverter_id}") for inverter_id in (cast.roof, barn)]
    looked_at = await cast.ines.get(f"/inverters/{cast.roof}")

    for page in hers:
        assert "114180000002" in page.text
        assert "42 messages since" in page.text
    assert "114180000002" not in looked_at.text


async def test_one_click_makes_an_inverter_that_the_bridge_knows(cast: Cast, tmp_path: Path) -> None:
    """Named by its serial, with a feed on the same login, a place to come, and what it sent in vain wanted again."""
    login = await hear(cast, "114180000002")
    place = Site(tmp_path, cast.portal.parts.settings.database_url)
    async with place.registry() as bridge:
        await until(lambda: bridge.knows(login))
        answer = await cast.alice.post(f"/inverters/{cast.roof}/found/adopt", login=login, selector="114180000002")
        adopted = of_path(answer.headers["location"])

        def routed() -> bool:
            entry = bridge.registry.directory.login(login)
            route = entry.routes.get("114180000002") if entry else None
            return route is not None and route.inverter_id == adopted

        await until(routed)
    await place.engine.dispose()

    async with cast.portal.parts.sessions() as session:
        inverter = await session.get_one(Inverter, adopted)
        feed = (await session.scalars(select(Feed).where(Feed.inverter_id == adopted))).one()
        wish = (await session.scalars(select(DeadLetterRequest))).one()
        left = await session.scalar(select(func.count()).select_from(FoundDevice))
        assert await session.get(Placement, adopted) is not None
        assert inverter.owner_id == (await session.get_one(Inverter, cast.roof)).owner_id
    assert (inverter.name, inverter.serial) == ("Inverter 114180000002", "114180000002")
    assert (feed.login, feed.selector, feed.dialect) == (login, "114180000002", "opendtu")
    assert feed.claim_state == ClaimState.PENDING
    assert (wish.action, wish.login, wish.reason) == (LetterAction.REPLAY, login, "another_device")
    assert left == 0


async def test_a_device_that_tells_no_serial_is_asked_for_one(cast: Cast) -> None:
    """A client numbers its loggers: which one is number 2 stands on a sticker."""
    path, login = f"/inverters/{cast.roof}/found/adopt", await hear(cast, "2")
    asked = await cast.alice.post(path, login=login, selector="2")
    wrong = await cast.alice.post(path, login=login, selector="2", serial="12")
    answer = await cast.alice.post(path, login=login, selector="2", serial="27 4444-4444")

    assert asked.status_code == 200
    assert 'name="serial"' in asked.text
    assert wrong.status_code == 422
    assert 'id="serial-error"' in wrong.text
    async with cast.portal.parts.sessions() as session:
        made = await session.get_one(Inverter, of_path(answer.headers["location"]))
    assert (made.name, made.serial) == ("Inverter 2", "2744444444")


async def test_a_serial_of_an_inverter_that_is_there_is_one_more_feed(cast: Cast) -> None:
    """The same device over two ways is one inverter with two feeds, not two."""
    barn = await cast.alice.add_inverter("Barn", "2744444444")
    login = await hear(cast, "barn", serial="2744444444")
    answer = await cast.alice.post(f"/inverters/{cast.roof}/found/adopt", login=login, selector="barn")

    async with cast.portal.parts.sessions() as session:
        feeds = (await session.scalars(select(Feed).where(Feed.inverter_id == barn))).all()
        count = await session.scalar(select(func.count()).select_from(Inverter).where(Inverter.serial == "2744444444"))
    assert of_path(answer.headers["location"]) == barn
    assert {(feed.login == login, feed.selector) for feed in feeds} == {(True, "barn"), (False, "")}
    assert count == 1


async def test_adopted_many_times_at_once_it_is_one_inverter(cast: Cast) -> None:
    """Everybody is led to the same one."""
    path, login = f"/inverters/{cast.roof}/found/adopt", await hear(cast, "114180000002")
    answers = await asyncio.gather(
        *(cast.alice.post(path, login=login, selector="114180000002") for _ in range(AT_ONCE))
    )

    async with cast.portal.parts.sessions() as session:
        made = (await session.scalars(select(Inverter.id).where(Inverter.serial == "114180000002"))).one()
    assert {answer.headers.get("location") for answer in answers} == {f"/inverters/{made}"}


async def test_what_is_hidden_can_still_be_added(cast: Cast) -> None:
    """Folded away, not gone."""
    login = await hear(cast, "114180000002")
    hidden = await cast.alice.post(f"/inverters/{cast.roof}/found/hide", login=login, selector="114180000002")
    page = await cast.alice.get(f"/inverters/{cast.roof}")
    answer = await cast.alice.post(f"/inverters/{cast.roof}/found/adopt", login=login, selector="114180000002")

    assert hidden.headers["location"] == f"/inverters/{cast.roof}"
    assert "Hidden (1)" in page.text
    assert "/found/hide" not in page.text
    assert answer.status_code == 303


async def test_nobody_adopts_from_a_foreign_or_ended_login(cast: Cast) -> None:
    """Bob's inverter with Alice's login; Alice's login after it was revoked; a device that nobody has heard."""
    login = await hear(cast, "114180000002")
    async with cast.portal.parts.sessions() as session:
        shed = (await session.scalars(select(Inverter.id).where(Inverter.serial == "2722222222"))).one()
    device = {"login": login, "selector": "114180000002"}
    crossed = [await cast.bob.post(f"/inverters/{shed}/found/{act}", **device) for act in ("adopt", "hide")]
    unheard = await cast.alice.post(f"/inverters/{cast.roof}/found/adopt", login=login, selector="114180000003")
    async with cast.portal.parts.sessions.begin() as session:
        await session.execute(update(Login).where(Login.name == login).values(revoked_at=cast.portal.clock()))
    ended = await cast.alice.post(f"/inverters/{cast.roof}/found/adopt", **device)
    page = await cast.alice.get(f"/inverters/{cast.roof}")

    assert [answer.status_code for answer in (*crossed, unheard, ended)] == [404] * 4
    assert "114180000002" not in page.text


async def test_it_may_take_the_place_of_the_broken_one(cast: Cast) -> None:
    """Said on the serial's page: the inverter's feed is bound to the device that was heard, and to no other."""
    login = await hear(cast, "2", serial="2744444444")
    async with cast.portal.parts.sessions.begin() as session:
        await session.execute(update(Feed).where(Feed.login == login).values(device_key="1"))
    await cast.alice.post(f"/inverters/{cast.roof}/serial/change", serial="2744444444", why="replaced")

    async with cast.portal.parts.sessions() as session:
        feed = (await session.scalars(select(Feed).where(Feed.login == login))).one()
        left = await session.scalar(select(func.count()).select_from(FoundDevice))
    assert feed.device_key == "2"
    assert left == 0
