"""What the sweeper takes away by itself: sign-ups that nobody confirmed, sessions and links that ran out."""

import pytest
from sqlalchemy import select, update

from portal.accounts.sweeper import Sweeper
from schema.models import Account, EmailToken, Login, LoginSession, Owner
from tests.people import PASSWORD, Person, newest_link, sign_up, token_of
from tests.portal_app import RunningPortal

pytestmark = pytest.mark.integration


async def swept(portal: RunningPortal) -> int:
    """One turn of the task."""
    return await Sweeper(portal.parts.sessions, portal.clock).sweep()


async def test_a_sign_up_nobody_confirmed_is_forgotten_after_a_week(
    portal: RunningPortal, alice: Person, bob: Person
) -> None:
    """With the home that was made for it; who has confirmed stays, and an erased owner's login hinders nothing."""
    await sign_up(portal, alice)
    await alice.log_in()
    async with portal.parts.sessions.begin() as session:
        login = Login(name="ABCDEFGHJK", owner_id=None, verifier="v", registry_version=1, created_at=portal.clock())
        session.add(login)
    await bob.post("/signup", email=bob.email, password=PASSWORD)
    portal.clock.go(days=6)
    await swept(portal)
    async with portal.parts.sessions() as session:
        soon = len((await session.scalars(select(Account.id))).all())
    portal.clock.go(days=1, seconds=1)
    await swept(portal)

    assert soon == 2
    async with portal.parts.sessions() as session:
        assert (await session.scalars(select(Account.email))).all() == [alice.email]
        assert len((await session.scalars(select(Owner.id))).all()) == 1


async def test_a_disabled_account_does_not_come_back_by_waiting(
    portal: RunningPortal, alice: Person, bob: Person
) -> None:
    """An administrator disabled the sign-up before it was confirmed: neither a week nor another account's wish for the
    address makes room for it.
    """
    await sign_up(portal, alice)
    await alice.log_in()
    await bob.post("/signup", email=bob.email, password=PASSWORD)
    async with portal.parts.sessions.begin() as session:
        his = update(Account).where(Account.email == bob.email)
        await session.execute(his.values(disabled_at=portal.clock()))
    await alice.post("/account/email", email=bob.email)
    token = token_of(await newest_link(portal, bob.email))
    taken = await alice.post("/account/email/confirm", token=token)
    portal.clock.go(days=8)

    await swept(portal)
    await bob.post("/signup", email=bob.email, password=PASSWORD)
    await bob.post("/verify", token=token_of(await newest_link(portal, bob.email)))
    entered = await bob.log_in()

    assert taken.status_code == 410
    assert entered.status_code == 422


async def test_sessions_and_links_that_ran_out_are_swept(portal: RunningPortal, alice: Person) -> None:
    """Nothing piles up."""
    await sign_up(portal, alice)
    await alice.log_in()
    await alice.post("/reset", email=alice.email)
    portal.clock.go(days=9)

    await swept(portal)

    async with portal.parts.sessions() as session:
        assert (await session.scalars(select(LoginSession))).all() == []
        assert (await session.scalars(select(EmailToken))).all() == []
