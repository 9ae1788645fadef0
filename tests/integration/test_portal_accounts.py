"""Sign-up to log-out over HTTP: neutral answers, one-time links, sessions that end when they are ended."""

import re

import httpx
import pytest
from sqlalchemy import select

from schema.models import Account, Grant, LoginSession, Owner, OwnerPlacement
from tests.people import PASSWORD, Person, newest_link, sign_up, token_of
from tests.portal_app import RunningPortal

pytestmark = pytest.mark.integration

_FORM_TOKEN = re.compile(r'value="[0-9a-f]{128}"')


def same_page(one: httpx.Response, other: httpx.Response) -> bool:
    """Equal in status and body, but for the form token that each browser has of its own."""
    bodies = [_FORM_TOKEN.sub("", answer.text) for answer in (one, other)]
    return one.status_code == other.status_code and bodies[0] == bodies[1]


async def test_from_sign_up_to_log_out(portal: RunningPortal, alice: Person) -> None:
    """The whole walk: form, mail, button, log-in, overview, log-out."""
    signed_up = await alice.post("/signup", email="Alice@Example.org", password=PASSWORD, time_zone="America/New_York")
    before = await alice.log_in()
    link = await newest_link(portal, "Alice@example.org")
    looked = await alice.get(link)
    confirmed = await alice.post("/verify", token=token_of(link))
    entered = await alice.log_in(next="/inverters/new")
    home = await alice.get("/")
    left = await alice.post("/logout")
    after = await alice.get("/")

    assert (signed_up.status_code, signed_up.headers["location"]) == (303, "/signup/sent")
    assert before.status_code == 422
    assert looked.status_code == 200
    assert looked.headers["referrer-policy"] == "no-referrer"
    assert (confirmed.status_code, confirmed.headers["location"]) == (303, "/login?notice=confirmed")
    assert (entered.status_code, entered.headers["location"]) == (303, "/inverters/new")
    assert home.status_code == 200
    assert left.status_code == after.status_code == 303
    async with portal.parts.sessions() as session:
        owner = (await session.scalars(select(Owner))).one()
        grant = (await session.scalars(select(Grant))).one()
        assert owner.time_zone == "America/New_York"
        assert grant.owner_id == owner.id
        assert (await session.scalars(select(OwnerPlacement))).one().owner_id == owner.id
        assert (await session.scalars(select(LoginSession))).all() == []


async def test_a_zone_that_is_none_becomes_utc(portal: RunningPortal, alice: Person) -> None:
    """The browser's guess is only a guess."""
    await alice.post("/signup", email=alice.email, password=PASSWORD, time_zone="../../etc/passwd")

    async with portal.parts.sessions() as session:
        assert (await session.scalars(select(Owner.time_zone))).one() == "UTC"


async def test_sign_up_does_not_tell_who_has_an_account(portal: RunningPortal, alice: Person, bob: Person) -> None:
    """A known address gets the same answer as a new one; only its mailbox learns more, and nothing is changed."""
    await sign_up(portal, alice)

    known = await bob.post("/signup", email="ALICE@example.org", password="another long one")
    new = await bob.post("/signup", email="carol@example.org", password="another long one")
    await portal.mail_sent()

    assert same_page(known, new)
    assert dict(known.headers) == dict(new.headers)
    assert [mail["Subject"] for mail in portal.bag.to("alice@example.org")] == ["You already have an account"]
    assert [mail["Subject"] for mail in portal.bag.to("carol@example.org")] == ["Confirm your address"]
    assert (await alice.log_in()).status_code == 303


@pytest.mark.parametrize("bob_is_first", [True, False])
async def test_nobody_confirms_a_strangers_password(
    portal: RunningPortal, alice: Person, bob: Person, *, bob_is_first: bool
) -> None:
    """Two sign-ups with one address and two passwords: only a link in the mailbox settles it, with a third password."""
    typed = (
        [(bob, "bob and his bicycle"), (alice, PASSWORD)]
        if bob_is_first
        else [(alice, PASSWORD), (bob, "bob and his bicycle")]
    )
    await typed[0][0].post("/signup", email=alice.email, password=typed[0][1])
    first = await newest_link(portal, alice.email)
    again = await typed[1][0].post("/signup", email=alice.email, password=typed[1][1])
    second = await newest_link(portal, alice.email)

    confirmed = await alice.post("/verify", token=token_of(first))
    settled = await alice.post("/reset/set", token=token_of(second), password="settled by mail")
    entered = [(await bob.post("/login", email=alice.email, password=word)).status_code for _, word in typed]

    assert again.headers["location"] == "/signup/sent"
    assert (confirmed.status_code, settled.status_code) == (410, 303)
    assert entered == [422, 422]
    assert (await alice.log_in("settled by mail")).status_code == 303


