"""Mails of the account: owed in the transaction of the act, so that a mail server that is away loses none of them."""

from collections.abc import Awaitable, Callable
from email.message import EmailMessage

import httpx
import pytest

from tests.people import PASSWORD, Person, newest_link, sign_up, token_of
from tests.portal_app import RunningPortal

pytestmark = pytest.mark.integration

NEW_PASSWORD = "four blue kettles sing"
NEW_ADDRESS = "liddell@example.net"


async def signed_in(portal: RunningPortal, person: Person) -> None:
    """A confirmed account, logged in."""
    await sign_up(portal, person)
    await person.log_in()


async def mails_to(portal: RunningPortal, address: str) -> list[EmailMessage]:
    """What has reached this address."""
    await portal.mail_sent()
    return portal.bag.to(address)


def the_same_twice(mail: EmailMessage) -> bool:
    """Whether text and HTML both say something, with the same link."""
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert html is not None
    [link] = [word for word in text.get_content().split() if word.startswith("http://portal.example.org/")]
    return f'href="{link}"' in html.get_content().replace("&amp;", "&")


ACTS: dict[str, Callable[[Person], Awaitable[httpx.Response]]] = {
    "Your password was changed": lambda person: person.post(
        "/account/password", old_password=PASSWORD, password=NEW_PASSWORD
    ),
    "Your account will be deleted": lambda person: person.post("/account/delete", sure="yes"),
    "Set a new password": lambda person: person.post("/reset", email=person.email),
}


@pytest.mark.parametrize("subject", ACTS)
async def test_a_dead_mail_server_loses_nothing(portal: RunningPortal, alice: Person, subject: str) -> None:
    """Refused three times, sent the fourth time, as text and as HTML with the same link."""
    await signed_in(portal, alice)
    portal.bag.refusals = 3
    await ACTS[subject](alice)
    for _ in range(3):
        await portal.mail_sent()
        portal.clock.go(hours=1)

    [mail] = await mails_to(portal, alice.email)

    assert mail["Subject"] == subject
    assert the_same_twice(mail)


async def test_mails_of_a_changed_address_wait_for_the_server_too(portal: RunningPortal, alice: Person) -> None:
    """The link to the new address and the notice to the old one, each refused twice."""
    await signed_in(portal, alice)
    await alice.post("/account/email", email=NEW_ADDRESS)
    portal.bag.refusals = 2
    for _ in range(2):
        await portal.mail_sent()
        portal.clock.go(minutes=5)
    link = token_of(await newest_link(portal, NEW_ADDRESS))
    await alice.post("/account/email/confirm", token=link)
    portal.bag.refusals = 2
    for _ in range(2):
        await portal.mail_sent()
        portal.clock.go(minutes=5)

    [to_new], [to_old] = await mails_to(portal, NEW_ADDRESS), await mails_to(portal, alice.email)

    for mail in (to_new, to_old):
        assert the_same_twice(mail)
