"""What ends an account's sessions ends all of them, cookies and bearer tokens, at once; keys only where it must."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import pytest
from sqlalchemy import select, update

from portal.accounts import deletion
from portal.accounts.passwords import Passwords
from schema.models import Account, LoginSession
from tests.administration import devices
from tests.factors import switched_on
from tests.people import PASSWORD, SESSION_COOKIE, Cast, Person, newest_link, token_of
from tests.portal_app import CHEAP

pytestmark = pytest.mark.integration

NEW_PASSWORD = "seven blue umbrellas"
Act = Callable[[Cast, Person], Awaitable[None]]


async def changed(cast: Cast, person: Person) -> None:
    """The password is changed, at a device of its own."""
    async with cast.portal.browser() as http:
        device = Person(person.name, http)
        await device.log_in()
        answer = await device.post("/account/password", old_password=PASSWORD, password=NEW_PASSWORD)
        assert answer.status_code == 303, answer.text


async def reset(cast: Cast, person: Person) -> None:
    """The password is set by a mailed link."""
    await cast.nobody.post("/reset", email=person.email)
    token = token_of(await newest_link(cast.portal, person.email))
    answer = await cast.nobody.post("/reset/set", token=token, password=NEW_PASSWORD)
    assert answer.status_code == 303, answer.text


async def demoted(cast: Cast, person: Person) -> None:
    """An administrator takes a role."""
    async with cast.portal.parts.sessions.begin() as session:
        await session.execute(update(Account).where(Account.id == person.account_id).values(is_installer=True))
    answer = await cast.ada.post(f"/admin/users/{person.account_id}/take", role="installer")
    assert answer.status_code == 303, answer.text


async def disabled(cast: Cast, person: Person) -> None:
    """An administrator lets the account in no more."""
    assert (await cast.ada.post(f"/admin/users/{person.account_id}/disable")).status_code == 303


async def deleted(cast: Cast, person: Person) -> None:
    """The account's deletion was asked for, and the grace is over."""
    async with cast.portal.parts.sessions.begin() as session:
        due = cast.portal.clock()
        await session.execute(update(Account).where(Account.id == person.account_id).values(delete_after=due))
    async with cast.portal.parts.sessions.begin() as session:
        assert await deletion.erase(session, person.account_id, now=cast.portal.clock())


async def changed_here(cast: Cast, person: Person) -> None:
    """The password is changed, at this very device."""
    answer = await person.post("/account/password", old_password=PASSWORD, password=NEW_PASSWORD)
    assert answer.status_code == 303, answer.text


async def with_a_second_factor(cast: Cast, person: Person) -> None:
    """Two-step log-in is switched on; the page still shows the recovery codes."""
    await switched_on(cast.portal, person, wait=False)


async def proved(cast: Cast, person: Person) -> None:
    """The password is given once more, before something dear."""
    cast.portal.clock.go(hours=1)
    answer = await person.post("/account/prove", password=PASSWORD, next="/account/password")
    assert answer.headers["location"] == "/account/password", answer.text


async def others_ended(cast: Cast, person: Person) -> None:
    """Every device but this one is logged out."""
    answer = await person.post("/account/devices/end-others")
    assert answer.status_code == 303, answer.text


@dataclass
class Ways:
    """Every way into one account that somebody holds."""

    cookie: str
    bearer: str
    key: str

    async def opened(self, cast: Cast) -> list[int]:
        """Page by cookie, API by bearer token, API by key."""
        async with cast.portal.browser() as http:
            http.cookies.set(SESSION_COOKIE, self.cookie, domain="portal.example.org")
            page = await http.get("/inverters")
        async with cast.portal.browser() as http:
            api = [
                await http.get("/api/inverters", headers={"Authorization": f"Bearer {token}"})
                for token in (self.bearer, self.key)
            ]
        return [answer.status_code for answer in (page, *api)]


async def ways_of(person: Person) -> Ways:
    """A cookie, a bearer token and a key."""
    await person.post("/account/keys", name="Home", days="90")
    key = re.search(r"deye_[A-Z2-7]{32}", (await person.get("/account/keys")).text)
    assert key
    return Ways(person.http.cookies[SESSION_COOKIE], (await person.bearer())["Authorization"].split()[1], key[0])


