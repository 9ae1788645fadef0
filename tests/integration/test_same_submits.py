"""Many equal forms at once are one row and one mail: whoever presses twice, or fifty times, has done it once."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select, update

from schema.models import Account, Base, EmailToken, Grant, Inverter, Login, Owner
from tests.at_once import AT_ONCE
from tests.people import PASSWORD, Person, newest_link, sign_up, token_of
from tests.portal_app import RunningPortal, running_portal

pytestmark = pytest.mark.integration

NEW_PASSWORD = "four blue kettles sing"
NEW_ADDRESS = "liddell@example.net"


@pytest.fixture(params=["sqlite", "postgresql"])
async def portal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[RunningPortal, None]:
    """On SQLite writers take turns by themselves; on PostgreSQL they do not."""
    values = {}
    if request.param == "postgresql":
        values["database_url"] = request.getfixturevalue("postgres_server").fresh("submits")
    async with running_portal(tmp_path, **values) as running:
        yield running


@pytest.fixture(autouse=True)
def many_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits per address would let only some of them through: here it is what comes after them that counts."""
    monkeypatch.setattr("portal.limits.refuse_for", lambda _wait: None)


async def many(person: Person, path: str, **typed: str) -> Counter[int]:
    """The same form many times at once; how often each status was answered."""
    token = await person.form_token()
    forms = [person.http.post(path, data={**typed, "_csrf_token": token}) for _ in range(AT_ONCE)]
    answers: list[httpx.Response] = await asyncio.gather(*forms)
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) <= {303, 404, 410, 422}, statuses
    return statuses


async def subjects(portal: RunningPortal, address: str) -> list[str]:
    """Subjects of the mails to this address."""
    while await portal.parts.mailer.send_due():
        pass
    return [str(mail["Subject"]) for mail in portal.bag.to(address)]


async def count(portal: RunningPortal, *tables: type[Base]) -> list[int]:
    """Rows of each table."""
    async with portal.parts.sessions() as session:
        return [(await session.execute(select(func.count()).select_from(table))).scalar_one() for table in tables]


async def signed_in(portal: RunningPortal, person: Person) -> None:
    """A confirmed account, logged in."""
    await sign_up(portal, person)
    await person.log_in()


async def test_a_sign_up(portal: RunningPortal, alice: Person) -> None:
    """One account, one home, one link; for a known address one mail that says so."""
    new = await many(alice, "/signup", email=alice.email, password=PASSWORD)
    rows = await count(portal, Account, Owner, Grant, EmailToken)
    mails = await subjects(portal, alice.email)
    await alice.post("/verify", token=token_of(await newest_link(portal, alice.email)))
    known = await many(alice, "/signup", email=alice.email, password=PASSWORD)

    assert new == known == {303: AT_ONCE}
    assert rows == [1, 1, 1, 1]
    assert mails == ["Confirm your address"]
    assert await subjects(portal, alice.email) == ["Confirm your address", "You already have an account"]


async def test_a_wish_for_another_link(portal: RunningPortal, alice: Person) -> None:
    """The first link, the second and the reset: one mail each."""
    await alice.post("/signup", email=alice.email, password=PASSWORD)
    portal.clock.go(minutes=1)
    await many(alice, "/verify/again", email=alice.email)
    await alice.post("/verify", token=token_of(await newest_link(portal, alice.email)))
    await many(alice, "/reset", email=alice.email)

    assert await subjects(portal, alice.email) == [
        "Confirm your address",
        "Confirm your address",
        "Set a new password",
    ]


async def test_a_confirmation_and_a_new_password_by_link(portal: RunningPortal, alice: Person) -> None:
    """One of them uses the token, the others are told that it is used."""
    await alice.post("/signup", email=alice.email, password=PASSWORD)
    confirmed = await many(alice, "/verify", token=token_of(await newest_link(portal, alice.email)))
    await alice.post("/reset", email=alice.email)
    link = token_of(await newest_link(portal, alice.email))
    done = await many(alice, "/reset/set", token=link, password=NEW_PASSWORD)

    assert confirmed == done == {303: 1, 410: AT_ONCE - 1}
    assert (await subjects(portal, alice.email))[2:] == ["Your password was changed"]


async def test_an_inverter(portal: RunningPortal, alice: Person) -> None:
    """One inverter with one login; the others are shown it."""
    await signed_in(portal, alice)

    added = await many(alice, "/inverters", name="Roof", serial="2711111111")

    assert added == {303: 1, 422: AT_ONCE - 1}
    assert await count(portal, Inverter, Login) == [1, 1]


async def test_a_site_and_its_device(portal: RunningPortal, alice: Person) -> None:
    """One site, and one device of it with one login; the others are shown them."""
    await signed_in(portal, alice)
    async with portal.parts.sessions.begin() as session:
        await session.execute(update(Account).values(is_installer=True))

    made = await many(alice, "/sites", name="Mill Lane 4")
    site = re.search(r'href="(/sites/[0-9a-f-]+)"', (await alice.get("/sites")).text)
    assert site
    added = await many(alice, f"{site[1]}/devices", serial="2711111111")

    assert made == added == {303: 1, 422: AT_ONCE - 1}
    assert await count(portal, Owner, Grant, Inverter, Login) == [2, 2, 1, 1]


async def test_a_changed_password(portal: RunningPortal, alice: Person) -> None:
    """One change, one notice."""
    await signed_in(portal, alice)

    changed = await many(alice, "/account/password", old_password=PASSWORD, password=NEW_PASSWORD)

    assert changed[303] == 1
    assert await subjects(portal, alice.email) == ["Your password was changed"]


async def test_a_wish_for_another_address(portal: RunningPortal, alice: Person, bob: Person) -> None:
    """One link to a free address; one word to the person who has the other one."""
    await signed_in(portal, alice)
    await sign_up(portal, bob)
    await many(alice, "/account/email", email=NEW_ADDRESS)
    await many(alice, "/account/email", email=bob.email)

    assert await subjects(portal, NEW_ADDRESS) == ["Confirm your new address"]
    assert await subjects(portal, bob.email) == ["You already have an account"]
    assert await count(portal, EmailToken) == [1]


async def test_another_address_and_the_way_back(portal: RunningPortal, alice: Person, bob: Person) -> None:
    """One change, one notice, one undoing."""
    await signed_in(portal, alice)
    await alice.post("/account/email", email=NEW_ADDRESS)
    changed = await many(alice, "/account/email/confirm", token=token_of(await newest_link(portal, NEW_ADDRESS)))
    undo = token_of(await newest_link(portal, alice.email))
    undone = await many(bob, "/account/email/undo", token=undo)

    # Who comes after the change is no longer signed in.
    assert changed[410] + changed[303] == AT_ONCE
    assert await subjects(portal, alice.email) == ["Your address was changed"]
    assert undone == {303: 1, 410: AT_ONCE - 1}


async def test_a_deletion_and_its_end(portal: RunningPortal, alice: Person, bob: Person) -> None:
    """One day, one mail, one cancellation."""
    await signed_in(portal, alice)
    asked = await many(alice, "/account/delete", sure="yes")
    mails = await subjects(portal, alice.email)
    tokens = await count(portal, EmailToken)
    cancelled = await many(bob, "/account/delete/cancel", token=token_of(await newest_link(portal, alice.email)))

    assert asked == {303: AT_ONCE}
    assert (mails, tokens) == (["Your account will be deleted"], [1])
    assert cancelled == {303: 1, 410: AT_ONCE - 1}
