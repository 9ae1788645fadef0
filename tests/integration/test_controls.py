"""Controls that stand behind others: each test fails when its own control is switched off and all others still hold.

What is tried over HTTP elsewhere often meets two controls at once; here the outer one is passed on purpose.
"""

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Literal
from uuid import UUID, uuid4

import jwt
import pytest
from argon2 import PasswordHasher
from sqlalchemy import select, text, update
from sqlalchemy.exc import SQLAlchemyError

from portal import live
from portal.accounts import sessions
from portal.accounts.passwords import Passwords
from portal.dashboard import stations
from portal.inverters import editing, ending
from portal.inverters import service as inverters
from portal.inverters.forms import Edited, NewInverter
from portal.keys import KeyUse, derived
from portal.live import LiveFeed
from portal.pairing import service as pairing
from schema.database import create_engine_for
from schema.models import Account, Audience, LoginSession
from tests.people import SESSION_COOKIE, Cast, Person, login_of, sign_up
from tests.portal_app import running_portal

pytestmark = pytest.mark.integration


async def page_session(cast: Cast, person: Person) -> LoginSession:
    """The row behind the person's cookie."""
    async with cast.portal.parts.sessions() as session:
        return (await session.scalars(select(LoginSession).where(LoginSession.account_id == person.account_id))).one()


async def test_a_pages_token_belongs_into_the_cookie_and_nowhere_else(cast: Cast) -> None:
    """A page that took it from a header would be open to whatever a program sends along."""
    token = cast.alice.http.cookies[SESSION_COOKIE]
    cast.alice.http.cookies.clear()

    by_header = await cast.alice.http.get("/inverters", headers={"Authorization": f"Bearer {token}"})

    assert by_header.status_code == 303


async def test_a_pages_token_names_pages_as_its_audience(cast: Cast) -> None:
    """Signed with the right key, for a living session of pages, but made for something else."""
    row = await page_session(cast, cast.alice)
    key = derived(cast.portal.parts.settings.auth_secret.get_secret_value(), KeyUse.PAGE_SESSIONS)
    claims = {"sub": str(row.account_id), "jti": str(row.id), "exp": int(row.expires_at.timestamp()), "iat": 1}
    opened = []
    for audience in ("page", "api", "mail"):
        cast.nobody.http.cookies.set(SESSION_COOKIE, jwt.encode({**claims, "aud": audience}, key, algorithm="HS256"))
        opened.append((await cast.nobody.get("/inverters")).status_code)

    assert opened == [200, 303, 303]


async def test_a_session_counts_for_its_own_audience_account_and_device(cast: Cast) -> None:
    """The row is asked for all of it, not just for its id."""
    row, now = await page_session(cast, cast.alice), cast.portal.clock()
    async with cast.portal.parts.sessions() as session:
        own = await sessions.visitor(session, row.account_id, row.id, audience=Audience.PAGE, now=now)
        others = [
            await sessions.visitor(session, row.account_id, row.id, audience=Audience.API, now=now),
            await sessions.visitor(session, cast.bob.account_id, row.id, audience=Audience.PAGE, now=now),
            await sessions.visitor(session, row.account_id, uuid4(), audience=Audience.PAGE, now=now),
            await sessions.visitor(
                session, row.account_id, row.id, audience=Audience.PAGE, now=now + timedelta(days=3)
            ),
        ]

    assert own is not None
    assert others == [None] * 4


async def test_an_address_that_is_no_longer_confirmed_opens_nothing(cast: Cast) -> None:
    """Its open sessions end with it."""
    async with cast.portal.parts.sessions.begin() as session:
        await session.execute(update(Account).where(Account.id == cast.alice.account_id).values(verified_at=None))

    assert (await cast.alice.get("/inverters")).status_code == 303


