"""Somebody can always administer: whoever leaves, is demoted or disabled, another one who stays is left."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import select, update

from portal.accounts import administrators, deletion
from portal.accounts.deletion import LastAdministrator
from portal.admin.users import acts
from portal.admin.users.acts import NotPossible
from portal.admin.users.forms import GlobalRole
from schema.models import Account
from tests.people import Person, sign_up, the_cast
from tests.portal_app import RunningPortal, running_portal

pytestmark = pytest.mark.integration


async def able(portal: RunningPortal) -> list[str]:
    """The addresses of administrators who can log in."""
    usable = Account.is_admin.is_(True), Account.disabled_at.is_(None), Account.verified_at.is_not(None)
    async with portal.parts.sessions() as session:
        return list((await session.scalars(select(Account.email).where(*usable).order_by(Account.email))).all())


async def test_an_administrator_who_leaves_cannot_take_the_last_one_along(tmp_path: Path) -> None:
    """Ada asks for her deletion while Bob administers too; from then on Bob is the last one."""
    async with running_portal(tmp_path) as portal, the_cast(portal) as cast:
        bob = f"/admin/users/{cast.bob.account_id}"
        await cast.ada.post(f"{bob}/give", role="admin")
        leaves = await cast.ada.post("/account/delete", sure="yes")
        refused = [await cast.ada.post(f"{bob}/take", role="admin"), await cast.ada.post(f"{bob}/disable")]
        portal.clock.go(days=8)
        async with portal.parts.sessions.begin() as session:
            assert await deletion.erase(session, cast.ada.account_id, now=portal.clock())

        assert leaves.status_code == 303
        assert [answer.status_code for answer in refused] == [409, 409]
        assert "last administrator" in refused[0].text
        assert await able(portal) == [cast.bob.email]


async def two(portal: RunningPortal, alice: Person, bob: Person) -> None:
    """Both administer, and neither is leaving."""
    for person in (alice, bob):
        await sign_up(portal, person, admin=True)


async def test_of_two_administrators_who_leave_at_once_one_stays(tmp_path: Path, database_url: str) -> None:
    """Each sees the other as the one who stays, unless one waits for the other."""
    outcomes = []
    async with running_portal(tmp_path, database_url=database_url) as portal, portal.browser() as http:
        alice, bob = Person("alice", http), Person("bob", http)
        await two(portal, alice, bob)

        async def leave(person: Person) -> bool:
            try:
                async with portal.parts.sessions.begin() as session:
                    now = portal.clock()
                    await deletion.ask(session, person.account_id, links=portal.parts.links, day="soon", now=now)
            except LastAdministrator:
                return False
            return True

        for _ in range(5):
            outcomes.append(sorted(await asyncio.gather(leave(alice), leave(bob))))
            async with portal.parts.sessions.begin() as session:
                await session.execute(update(Account).values(delete_after=None))

    assert outcomes == [[False, True]] * 5


async def test_one_who_leaves_and_one_who_is_demoted_at_once_are_not_both_gone(
    tmp_path: Path, database_url: str
) -> None:
    """Alice asks for her deletion at the very moment in which she demotes Bob."""
    outcomes = []
    async with running_portal(tmp_path, database_url=database_url) as portal, portal.browser() as http:
        alice, bob = Person("alice", http), Person("bob", http)
        await two(portal, alice, bob)

        async def leave() -> bool:
            try:
                async with portal.parts.sessions.begin() as session:
                    now = portal.clock()
                    await deletion.ask(session, alice.account_id, links=portal.parts.links, day="soon", now=now)
            except LastAdministrator:
                return False
            return True

        async def demote() -> bool:
            try:
                async with portal.parts.sessions.begin() as session:
                    role, now = GlobalRole.ADMIN, portal.clock()
                    await acts.take(session, role, bob.account_id, by=alice.account_id, now=now)
            except NotPossible:
                return False
            return True

        for _ in range(5):
            outcomes.append(sorted(await asyncio.gather(leave(), demote())))
            async with portal.parts.sessions.begin() as session:
                await session.execute(update(Account).values(delete_after=None, is_admin=True))

    assert outcomes == [[False, True]] * 5


async def test_only_who_can_log_in_and_stays_counts_as_another_one(portal: RunningPortal, alice: Person) -> None:
    """Disabled, unconfirmed, leaving, or no administrator at all: each alone would leave nobody."""
    await sign_up(portal, alice, admin=True)
    bob = Person("bob", alice.http)
    await sign_up(portal, bob, admin=True)
    now, found = portal.clock(), []
    good: dict[str, object] = {"is_admin": True, "verified_at": now, "disabled_at": None, "delete_after": None}
    for wrong in ({}, {"is_admin": False}, {"verified_at": None}, {"disabled_at": now}, {"delete_after": now}):
        async with portal.parts.sessions.begin() as session:
            await session.execute(update(Account).where(Account.id == bob.account_id).values(good | wrong))
            found.append(await administrators.another_stays(session, alice.account_id))

    assert found == [True, False, False, False, False]
