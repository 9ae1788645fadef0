"""A changed address: proved by the new one, told to the old one, and undone where it was theft."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from portal import audit
from portal.audit import Action
from schema.models import Account, AuditEntry, EmailToken, Grant, LoginSession
from tests.people import PASSWORD, SESSION_COOKIE, Person, newest_link, sign_up, token_of
from tests.portal_app import RunningPortal
from tests.sharing import grants, on_its_way

pytestmark = pytest.mark.integration

NEW_PASSWORD = "four blue kettles sing"
NEW_ADDRESS = "liddell@example.net"


async def actions(portal: RunningPortal) -> list[str]:
    """What the audit log says was done, oldest first."""
    async with portal.parts.sessions() as session:
        return list((await session.scalars(select(AuditEntry.action).order_by(AuditEntry.id))).all())


async def signed_in(portal: RunningPortal, *people: Person) -> None:
    """Confirmed accounts, logged in."""
    for person in people:
        await sign_up(portal, person)
        await person.log_in()


async def asked(portal: RunningPortal, person: Person, address: str = NEW_ADDRESS) -> str:
    """The token of the mail that asks the new address."""
    answer = await person.post("/account/email", email=address)
    assert (answer.status_code, answer.headers["location"]) == (303, "/account/email/sent")
    return token_of(await newest_link(portal, address))


async def moved(portal: RunningPortal, person: Person, address: str = NEW_ADDRESS) -> None:
    """The whole change of address."""
    answer = await person.post("/account/email/confirm", token=await asked(portal, person, address))
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?notice=address")


async def log_in_as(person: Person, address: str, password: str = PASSWORD) -> int:
    """How the log-in form answers."""
    return (await person.post("/login", email=address, password=password)).status_code


async def test_an_address_changes_once_the_new_one_has_proved_itself(portal: RunningPortal, alice: Person) -> None:
    """Until then nothing changes; then the new one logs in, the old one does not, and every session is over."""
    await signed_in(portal, alice)
    headers = await alice.bearer()
    token = await asked(portal, alice)
    before = await alice.get("/account")
    looks = [(await alice.get(f"/account/email/confirm?token={token}")).status_code for _ in range(2)]
    stolen = alice.http.cookies[SESSION_COOKIE]

    done = await alice.post("/account/email/confirm", token=token)
    alice.http.cookies.set(SESSION_COOKIE, stolen, domain="portal.example.org")
    after, api = await alice.get("/"), await alice.http.get("/api/inverters", headers=headers)
    await portal.mail_sent()

    assert alice.email in before.text
    assert looks == [200, 200]
    assert (done.status_code, done.headers["location"]) == (303, "/login?notice=address")
    assert (after.status_code, api.status_code) == (303, 401)
    assert [mail["Subject"] for mail in portal.bag.to(alice.email)] == ["Your address was changed"]
    assert NEW_ADDRESS not in str(portal.bag.to(alice.email)[0])
    assert [await log_in_as(alice, address) for address in (alice.email, NEW_ADDRESS)] == [422, 303]
    assert [action for action in await actions(portal) if action.startswith("email.")] == [
        "email.change_asked",
        "email.changed",
    ]


async def test_a_link_of_another_account_changes_nothing(portal: RunningPortal, alice: Person, bob: Person) -> None:
    """Nobody gets a foreign account by pressing a button in his mail, nor gives it away; its own person still can."""
    await signed_in(portal, alice, bob)
    token = await asked(portal, alice)

    look, press = (
        await bob.get(f"/account/email/confirm?token={token}"),
        await bob.post("/account/email/confirm", token=token),
    )
    own = await alice.post("/account/email/confirm", token=token)

    assert (look.status_code, press.status_code, own.status_code) == (410, 410, 303)
    assert "/account/email" in press.text
    async with portal.parts.sessions() as session:
        assert set((await session.scalars(select(Account.email))).all()) == {NEW_ADDRESS, bob.email}


async def test_who_is_not_signed_in_logs_in_on_the_way_to_the_button(
    portal: RunningPortal, alice: Person, bob: Person
) -> None:
    """The link opened on a telephone: log-in with the old address, then the button."""
    await signed_in(portal, alice)
    token = await asked(portal, alice)

    stranger = await bob.get(f"/account/email/confirm?token={token}")
    entered = await bob.post(
        "/login", email=alice.email, password=PASSWORD, next=f"/account/email/confirm?token={token}"
    )
    shown = await bob.get(entered.headers["location"])

    assert stranger.headers["location"].startswith("/login?next=/account/email/confirm")
    assert shown.status_code == 200
    assert "Use the new address" in shown.text


async def test_a_link_is_good_once_and_for_a_day_and_a_newer_one_ends_it(portal: RunningPortal, alice: Person) -> None:
    """Late, twice or outrun, it says so and offers a new one."""
    await signed_in(portal, alice)
    first = await asked(portal, alice)
    portal.clock.go(seconds=30)
    second = await asked(portal, alice, "other@example.net")
    outrun = await alice.post("/account/email/confirm", token=first)
    portal.clock.go(hours=25)
    late = await alice.post("/account/email/confirm", token=second)
    portal.clock.go(seconds=1)
    await alice.post("/account/prove", password=PASSWORD)
    third = await asked(portal, alice)
    once = await alice.post("/account/email/confirm", token=third)
    await log_in_as(alice, NEW_ADDRESS)
    twice = await alice.post("/account/email/confirm", token=third)

    assert [answer.status_code for answer in (outrun, late, once, twice)] == [410, 410, 303, 410]
    assert 'href="/account/email"' in twice.text


async def test_the_answer_does_not_tell_whether_somebody_has_the_address(
    portal: RunningPortal, alice: Person, bob: Person
) -> None:
    """Same answer; Bob reads in his mail that somebody tried, and no link is made."""
    await signed_in(portal, alice, bob)

    known = await alice.post("/account/email", email=bob.email)
    free = await alice.post("/account/email", email=NEW_ADDRESS)
    await portal.mail_sent()

    assert (known.status_code, known.text, dict(known.headers)) == (free.status_code, free.text, dict(free.headers))
    assert [mail["Subject"] for mail in portal.bag.to(bob.email)] == ["You already have an account"]
    async with portal.parts.sessions() as session:
        assert (await session.scalars(select(EmailToken.new_email))).all() == [NEW_ADDRESS]


async def test_an_address_that_was_taken_meanwhile_stays_where_it_is(
    portal: RunningPortal, alice: Person, bob: Person
) -> None:
    """Two people, one new address: the first to confirm has it."""
    await signed_in(portal, alice, bob)
    tokens = [await asked(portal, person) for person in (alice, bob)]

    answers = [
        await person.post("/account/email/confirm", token=token)
        for person, token in zip((alice, bob), tokens, strict=True)
    ]

    assert [answer.status_code for answer in answers] == [303, 410]
    assert (await bob.get("/")).status_code == 200


async def test_a_sign_up_that_nobody_confirmed_does_not_keep_an_address(
    portal: RunningPortal, alice: Person, bob: Person
) -> None:
    """Bob typed the address into the sign-up form; whoever reads its mail has it."""
    await signed_in(portal, alice)
    await bob.post("/signup", email=NEW_ADDRESS, password=NEW_PASSWORD)
    portal.clock.go(minutes=1)

    await moved(portal, alice)

    assert await log_in_as(alice, NEW_ADDRESS) == 303
    async with portal.parts.sessions() as session:
        assert (await session.scalars(select(Account.email))).all() == [NEW_ADDRESS]


async def test_after_a_change_the_old_mailbox_opens_nothing_but_the_way_back(
    portal: RunningPortal, alice: Person, bob: Person
) -> None:
    """A reset link that lay in it is dead, and no new one comes to it."""
    await signed_in(portal, alice)
    await bob.post("/reset", email=alice.email)
    reset = token_of(await newest_link(portal, alice.email))

    await moved(portal, alice)
    await bob.post("/reset", email=alice.email)
    await portal.mail_sent()

    assert (await bob.post("/reset/set", token=reset, password=NEW_PASSWORD)).status_code == 410
    assert portal.bag.to(alice.email)[-1]["Subject"] == "Your address was changed"


async def test_the_old_address_takes_a_stolen_account_back(portal: RunningPortal, alice: Person, bob: Person) -> None:
    """Six days later, although the thief moved it twice and asked for its deletion: sessions, password and his own
    way back end."""
    await sign_up(portal, alice)
    await bob.post("/login", email=alice.email, password=PASSWORD)
    await moved(portal, bob, "thief@example.net")
    undo = token_of(await newest_link(portal, alice.email))
    await bob.post("/login", email="thief@example.net", password=PASSWORD)
    await moved(portal, bob, "thief@example.com")
    his_undo = token_of(await newest_link(portal, "thief@example.net"))
    await bob.post("/login", email="thief@example.com", password=PASSWORD)
    await bob.post("/account/delete", sure="yes")
    portal.clock.go(days=6)
    await bob.post("/login", email="thief@example.com", password=PASSWORD)

    look = await alice.get(f"/account/email/undo?token={undo}")
    taken = await alice.post("/account/email/undo", token=undo)
    again = await alice.post("/account/email/undo", token=undo)
    his = await bob.post("/account/email/undo", token=his_undo)
    set_anew = await alice.post("/reset/set", token=token_of(taken.headers["location"]), password=NEW_PASSWORD)

    assert (look.status_code, again.status_code, his.status_code, set_anew.status_code) == (200, 410, 410, 303)
    assert (await bob.get("/")).status_code == 303
    assert await log_in_as(bob, "thief@example.com") == 422
    assert await log_in_as(bob, alice.email) == 422
    assert await log_in_as(alice, alice.email, NEW_PASSWORD) == 303
    async with portal.parts.sessions() as session:
        assert (await session.scalars(select(Account.delete_after))).all() == [None]
        assert len((await session.scalars(select(LoginSession))).all()) == 1


async def test_whom_the_thief_invited_goes_with_him(portal: RunningPortal, alice: Person, bob: Person) -> None:
    """He let Bob look and sent another one a link: neither is worth anything to them any more."""
    await signed_in(portal, alice, bob)
    async with portal.parts.sessions() as session:
        mine = select(Grant.owner_id).where(Grant.account_id == alice.account_id)
        home = (await session.scalars(mine)).one()
    await moved(portal, alice)
    undo = token_of(await newest_link(portal, alice.email))
    _, theirs = await on_its_way(portal, alice.account_id, home, bob.email)
    before = (await bob.post("/invitation/accept", token=theirs)).status_code
    await alice.post("/login", email=NEW_ADDRESS, password=PASSWORD)
    await alice.post(f"/homes/{home}/hand-over", email="friend@example.net", days="0")
    link = await newest_link(portal, "friend@example.net")

    await alice.post("/account/email/undo", token=undo)

    assert (before, (await bob.get(link)).status_code) == (303, 410)
    assert await grants(portal, home) == {(alice.account_id, "owner", False)}


async def test_the_way_back_closes_after_a_week(portal: RunningPortal, alice: Person) -> None:
    """Then the link says that it is too old."""
    await signed_in(portal, alice)
    await moved(portal, alice)
    undo = token_of(await newest_link(portal, alice.email))

    portal.clock.go(days=7, seconds=1)

    assert (await alice.post("/account/email/undo", token=undo)).status_code == 410


async def test_an_own_address_is_no_change(portal: RunningPortal, alice: Person) -> None:
    """However it is written."""
    await signed_in(portal, alice)

    answer = await alice.post("/account/email", email="ALICE@example.org")

    assert answer.status_code == 422
    assert "your address already" in answer.text


@pytest.mark.parametrize(("on_after", "stays"), [(timedelta(hours=-1), True), (timedelta(hours=1), False)])
async def test_a_second_factor_of_the_thief_goes_and_the_owners_stays(
    portal: RunningPortal, alice: Person, *, on_after: timedelta, stays: bool
) -> None:
    """What was set up after the address changed would keep her out; what was there before keeps others out."""
    await signed_in(portal, alice)
    await moved(portal, alice)
    undo = token_of(await newest_link(portal, alice.email))
    async with portal.parts.sessions.begin() as session:
        account = await session.get_one(Account, alice.account_id)
        account.totp_sealed, account.totp_step = b"sealed", 1
        at, who = portal.clock() + on_after, audit.account(account.id)
        await audit.record(session, Action.TOTP_ON, subject=who, actor=account.id, now=at)

    await alice.post("/account/email/undo", token=undo)

    async with portal.parts.sessions() as session:
        account = await session.get_one(Account, alice.account_id)
        assert (account.totp_sealed is not None) is stays