async def test_a_disabled_account_opens_nothing_whatever_sessions_it_has(cast: Cast) -> None:
    """Disabling ends them; one that began at that very moment opens nothing either."""
    async with cast.portal.parts.sessions.begin() as session:
        now = cast.portal.clock()
        await session.execute(update(Account).where(Account.id == cast.alice.account_id).values(disabled_at=now))

    assert (await cast.alice.get("/inverters")).status_code == 303


async def test_a_stream_ends_with_its_own_session_while_others_of_the_account_live(cast: Cast) -> None:
    """Logging one device out ends that device's stream, though another one is still signed in."""
    first, now = await page_session(cast, cast.alice), cast.portal.clock()
    await cast.alice.log_in()
    async with cast.portal.parts.sessions.begin() as session:
        await sessions.end(session, first.account_id, first.id)
        second = (
            await session.scalars(select(LoginSession.id).where(LoginSession.account_id == first.account_id))
        ).one()
        seen = [
            await stations.sight_of(session, account, device, now)
            for account, device in (
                (first.account_id, first.id),
                (cast.bob.account_id, second),
                (first.account_id, second),
            )
        ]
        late = await stations.sight_of(session, first.account_id, second, now + timedelta(days=3))

    assert seen[:2] == [None, None]
    assert seen[2] is not None
    assert late is None


async def test_every_rule_that_changes_an_inverter_asks_whose_it_is(cast: Cast) -> None:
    """Bob, an installer and an account that is gone, with Alice's true ids: each rule by itself, past the pages."""
    login, now = (await login_of(cast.portal, cast.roof)).name, cast.portal.clock()
    verifier = (await login_of(cast.portal, cast.roof)).verifier
    hers = await cast.alice.add_inverter("Barn", "2744444444")
    await cast.alice.post(f"/inverters/{hers}/delete")
    for stranger in (cast.bob.account_id, cast.ines.account_id, uuid4()):
        async with cast.portal.parts.sessions.begin() as session:
            refused = [
                await inverters.get_owned(session, stranger, cast.roof, now),
                await inverters.another_login(session, stranger, cast.roof, now),
                await pairing.renew_secret(session, stranger, cast.roof, login, now),
                await pairing.pairing(session, cast.portal.parts.live_engine, stranger, cast.roof, now),
            ]
            changed = [
                await editing.edit(session, stranger, cast.roof, Edited(name="Bob's"), now),
                await ending.remove(session, stranger, cast.roof, now),
                await ending.bring_back(session, stranger, hers, now),
            ]

        assert refused == [None] * 4
        assert changed == [False, False, False]

    assert (await login_of(cast.portal, cast.roof)).verifier == verifier
    assert "Roof" in (await cast.alice.get("/inverters")).text