async def test_a_second_sign_up_with_the_same_password_is_just_another_mail(
    portal: RunningPortal, alice: Person
) -> None:
    """Who pressed twice confirms with the newer mail."""
    for _ in range(2):
        await alice.post("/signup", email=alice.email, password=PASSWORD)
    await alice.post("/verify", token=token_of(await newest_link(portal, alice.email)))

    assert (await alice.log_in()).status_code == 303


async def test_a_mail_that_is_dropped_does_not_end_the_link_before_it(
    portal: RunningPortal, alice: Person, bob: Person
) -> None:
    """Who asks for Alice's links twenty times cannot keep her from confirming, nor from setting a password."""
    await alice.post("/signup", email=alice.email, password=PASSWORD)
    for _ in range(10):
        await bob.post("/verify/again", email=alice.email)
    confirmed = await alice.post("/verify", token=token_of(await newest_link(portal, alice.email)))
    portal.clock.go(hours=2)
    for _ in range(10):
        await bob.post("/reset", email=alice.email)
    new = await alice.post(
        "/reset/set", token=token_of(await newest_link(portal, alice.email)), password="a new one, hers"
    )
    await portal.mail_sent()

    assert (confirmed.status_code, new.status_code) == (303, 303)
    assert portal.bag.to(alice.email)[-1]["Subject"] == "Your password was changed"


async def test_a_link_confirms_once_and_not_after_a_day(portal: RunningPortal, alice: Person) -> None:
    """Mail scanners may look at it, a second press or a late one offers a new link, and the new one works."""
    await alice.post("/signup", email=alice.email, password=PASSWORD)
    first = await newest_link(portal, alice.email)
    looks = [(await alice.get(first)).status_code for _ in range(3)]
    portal.clock.go(hours=25)
    late_look, late = await alice.get(first), await alice.post("/verify", token=token_of(first))
    await alice.post("/verify/again", email=alice.email)
    second = await newest_link(portal, alice.email)
    pressed = await alice.post("/verify", token=token_of(second))
    pressed_again = await alice.post("/verify", token=token_of(second))

    assert looks == [200, 200, 200]
    assert late_look.status_code == late.status_code == pressed_again.status_code == 410
    assert "/verify/again" in late.text
    assert pressed.status_code == 303


async def test_a_new_link_ends_the_older_one(portal: RunningPortal, alice: Person) -> None:
    """Only the newest mail works."""
    await alice.post("/signup", email=alice.email, password=PASSWORD)
    first = await newest_link(portal, alice.email)
    portal.clock.go(minutes=1)
    await alice.post("/verify/again", email=alice.email)
    second = await newest_link(portal, alice.email)

    assert (await alice.post("/verify", token=token_of(first))).status_code == 410
    assert (await alice.post("/verify", token=token_of(second))).status_code == 303


@pytest.mark.parametrize("form", ["/reset", "/verify/again"])
async def test_mail_forms_answer_alike_for_known_and_unknown_addresses(
    portal: RunningPortal, alice: Person, bob: Person, form: str
) -> None:
    """Neither form says who has an account."""
    await sign_up(portal, alice)

    known, unknown = await bob.post(form, email=alice.email), await bob.post(form, email="nobody@example.org")
    await portal.mail_sent()

    assert same_page(known, unknown)
    assert dict(known.headers) == dict(unknown.headers)
    assert portal.bag.to("nobody@example.org") == []