@pytest.mark.parametrize(
    ("act", "key"), [(changed, 200), (reset, 200), (demoted, 200), (disabled, 401), (deleted, 401)]
)
async def test_what_ends_the_sessions_ends_them_all(cast: Cast, act: Act, key: int) -> None:
    """At the next request, whoever holds the token; Bob's go on, and so does Alice's key where it may."""
    hers, his = await ways_of(cast.alice), await ways_of(cast.bob)
    before = await hers.opened(cast)

    await act(cast, cast.alice)

    assert before == [200, 200, 200]
    assert await hers.opened(cast) == [303, 401, key]
    assert await his.opened(cast) == [200, 200, 200]


@pytest.mark.parametrize("act", [changed_here, with_a_second_factor, proved, others_ended])
async def test_a_copied_cookie_ends_with_the_device_it_was_copied_from(cast: Cast, act: Act) -> None:
    """A thief has the very same session, not another one; its owner goes on, and it is one device to her."""
    stolen = cast.alice.http.cookies[SESSION_COOKIE]
    async with cast.portal.browser() as http:
        thief = Person("alice", http)
        http.cookies.set(SESSION_COOKIE, stolen, domain="portal.example.org")
        before = (await thief.get("/account")).status_code

        await act(cast, cast.alice)
        pages = [(await thief.get(page)).status_code for page in ("/account", "/account/password")]

    assert before == 200
    assert pages == [303, 303]
    assert (await cast.alice.get("/account/password")).status_code == 200
    assert await devices(cast.portal, cast.alice.account_id) == 1


async def test_a_proof_does_not_make_a_session_live_longer(cast: Cast) -> None:
    """Two days from the log-in, whatever was proved meanwhile; the list of devices keeps its day."""
    rows = []
    for _ in range(2):
        async with cast.portal.parts.sessions() as session:
            statement = select(LoginSession).where(LoginSession.account_id == cast.alice.account_id)
            rows.append((await session.scalars(statement)).one())
        await proved(cast, cast.alice)
    first, second = rows

    assert first.id != second.id
    assert (first.created_at, first.expires_at) == (second.created_at, second.expires_at)


async def test_a_role_is_read_at_each_request(cast: Cast) -> None:
    """Given or taken in the database it counts at once, in a session that began before."""
    async with cast.portal.parts.sessions() as session:
        row = (await session.scalars(select(LoginSession).where(LoginSession.account_id == cast.bob.account_id))).one()
    seen = []
    for is_admin in (False, True, False):
        async with cast.portal.parts.sessions.begin() as session:
            await session.execute(update(Account).where(Account.id == cast.bob.account_id).values(is_admin=is_admin))
        seen.append((await cast.bob.get("/admin")).status_code)
    async with cast.portal.parts.sessions() as session:
        still = (
            await session.scalars(select(LoginSession).where(LoginSession.account_id == cast.bob.account_id))
        ).one()

    assert seen == [404, 200, 404]
    assert still.id == row.id


class Slow(Passwords):
    """Compares in its own time: ``comparing`` is set when it has begun, and it goes on when ``go_on`` is."""

    def __init__(self) -> None:
        super().__init__(CHEAP)
        self.comparing, self.go_on = asyncio.Event(), asyncio.Event()

    async def fits(self, stored: str | None, password: str) -> bool:
        """As always, and told only when it may."""
        found = await super().fits(stored, password)
        self.comparing.set()
        await self.go_on.wait()
        return found


@pytest.mark.parametrize("act", [reset, disabled, deleted, with_a_second_factor])
@pytest.mark.parametrize("by_program", [False, True])
async def test_a_log_in_that_was_under_way_does_not_outlast_it(cast: Cast, act: Act, *, by_program: bool) -> None:
    """The old password was compared before and the session would begin after: whoever knew it is not in."""
    state, slow = cast.portal.app.state, Slow()
    as_before = state.parts
    state.parts = replace(as_before, passwords=slow)
    async with cast.portal.browser() as http:
        thief = Person(cast.alice.name, http)
        form = {"username": thief.email, "password": PASSWORD}
        token = await thief.form_token()
        entering = asyncio.create_task(
            http.post("/auth/jwt/login", data=form)
            if by_program
            else http.post("/login", data={"email": thief.email, "password": PASSWORD, "_csrf_token": token})
        )
        await slow.comparing.wait()
        state.parts = as_before
        await act(cast, cast.alice)
        slow.go_on.set()
        answer = await entering
        page = await thief.get("/")

    entered = answer.status_code == 303 and answer.headers["location"] == "/"
    assert not entered
    assert "access_token" not in answer.text
    assert page.headers.get("location") == "/login"