class CountingHasher(PasswordHasher):
    """Counts how often it was made to work."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.compared = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002  # the library's name
        """Compare, and remember that it was done."""
        self.compared += 1
        return super().verify(hash, password)


async def test_an_address_without_an_account_costs_a_comparison_too() -> None:
    """Else the time of an answer would tell who has an account."""
    hasher = CountingHasher()
    passwords = Passwords(hasher)
    stored = await passwords.hashed("nine green bottles")

    found = [await passwords.fits(kept, "a wrong password") for kept in (stored, None)]

    assert found == [False, False]
    assert hasher.compared == 2


async def test_every_sign_up_costs_as_much(tmp_path: Path) -> None:
    """A new address, one that waits for its confirmation, one that has an account: the same work at the passwords."""
    hasher, cost = CountingHasher(), []
    async with running_portal(tmp_path, hasher=hasher) as portal, portal.browser() as http:
        visitor = Person("visitor", http)
        await sign_up(portal, Person("alice", http))
        for address in ("new@example.org", "new@example.org", "alice@example.org"):
            before = hasher.compared
            await visitor.post("/signup", email=address, password="nine green bottles")
            cost.append(hasher.compared - before)

    assert cost == [1, 1, 1]


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "/\\evil.example"])
async def test_nobody_is_sent_elsewhere_by_logging_in(cast: Cast, elsewhere: str) -> None:
    """Neither with the form nor when there is nothing to log in for."""
    by_form = await cast.alice.log_in(next=elsewhere)
    at_once = await cast.alice.http.get("/login", params={"next": elsewhere})

    assert by_form.headers["location"] == at_once.headers["location"] == "/"


async def test_an_error_of_the_database_names_no_value(database_url: str) -> None:
    """It ends in a log: the statement may stand there, what was looked for may not."""
    engine = create_engine_for(database_url)
    try:
        async with engine.connect() as connection:
            with pytest.raises(SQLAlchemyError) as fault:
                await connection.execute(text("SELECT :secret FROM nothing"), {"secret": "nine green bottles"})
    finally:
        await engine.dispose()

    assert "nine green bottles" not in str(fault.value)


async def test_one_account_cannot_fill_the_store_with_places(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """Adding and deleting in turns does not help: what lies in the store outlives the deletion."""
    monkeypatch.setattr(inverters, "MOST_NEW", 3)
    first = await cast.bob.add_inverter("Second", "2700000001")
    await cast.bob.post(f"/inverters/{first}/delete")
    await cast.bob.add_inverter("Third", "2700000002")
    refused = await cast.bob.post("/inverters", name="Fourth", serial="2700000003")
    of_alice = await cast.alice.post("/inverters", name="Barn", serial="2700000003")
    cast.portal.clock.go(hours=25)
    async with cast.portal.parts.sessions.begin() as session:
        now = cast.portal.clock()
        next_day = await inverters.add(
            session, cast.bob.account_id, NewInverter(name="Fourth", serial="2700000003"), now=now
        )

    assert refused.status_code == 422
    assert "tomorrow" in refused.text
    assert of_alice.status_code == 303
    assert next_day.credentials.login


async def test_the_number_of_inverters_and_of_logins_is_limited(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each login is a line in the broker's password file, each inverter a bucket."""
    monkeypatch.setattr(inverters, "MOST_INVERTERS", 1)
    answers = [
        (await cast.alice.post(f"/inverters/{cast.roof}/pairing/logins")).status_code
        for _ in range(inverters.MOST_LOGINS + 1)
    ]
    one_more = await cast.alice.post("/inverters", name="Barn", serial="2733333333")

    assert answers == [303] * (inverters.MOST_LOGINS - 1) + [409] * 2
    assert one_more.status_code == 422


def test_one_account_cannot_hold_all_streams_open() -> None:
    """The oldest of its pages ends; nobody else's does."""
    alice, bob = uuid4(), uuid4()
    feed = LiveFeed("sqlite://", None)  # type: ignore[arg-type]  # nothing is asked of the database here
    with ExitStack() as stack:

        def opened(who: UUID) -> live.Subscription:
            return stack.enter_context(feed.subscribed([], who=who))

        hers = opened(alice)
        his = [opened(bob) for _ in range(live.MOST_OF_ONE + 2)]

        assert not hers.closed
        assert [one.closed for one in his] == [True, True] + [False] * live.MOST_OF_ONE

    assert feed.listeners == 0


@pytest.mark.parametrize("email", ["a%00lice%40example.org", "alice%40example.org%00", "%ED%A0%80", "%FF"])
async def test_what_no_database_can_hold_is_an_unknown_address(database_url: str, tmp_path: Path, email: str) -> None:
    """PostgreSQL refuses a text with a zero in it; nobody gets a fault of ours for typing one."""
    form = {"content-type": "application/x-www-form-urlencoded"}
    async with running_portal(tmp_path, database_url=database_url) as portal, portal.browser() as http:
        token = await Person("nobody", http).form_token()
        page = await http.post("/login", content=f"email={email}&password=x&_csrf_token={token}", headers=form)
        program = await http.post("/auth/jwt/login", content=f"username={email}&password=x", headers=form)

    assert (page.status_code, program.status_code) == (422, 401)
