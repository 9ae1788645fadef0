"""Mail that strangers can cause is bounded, and the bound keeps nobody from the link that sets a new password."""

from collections.abc import Awaitable, Callable

import pytest

from tests.people import PASSWORD, Person, newest_link, sign_up, token_of
from tests.portal_app import RunningPortal

pytestmark = pytest.mark.integration

NEW_PASSWORD = "four blue kettles sing"
Flood = Callable[[RunningPortal, Person, str], Awaitable[None]]


def subjects(portal: RunningPortal, address: str) -> list[str]:
    """What was sent there, the oldest first."""
    return [str(mail["Subject"]) for mail in portal.bag.to(address)]


async def signs_up(portal: RunningPortal, stranger: Person, address: str) -> None:
    """Again and again, with somebody else's address."""
    for _ in range(5):
        assert (await stranger.post("/signup", email=address, password=NEW_PASSWORD)).status_code == 303
        portal.clock.go(minutes=1)


async def wants_the_address(portal: RunningPortal, stranger: Person, address: str) -> None:
    """For his own account, and the address is taken."""
    await sign_up(portal, stranger)
    await stranger.log_in()
    for _ in range(5):
        assert (await stranger.post("/account/email", email=address)).status_code == 303
        portal.clock.go(minutes=1)


@pytest.mark.parametrize("flood", [signs_up, wants_the_address])
async def test_no_stranger_can_keep_somebody_from_a_new_password(
    portal: RunningPortal, alice: Person, bob: Person, flood: Flood
) -> None:
    """Whatever he causes within the hour, the link comes, and works."""
    await sign_up(portal, alice)

    await flood(portal, bob, alice.email)
    await alice.post("/reset", email=alice.email)
    link = await newest_link(portal, alice.email)
    answer = await alice.post("/reset/set", token=token_of(link), password=NEW_PASSWORD)

    assert answer.status_code == 303
    assert (await alice.log_in(NEW_PASSWORD)).status_code == 303
    # Told once an hour, however often.
    assert subjects(portal, alice.email)[:2] == ["You already have an account", "Set a new password"]


async def test_a_thief_in_the_account_cannot_keep_its_owner_out(portal: RunningPortal, alice: Person) -> None:
    """Each of his acts is told by mail, and none of these mails uses up hers."""
    await sign_up(portal, alice)
    await alice.log_in()
    for number in range(4):
        assert (await alice.post("/account/keys", name=f"key {number}", days="30")).status_code == 303

    await alice.post("/reset", email=alice.email)
    await portal.mail_sent()

    assert subjects(portal, alice.email)[-2:] == ["An API key was made", "Set a new password"]


async def test_whoever_waits_for_the_confirmation_is_not_left_without_a_link(
    portal: RunningPortal, alice: Person, bob: Person
) -> None:
    """A stranger asks for her link as often as he may, then signs up with her address: that voids all of them."""
    await alice.post("/signup", email=alice.email, password=PASSWORD)
    for _ in range(5):
        portal.clock.go(minutes=1)
        await bob.post("/verify/again", email=alice.email)
    portal.clock.go(minutes=1)
    await bob.post("/signup", email=alice.email, password=NEW_PASSWORD)
    link = await newest_link(portal, alice.email)
    answer = await alice.post("/reset/set", token=token_of(link), password="seven blue umbrellas")

    assert subjects(portal, alice.email) == ["Confirm your address", "Confirm your address", "Set a new password"]
    assert answer.status_code == 303
    assert (await alice.log_in("seven blue umbrellas")).status_code == 303


async def test_resets_have_a_bound_too_and_the_newest_link_outlives_the_pause(
    portal: RunningPortal, alice: Person, bob: Person
) -> None:
    """Whoever asks for Alice's links uses up her mails for the hour, and leaves her one that works that long."""
    await sign_up(portal, alice)
    for _ in range(6):
        await bob.post("/reset", email=alice.email)
        portal.clock.go(minutes=1)
    link = await newest_link(portal, alice.email)
    portal.clock.go(minutes=50)

    await alice.post("/reset", email=alice.email)
    await portal.mail_sent()

    assert subjects(portal, alice.email) == ["Set a new password"] * 3
    assert (await alice.get(link)).status_code == 200
