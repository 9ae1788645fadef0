"""Adding, renaming and deleting inverters: what the owner sees, what the bridge and the broker will find."""

import asyncio
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from portal.inverters.ending import GRACE
from schema.changes import registry_version
from schema.models import (
    ClaimState,
    Feed,
    Grant,
    Inverter,
    Login,
    OwnerPlacement,
    Placement,
    PlacementState,
    Role,
)
from schema.topics import is_login
from schema.verifiers import is_verifier
from tests.people import Cast, Person, login_of, shown_secret, sign_up
from tests.portal_app import running_portal

pytestmark = pytest.mark.integration


async def test_adding_leaves_one_whole_record(cast: Cast) -> None:
    """Inverter, login, feed and pending places appear together, under one new version of the registry."""
    portal = cast.portal
    async with portal.parts.sessions() as session:
        before = await registry_version(session)
    barn = await cast.alice.add_inverter("  Barn   roof ", "27-4444 4444")

    async with portal.parts.sessions() as session:
        inverter = await session.get(Inverter, barn)
        place = await session.get(Placement, barn)
        feed = (await session.scalars(select(Feed).where(Feed.inverter_id == barn))).one()
        login = await session.get(Login, feed.login)
        assert inverter is not None
        assert place is not None
        assert login is not None
        home = await session.get(OwnerPlacement, inverter.owner_id)
        grant = (await session.scalars(select(Grant).where(Grant.account_id == cast.alice.account_id))).one()

        assert (inverter.name, inverter.serial, inverter.active_serial) == ("Barn roof", "2744444444", None)
        assert inverter.owner_id == login.owner_id == grant.owner_id
        assert (feed.selector, feed.dialect, feed.claim_state) == ("", "auto", ClaimState.PENDING)
        assert place.state == PlacementState.PENDING
        assert home is not None
        assert is_login(login.name)
        assert is_verifier(login.verifier)
        assert login.registry_version == await registry_version(session) == before + 1


async def test_a_serial_that_is_taken_elsewhere_makes_no_difference(cast: Cast) -> None:
    """Free, claimed and active serials get the same answer, and each owner his own record."""
    async with cast.portal.parts.sessions.begin() as session:
        await session.execute(update(Inverter).where(Inverter.id == cast.roof).values(active_serial="2711111111"))

    async def added(serial: str) -> tuple[int, str]:
        """Status and page, without what differs between any two inverters."""
        answer = await cast.bob.post("/inverters", name="One", serial=serial)
        path = answer.headers["location"]
        page = (await cast.bob.get(path)).text
        login = (await login_of(cast.portal, UUID(path.split("/")[2]))).name
        for own in (path.split("/")[2], login, shown_secret(page), serial):
            page = page.replace(own, "OWN")
        return answer.status_code, page

    assert await added("2755555555") == await added("2711111111")


async def test_the_same_serial_twice_is_one_inverter(cast: Cast) -> None:
    """A form sent twice, even at the same moment, leaves one record and points to it."""
    answers = await asyncio.gather(*(cast.alice.post("/inverters", name="Barn", serial="2744444444") for _ in range(5)))

    async with cast.portal.parts.sessions() as session:
        made = (await session.scalars(select(Inverter.id).where(Inverter.serial == "2744444444"))).all()
    assert len(made) == 1
    assert sorted(answer.status_code for answer in answers) == [303, 422, 422, 422, 422]
    assert all(f"/inverters/{made[0]}/pairing" in answer.text for answer in answers if answer.status_code == 422)


@pytest.mark.parametrize(
    ("name", "serial", "field"),
    [
        ("", "2744444444", "name"),
        ("   ", "2744444444", "name"),
        ("x" * 81, "2744444444", "name"),
        ("Barn", "12345", "serial"),
        ("Barn", "2744444444;DROP", "serial"),
        ("Barn", "x" * 33, "serial"),
    ],
)
async def test_a_wrong_form_comes_back_with_what_is_wrong(cast: Cast, name: str, serial: str, field: str) -> None:
    """422, the complaint at its field, and what was typed still there."""
    answer = await cast.alice.post("/inverters", name=name, serial=serial)

    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert f'value="{serial}"' in answer.text