async def test_log_in_says_the_same_to_every_failure(portal: RunningPortal, alice: Person, bob: Person) -> None:
    """Unknown address, wrong password and unconfirmed address cannot be told apart."""
    await sign_up(portal, alice)
    await bob.post("/signup", email=bob.email, password=PASSWORD)

    def pages(email: str, answer: httpx.Response) -> str:
        return _FORM_TOKEN.sub("", answer.text.replace(email, "X"))

    wrong = pages(alice.email, await bob.post("/login", email=alice.email, password="not her password"))
    unknown = pages("zoe@example.org", await bob.post("/login", email="zoe@example.org", password=PASSWORD))
    unconfirmed = pages(bob.email, await bob.post("/login", email=bob.email, password=PASSWORD))

    assert wrong == unknown == unconfirmed


async def test_a_reset_sets_the_password_once_and_ends_every_session(
    portal: RunningPortal, alice: Person, bob: Person
) -> None:
    """Whoever knew the old password is out, on pages and programs alike; the new one works."""
    await sign_up(portal, alice)
    await alice.log_in()
    headers = await alice.bearer()
    await bob.post("/reset", email=alice.email)
    link = await newest_link(portal, alice.email)
    form = await bob.get(link)
    too_short = await bob.post("/reset/set", token=token_of(link), password="short")
    done = await bob.post("/reset/set", token=token_of(link), password="ten green bottles")
    again = await bob.post("/reset/set", token=token_of(link), password="twelve green bottles")
    page, api = await alice.get("/"), await alice.http.get("/api/inverters", headers=headers)
    await portal.mail_sent()

    assert (form.status_code, too_short.status_code, done.status_code, again.status_code) == (200, 422, 303, 410)
    assert page.status_code == 303
    assert api.status_code == 401
    assert portal.bag.to(alice.email)[-1]["Subject"] == "Your password was changed"
    assert (await alice.log_in()).status_code == 422
    assert (await alice.log_in("ten green bottles")).status_code == 303


async def test_a_reset_link_is_no_confirmation_link_and_the_other_way_round(
    portal: RunningPortal, alice: Person
) -> None:
    """A token is good for one purpose."""
    await alice.post("/signup", email=alice.email, password=PASSWORD)
    confirmation = token_of(await newest_link(portal, alice.email))
    await alice.post("/reset", email=alice.email)
    reset = token_of(await newest_link(portal, alice.email))

    assert (await alice.post("/verify", token=reset)).status_code == 410
    assert (await alice.post("/reset/set", token=confirmation, password=PASSWORD)).status_code == 410


async def test_nobody_is_flooded_with_mail(portal: RunningPortal, alice: Person, bob: Person) -> None:
    """Twenty wishes within the hour are three mails."""
    await sign_up(portal, alice)
    for _ in range(20):
        await bob.post("/reset", email=alice.email)
        portal.clock.go(minutes=1)
    await portal.mail_sent()

    assert len(portal.bag.to(alice.email)) == 3


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"email": "no address", "password": PASSWORD}, "email"),
        ({"email": "alice@example.org", "password": "eleven char"}, "password"),
        ({"email": "alice@example.org", "password": "x" * 129}, "password"),
        ({"email": "alice@example.org", "password": "aaaaaaaaaaaaaa"}, "password"),
        ({"email": "alice@example.org", "password": "alice@example.org"}, "password"),
        ({"email": "alice@example.org", "password": PASSWORD, "is_admin": "true"}, ""),
    ],
)
async def test_a_wrong_sign_up_form_comes_back_with_what_is_wrong(
    portal: RunningPortal, alice: Person, typed: dict[str, str], field: str
) -> None:
    """422, the complaint beside its field, what was typed still there, the password never."""
    answer = await alice.post("/signup", **typed)

    assert answer.status_code == 422
    assert (f'id="{field}-error"' in answer.text) if field else ('role="alert"' in answer.text)
    assert f'value="{typed["email"]}"' in answer.text
    assert typed["password"] == typed["email"] or typed["password"] not in answer.text
    async with portal.parts.sessions() as session:
        assert (await session.scalars(select(Account))).all() == []


async def test_mail_waits_for_a_server_that_is_away(portal: RunningPortal, alice: Person) -> None:
    """A refusal costs a pause, not the mail."""
    portal.bag.refusals = 2

    await alice.post("/signup", email=alice.email, password=PASSWORD)
    await portal.mail_sent()
    portal.clock.go(seconds=31)
    await portal.mail_sent()
    early = len(portal.bag.mails)
    portal.clock.go(seconds=61)
    await portal.mail_sent()

    assert early == 0
    assert len(portal.bag.mails) == 1
