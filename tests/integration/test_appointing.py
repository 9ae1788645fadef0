"""The command that appoints an administrator: whoever typed the address into the sign-up form earlier gains nothing."""

import pytest
from sqlalchemy import update

from portal.__main__ import _create_admin
from schema.models import Account
from tests.administration import devices, entries
from tests.people import PASSWORD, Person, newest_link, sign_up, token_of
from tests.portal_app import RunningPortal

pytestmark = pytest.mark.integration

OPERATORS = "the operator's own words"
STRANGERS = "a stranger's own words"


async def signed_up_by_a_stranger(portal: RunningPortal, stranger: Person, address: str) -> list[str]:
    """He never reads the mails; returns the tokens of the confirmation and of a reset that he asked for."""
    await stranger.post("/signup", email=address, password=STRANGERS)
    confirmation = token_of(await newest_link(portal, address))
    portal.clock.go(minutes=1)
    await stranger.post("/reset", email=address)
    return [confirmation, token_of(await newest_link(portal, address))]


async def test_nobody_becomes_administrator_by_signing_up_early(
    portal: RunningPortal, alice: Person, bob: Person
) -> None:
    """The password is the one that was typed at the machine; no earlier link sets another one."""
    tokens = await signed_up_by_a_stranger(portal, bob, alice.email)

    said = await _create_admin(portal.parts.settings, alice.email, OPERATORS)
    by_link = [
        (await bob.post("/verify", token=tokens[0])).status_code,
        (await bob.post("/reset/set", token=tokens[1], password=STRANGERS)).status_code,
    ]
    stranger = await bob.post("/login", email=alice.email, password=STRANGERS)
    entered = await alice.log_in(OPERATORS)

    assert by_link == [410, 410]
    assert (stranger.status_code, (await bob.get("/admin")).status_code) == (422, 404)
    assert (entered.status_code, (await alice.get("/admin")).status_code) == (303, 200)
    assert said == (
        f"{alice.email} is an administrator now. Somebody had signed up with this address and never confirmed it: "
        "the password is the one you typed."
    )


async def test_no_device_of_an_address_that_nobody_has_confirmed_stays(portal: RunningPortal, alice: Person) -> None:
    """A session from before would be an administrator's."""
    await sign_up(portal, alice)
    await alice.log_in()
    async with portal.parts.sessions.begin() as session:
        await session.execute(update(Account).values(verified_at=None))

    await _create_admin(portal.parts.settings, alice.email, OPERATORS)

    assert (await alice.get("/account")).status_code == 303
    assert await devices(portal, alice.account_id) == 0


async def test_an_account_that_was_confirmed_keeps_its_password_and_its_devices(
    portal: RunningPortal, alice: Person
) -> None:
    """Whoever reads the mailbox has proved it; the typed password is nobody's."""
    await sign_up(portal, alice)
    await alice.log_in()

    said = await _create_admin(portal.parts.settings, alice.email, OPERATORS)

    assert said == f"{alice.email} is an administrator now (its password is unchanged)."
    assert (await alice.get("/admin")).status_code == 200
    assert await devices(portal, alice.account_id) == 1
    assert (await alice.log_in(OPERATORS)).status_code == 422
    assert (await alice.log_in(PASSWORD)).status_code == 303


async def test_whoever_is_disabled_is_not_appointed(portal: RunningPortal, alice: Person) -> None:
    """The operator is told, instead of being left with an administrator who cannot log in."""
    await sign_up(portal, alice)
    async with portal.parts.sessions.begin() as session:
        await session.execute(update(Account).values(disabled_at=portal.clock()))

    said = await _create_admin(portal.parts.settings, alice.email, OPERATORS)
    async with portal.parts.sessions() as session:
        account = await session.get_one(Account, alice.account_id)

    assert "is disabled and cannot log in" in said
    assert not account.is_admin


async def test_a_new_administrator_and_the_same_once_more(portal: RunningPortal, alice: Person) -> None:
    """Made, then known; each time an entry says that a command did it."""
    first = await _create_admin(portal.parts.settings, alice.email, OPERATORS)
    second = await _create_admin(portal.parts.settings, alice.email, "other words altogether")
    granted = await entries(portal, "role.granted")

    assert (first, second) == (
        f"{alice.email} is an administrator now.",
        f"{alice.email} is an administrator now (its password is unchanged).",
    )
    assert (await alice.log_in(OPERATORS)).status_code == 303
    assert [(entry.actor, entry.actor_id, entry.details) for entry in granted] == [
        ("command", None, {"role": "admin"})
    ] * 2