async def test_deleting_revokes_its_logins_and_leaves_nothing_on_the_pages(cast: Cast) -> None:
    """The bridge learns of it by the registry's version, the serial is free again, the login's name is never given out
    again, and the rows stay by which its bucket and tokens can be found and removed.
    """
    portal = cast.portal
    login = await login_of(portal, cast.roof)
    async with portal.parts.sessions.begin() as session:
        before = await registry_version(session)
        await session.execute(update(Inverter).where(Inverter.id == cast.roof).values(active_serial="2711111111"))

    answer = await cast.alice.post(f"/inverters/{cast.roof}/delete")

    async with portal.parts.sessions() as session:
        gone = await session.get(Inverter, cast.roof)
        kept = await session.get(Login, login.name)
        place = await session.get(Placement, cast.roof)
        feeds = (await session.scalars(select(Feed.claim_state).where(Feed.login == login.name))).all()
        assert await registry_version(session) == before + 1
    assert answer.status_code == 303
    assert gone is not None
    assert gone.deleted_at is not None
    assert gone.active_serial is None
    assert place is not None
    assert gone.erase_after == portal.clock() + GRACE
    assert feeds == [ClaimState.PENDING]
    assert kept is not None
    assert kept.revoked_at is not None
    assert (await cast.alice.get(f"/inverters/{cast.roof}")).status_code == 404
    assert f'href="/inverters/{cast.roof}' not in (await cast.alice.get("/inverters")).text
    assert str(cast.roof) not in (await cast.alice.get("/")).text
    assert await cast.alice.add_inverter("Roof again", "2711111111") != cast.roof


async def test_a_login_that_speaks_for_two_inverters_survives_one_of_them(cast: Cast) -> None:
    """A gateway's login is not cut off with the first of its devices."""
    login = await login_of(cast.portal, cast.roof)
    barn = await cast.alice.add_inverter("Barn", "2744444444")
    async with cast.portal.parts.sessions.begin() as session:
        session.add(Feed(id=uuid4(), login=login.name, selector="2", inverter_id=barn))

    await cast.alice.post(f"/inverters/{cast.roof}/delete")

    async with cast.portal.parts.sessions() as session:
        kept = await session.get(Login, login.name)
    assert kept is not None
    assert kept.revoked_at is None


async def test_a_grant_that_has_run_out_shows_nothing(cast: Cast) -> None:
    """Ines may look until the time that Alice set."""
    async with cast.portal.parts.sessions.begin() as session:
        until = cast.portal.clock() + timedelta(hours=1)
        hers = (Grant.account_id == cast.ines.account_id, Grant.role == Role.INSTALLER)
        await session.execute(update(Grant).where(*hers).values(until=until))
    in_time = await cast.ines.get(f"/inverters/{cast.roof}")
    cast.portal.clock.go(minutes=61)
    late = await cast.ines.get(f"/inverters/{cast.roof}")

    assert in_time.status_code == 200
    assert late.status_code == 404


async def test_from_sign_up_to_a_deleted_inverter_on_both_databases(database_url: str, tmp_path: Path) -> None:
    """The statements behind the pages mean the same on SQLite and PostgreSQL."""
    async with running_portal(tmp_path, database_url=database_url) as portal, portal.browser() as http:
        alice = Person("alice", http)
        await sign_up(portal, alice)
        entered = await alice.log_in()
        roof = await alice.add_inverter()
        double = await alice.post("/inverters", name="Roof", serial="2711111111")
        paired = await alice.get(f"/inverters/{roof}/pairing")
        renamed = await alice.post(f"/inverters/{roof}/edit", name="Barn")
        listed = await alice.get("/inverters")
        await alice.post("/reset", email=alice.email)
        await portal.mail_sent()
        deleted = await alice.post(f"/inverters/{roof}/delete")

    assert entered.status_code == renamed.status_code == deleted.status_code == 303
    assert double.status_code == 422
    assert shown_secret(paired.text)
    assert "Barn" in listed.text
    assert portal.bag.to(alice.email)
