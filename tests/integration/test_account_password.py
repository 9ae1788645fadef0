"""A changed password: only for who knows the present one, and the end of every other session."""

import pytest
from sqlalchemy import select

from schema.models import AuditEntry
from tests.people import PASSWORD, Person, newest_link, sign_up, token_of
from tests.portal_app import RunningPortal

pytestmark = pytest.mark.integration

NEW_PASSWORD = "four blue kettles sing"
NEW_ADDRESS = "liddell@example.net"


async def actions(portal: RunningPortal) -> list[str]:
    """What the audit log says was done, oldest first."""
    async with portal.parts.sessions() as session:
        return list((await session.scalars(select(AuditEntry.action).order_by(AuditEntry.id))).all())


async def signed_in(portal: RunningPortal, person: Person) -> None:
    """A confirmed account, logged in."""
    await sign_up(portal, person)
    await person.log_in()


async def test_a_new_password_keeps_this_device_alone(portal: RunningPortal, alice: Person, bob: Person) -> None:
    """Every other session ends, a reset link somebody asked for too, and the address is told."""
    await signed_in(portal, alice)
    headers = await alice.bearer()
    await bob.post("/reset", email=alice.email)
    reset = token_of(await newest_link(portal, alice.email))

    answer = await alice.post("/account/password", old_password=PASSWORD, password=NEW_PASSWORD)
    await portal.mail_sent()

    assert (answer.status_code, answer.headers["location"]) == (303, "/account?notice=password")
    assert (await alice.get("/")).status_code == 200
    assert (await alice.http.get("/api/inverters", headers=headers)).status_code == 401
    assert (await bob.get(f"/reset/set?token={reset}")).status_code == 410
    assert portal.bag.to(alice.email)[-1]["Subject"] == "Your password was changed"
    assert (await actions(portal)).count("password.changed") == 1
    bob.name = alice.name
    assert [(await bob.log_in(word)).status_code for word in (PASSWORD, NEW_PASSWORD)] == [422, 303]


async def test_a_wrong_old_password_is_a_try_like_any_other(portal: RunningPortal, alice: Person) -> None:
    """Whoever finds an open browser guesses five times, then waits; nothing has changed."""
    await signed_in(portal, alice)

    answers = [
        await alice.post("/account/password", old_password=f"guess number {n}", password=NEW_PASSWORD) for n in range(7)
    ]

    assert {answer.status_code for answer in answers[:3]} == {422}
    assert answers[-1].status_code == 429
    assert 'id="old_password-error"' in answers[0].text
    assert "guess number" not in answers[0].text
    assert "password.changed" not in await actions(portal)


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"old_password": PASSWORD, "password": "short"}, "password"),
        ({"old_password": PASSWORD, "password": "alice@example.org"}, "password"),
        ({"old_password": "", "password": NEW_PASSWORD}, "old_password"),
        ({"password": NEW_PASSWORD}, "old_password"),
    ],
)
async def test_a_wrong_password_form_comes_back_with_what_is_wrong(
    portal: RunningPortal, alice: Person, typed: dict[str, str], field: str
) -> None:
    """422, the sentence beside its field, no password in the page."""
    await signed_in(portal, alice)

    answer = await alice.post("/account/password", **typed)

    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert PASSWORD not in answer.text
    assert NEW_PASSWORD not in answer.text


@pytest.mark.parametrize("form", ["/account/password", "/account/email", "/account/delete"])
async def test_what_is_dear_wants_a_fresh_log_in(portal: RunningPortal, alice: Person, form: str) -> None:
    """A browser left open for an hour shows neither form nor effect, but asks for the password."""
    await signed_in(portal, alice)
    portal.clock.go(hours=1)

    page = await alice.get(form)
    sent = await alice.post(form, old_password=PASSWORD, password=NEW_PASSWORD, email=NEW_ADDRESS)

    assert page.headers["location"] == f"/account/prove?next={form}"
    assert sent.headers["location"] == f"/account/prove?next={form}&again=yes"
    assert not {"password.changed", "email.change_asked", "account.deletion_asked"} & set(await actions(portal))
