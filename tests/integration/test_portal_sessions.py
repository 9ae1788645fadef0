"""Sessions and secrets: what ends ends everywhere, what is forged opens nothing, what is secret is kept nowhere."""

import jwt
import pytest
from sqlalchemy import select

from portal.keys import KeyUse, derived
from schema.models import Account, EmailToken, LoginSession, OutboxMail
from tests.people import PASSWORD, SESSION_COOKIE, Person, newest_link, sign_up, token_of
from tests.portal_app import RunningPortal

pytestmark = pytest.mark.integration


async def test_a_logged_out_cookie_opens_nothing(portal: RunningPortal, alice: Person) -> None:
    """The session ends at the server, whatever the browser keeps."""
    await sign_up(portal, alice)
    await alice.log_in()
    stolen = alice.http.cookies[SESSION_COOKIE]
    await alice.post("/logout")

    alice.http.cookies.set(SESSION_COOKIE, stolen, domain="portal.example.org")
    answer = await alice.get("/")

    assert answer.status_code == 303


async def test_a_session_ends_after_two_days(portal: RunningPortal, alice: Person) -> None:
    """The row says when."""
    await sign_up(portal, alice)
    await alice.log_in()
    portal.clock.go(hours=47)
    in_time = await alice.get("/")
    portal.clock.go(hours=2)
    late = await alice.get("/")

    assert in_time.status_code == 200
    assert late.status_code == 303


async def test_page_and_api_tokens_do_not_open_each_other(portal: RunningPortal, alice: Person) -> None:
    """Another key, another audience, another place to look."""
    await sign_up(portal, alice)
    await alice.log_in()
    cookie = alice.http.cookies[SESSION_COOKIE]
    bearer = await alice.bearer()

    api_with_page_token = await alice.http.get("/api/inverters", headers={"Authorization": f"Bearer {cookie}"})
    api_with_cookie_alone = await alice.http.get("/api/inverters")
    alice.http.cookies.clear()
    page_with_header = await alice.http.get("/", headers=bearer)
    alice.http.cookies.set(SESSION_COOKIE, bearer["Authorization"].split()[1], domain="portal.example.org")
    page_with_api_token = await alice.get("/")

    assert api_with_page_token.status_code == api_with_cookie_alone.status_code == 401
    assert page_with_header.status_code == page_with_api_token.status_code == 303


async def test_forged_tokens_open_nothing(portal: RunningPortal, alice: Person) -> None:
    """No signature, another key, another audience, another account's session, a missing claim: all 401."""
    await sign_up(portal, alice)
    await alice.bearer()
    secret = portal.parts.settings.auth_secret.get_secret_value()
    key = derived(secret, KeyUse.API_SESSIONS)
    async with portal.parts.sessions() as session:
        row = (await session.scalars(select(LoginSession))).one()
    expires = int(row.expires_at.timestamp())
    good = {"sub": str(row.account_id), "jti": str(row.id), "aud": "api", "exp": expires, "iat": expires - 172800}
    forged = {
        "no signature": jwt.encode(good, "", algorithm="none"),
        "the master secret": jwt.encode(good, secret, algorithm="HS256"),
        "the pages' key": jwt.encode(good, derived(secret, KeyUse.PAGE_SESSIONS), algorithm="HS256"),
        "another audience": jwt.encode({**good, "aud": "page"}, key, algorithm="HS256"),
        "another account": jwt.encode({**good, "sub": "00000000-0000-0000-0000-000000000000"}, key, algorithm="HS256"),
        "no session": jwt.encode({k: v for k, v in good.items() if k != "jti"}, key, algorithm="HS256"),
        "no id": jwt.encode({**good, "jti": "x"}, key, algorithm="HS256"),
        "expired": jwt.encode({**good, "exp": 1}, key, algorithm="HS256"),
        "nonsense": "x.y.z",
    }

    async def status(token: str) -> int:
        return (await alice.http.get("/api/inverters", headers={"Authorization": f"Bearer {token}"})).status_code

    assert await status(jwt.encode(good, key, algorithm="HS256")) == 200
    assert {name: await status(token) for name, token in forged.items()} == dict.fromkeys(forged, 401)


async def test_guessing_is_slowed_and_the_owner_still_gets_in(
    portal: RunningPortal, alice: Person, bob: Person
) -> None:
    """After five tries Bob has to wait; a quarter of an hour later Alice logs in from the same address."""
    await sign_up(portal, alice)

    tries = [await bob.post("/login", email=alice.email, password=f"guess number {n}") for n in range(7)]
    portal.clock.go(minutes=15)
    owner = await alice.log_in()

    assert [answer.status_code for answer in tries] == [422] * 5 + [429] * 2
    assert int(tries[-1].headers["retry-after"]) in range(1, 901)
    assert owner.status_code == 303


async def test_the_database_keeps_no_secret_in_clear(portal: RunningPortal, alice: Person) -> None:
    """Neither the password nor the token of a sent mail can be found in any row."""
    await alice.post("/signup", email=alice.email, password=PASSWORD)
    token = token_of(await newest_link(portal, alice.email))

    async with portal.parts.sessions() as session:
        rows = [
            str(value)
            for table in (Account, EmailToken, OutboxMail)
            for row in (await session.execute(select(table.__table__))).all()
            for value in row
        ]

    assert rows
    assert not [value for value in rows if PASSWORD in value or token in value]


async def test_secrets_do_not_reach_the_log(
    portal: RunningPortal, alice: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    """Password, mailed token, cookie and bearer token: through every flow and not one of them printed or logged."""
    await alice.post("/signup", email=alice.email, password=PASSWORD)
    token = token_of(await newest_link(portal, alice.email))
    await alice.post("/verify", token=token)
    await alice.log_in("a wrong password")
    await alice.log_in()
    bearer = (await alice.bearer())["Authorization"].split()[1]
    cookie = alice.http.cookies[SESSION_COOKIE]
    await alice.http.get("/healthcheck")

    said = "".join(capsys.readouterr())

    assert "login.refused" in said
    assert not [secret for secret in (PASSWORD, "a wrong password", token, bearer, cookie) if secret in said]
