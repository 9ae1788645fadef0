"""The page of an inverter's logins: what is in use, new secrets, the end of one, quarantine; never a secret."""

import asyncio
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from portal.logins.service import secrets_seen_by_others
from schema import notices
from schema.changes import registry_version
from schema.models import (
    DeadLetterRequest,
    Feed,
    Inverter,
    LetterAction,
    Login,
    LoginLive,
    Notice,
    NoticeKind,
    PasswordFileGeneration,
)
from tests.people import PASSWORD, Cast, login_of, shown_secret

pytestmark = pytest.mark.integration


@pytest.fixture
def cast(cast_on_each: Cast) -> Cast:
    """Everybody at a portal of their own, over each kind of database."""
    return cast_on_each


async def broker_has_loaded(cast: Cast) -> None:
    """Everything there is by now."""
    async with cast.portal.parts.sessions.begin() as session:
        newest = await registry_version(session)
        await session.execute(update(PasswordFileGeneration).values(written=newest, applied=newest))


async def heard(cast: Cast, login: str, **times: datetime | None) -> None:
    """Write what the bridge knows of a login."""
    async with AsyncSession(cast.portal.parts.live_engine) as session, session.begin():
        await session.merge(LoginLive(login=login, **times))


async def quarantine(cast: Cast, login: str) -> None:
    """As the bridge does it."""
    async with cast.portal.parts.sessions.begin() as session:
        row = await session.get_one(Login, login)
        assert row.owner_id is not None
        row.quarantined_at, row.quarantine_why = cast.portal.clock(), NoticeKind.FLAPPING
        await notices.note(session, NoticeKind.QUARANTINED, owner_id=row.owner_id, login=login, now=cast.portal.clock())


async def row_of(cast: Cast, login: str) -> Login:
    """As it is now."""
    async with cast.portal.parts.sessions() as session:
        return await session.get_one(Login, login)


async def test_the_page_says_what_is_in_use(cast: Cast) -> None:
    """Unknown to the broker, never used, connected, gone again: each in words."""
    path, now = f"/inverters/{cast.roof}/logins", cast.portal.clock()
    login = (await login_of(cast.portal, cast.roof)).name
    making = await cast.alice.get(path)
    await broker_has_loaded(cast)
    unused = await cast.alice.get(path)
    await heard(cast, login, connected_at=now, seen_at=now, disconnected_at=None)
    connected = await cast.alice.get(path)
    await heard(cast, login, connected_at=now, seen_at=now, disconnected_at=now + timedelta(seconds=1))
    gone = await cast.alice.get(path)

    assert "does not know it yet" in making.text
    assert "never used" in unused.text
    assert "connected now" in connected.text
    assert "nobody is connected" in gone.text
    assert login in gone.text
    assert "hx-get" in making.text
    assert "hx-get" not in gone.text


async def test_a_new_secret_is_clear_until_the_broker_has_it(cast: Cast) -> None:
    """It is shown once, on the pairing page; the page of logins says which of the two works meanwhile."""
    path, login = f"/inverters/{cast.roof}/logins", (await login_of(cast.portal, cast.roof)).name
    await cast.alice.get(f"/inverters/{cast.roof}/pairing")
    await broker_has_loaded(cast)
    cast.portal.clock.go(hours=1)
    await cast.alice.post("/account/prove", password=PASSWORD)

    answer = await cast.alice.post(f"/inverters/{cast.roof}/pairing/secret", login=login)
    listed = await cast.alice.get(path)
    shown = await cast.alice.get(answer.headers["location"])
    await broker_has_loaded(cast)
    loaded = await cast.alice.get(path)

    assert "until then the old one works" in listed.text
    assert "until then the old one works" not in loaded.text
    assert shown_secret(shown.text)
    assert shown_secret(listed.text) == shown_secret(loaded.text) == ""
    assert (await row_of(cast, login)).renewed_at == cast.portal.clock()


async def test_a_revoked_login_is_told_until_the_broker_has_closed_it(cast: Cast) -> None:
    """Revoked at once for the bridge, closed within seconds at the broker: the page knows which of the two it is."""
    path, login = f"/inverters/{cast.roof}/logins", (await login_of(cast.portal, cast.roof)).name
    await broker_has_loaded(cast)
    async with cast.portal.parts.sessions() as session:
        before = await registry_version(session)

    answer = await cast.alice.post(f"{path}/revoke", login=login)
    closing = await cast.alice.get(path)
    await broker_has_loaded(cast)
    closed = await cast.alice.get(path)
    cast.portal.clock.go(days=31)
    await cast.alice.log_in()
    forgotten = await cast.alice.get(path)

    row = await row_of(cast, login)
    assert answer.headers["location"] == f"{path}#{login}"
    assert "closes its connection within seconds" in closing.text
    assert "has closed its connection" in closed.text
    assert "has no login" in closed.text
    assert login not in forgotten.text
    assert row.revoked_at is not None
    assert row.registry_version == before + 1


async def test_a_gateways_login_says_whom_else_it_speaks_of(cast: Cast) -> None:
    """Before it is revoked for all of them."""
    login = (await login_of(cast.portal, cast.roof)).name
    barn = await cast.alice.add_inverter("Barn", "2744444444")
    async with cast.portal.parts.sessions.begin() as session:
        session.add(Feed(id=uuid4(), login=login, selector="2", inverter_id=barn))

    page = await cast.alice.get(f"/inverters/{cast.roof}/logins")
    await cast.alice.post(f"/inverters/{barn}/logins/revoke", login=login)

    assert "It ends for good, and for Barn too." in page.text
    assert (await row_of(cast, login)).revoked_at is not None


async def test_a_login_is_named_by_its_owner(cast: Cast) -> None:
    """Blanks are tidied; an empty name comes back with what is wrong, beside its login."""
    path, login = f"/inverters/{cast.roof}/logins", (await login_of(cast.portal, cast.roof)).name
    answer = await cast.alice.post(f"{path}/name", login=login, label="  OpenDTU   on the roof ")
    wrong = await cast.alice.post(f"{path}/name", login=login, label="  ")
    too_long = await cast.alice.post(f"{path}/name", login=login, label="x" * 81)
    another = await cast.alice.post(f"/inverters/{cast.roof}/pairing/logins", label="Home Assistant", known="1")
    nameless = await cast.alice.post(f"/inverters/{cast.roof}/pairing/logins", label="", known="2")

    assert answer.status_code == another.status_code == 303
    assert wrong.status_code == too_long.status_code == nameless.status_code == 422
    assert f'id="label-{login}-error"' in wrong.text
    assert 'id="label-error"' in nameless.text
    page = (await cast.alice.get(path)).text
    assert "OpenDTU on the roof" in page
    assert "Home Assistant" in page


@pytest.mark.parametrize("replay", [False, True])
async def test_a_quarantine_ends_when_its_owner_says_so(cast: Cast, replay: bool) -> None:
    """The reason is told; what was set aside is taken up again where that is wanted."""
    path, login = f"/inverters/{cast.roof}/logins", (await login_of(cast.portal, cast.roof)).name
    await quarantine(cast, login)
    page = await cast.alice.get(path)
    await cast.alice.post(f"{path}/let-speak", login=login, **({"replay": "yes"} if replay else {}))

    row = await row_of(cast, login)
    async with cast.portal.parts.sessions() as session:
        asked = (await session.scalars(select(DeadLetterRequest))).all()
        told = (await session.scalars(select(Notice))).one()
    assert "In quarantine" in page.text
    assert "Two devices spoke on it at once." in page.text
    assert (row.quarantined_at, row.quarantine_why) == (None, "")
    assert told.hidden_at is not None
    wishes = [(one.action, one.login, one.reason, one.account_id) for one in asked]
    assert wishes == ([(LetterAction.REPLAY, login, "quarantined", cast.alice.account_id)] if replay else [])


async def test_a_new_secret_ends_a_quarantine_too(cast: Cast) -> None:
    """Whoever made the login misbehave does not have it."""
    login = (await login_of(cast.portal, cast.roof)).name
    await quarantine(cast, login)
    await cast.alice.post(f"/inverters/{cast.roof}/pairing/secret", login=login)

    assert (await row_of(cast, login)).quarantined_at is None


async def test_nobody_touches_a_foreign_login(cast: Cast) -> None:
    """Alice's page with the name of Bob's login, and Bob on Alice's page: nothing there, and nothing is changed."""
    hers = (await login_of(cast.portal, cast.roof)).name
    async with cast.portal.parts.sessions() as session:
        bobs = (await session.scalars(select(Login.name).where(Login.name != hers))).one()
    before = [(await row_of(cast, name)).registry_version for name in (hers, bobs)]
    for act, more in (("name", {"label": "mine"}), ("revoke", {}), ("let-speak", {})):
        crossed = await cast.alice.post(f"/inverters/{cast.roof}/logins/{act}", login=bobs, **more)
        foreign = await cast.bob.post(f"/inverters/{cast.roof}/logins/{act}", login=hers, **more)
        assert crossed.status_code == foreign.status_code == 404, act

    rows = [await row_of(cast, name) for name in (hers, bobs)]
    assert [(row.label, row.revoked_at) for row in rows] == [("", None)] * 2
    assert [row.registry_version for row in rows] == before


async def test_whose_secrets_were_seen_by_somebody_else(cast: Cast) -> None:
    """What a new owner is urged to renew: logins in use whose secret was shown to others, until he has renewed them."""
    login = (await login_of(cast.portal, cast.roof)).name
    async with cast.portal.parts.sessions.begin() as session:
        owner_id = (await session.get_one(Inverter, cast.roof)).owner_id
        await session.execute(update(Login).where(Login.name == login).values(made_by=cast.ines.account_id))

    async def seen() -> list[str]:
        async with cast.portal.parts.sessions() as session:
            found = await secrets_seen_by_others(session, cast.alice.account_id, owner_id)
            return [row.name for row in found]

    before = await seen()
    page = await cast.alice.get(f"/inverters/{cast.roof}/logins")
    await cast.alice.post(f"/inverters/{cast.roof}/pairing/secret", login=login)

    assert before == [login]
    assert "shown to somebody else" in page.text
    assert await seen() == []


async def test_many_revocations_at_once_are_one(cast: Cast) -> None:
    """One of them ends it, the others find nothing to end."""
    path, login = f"/inverters/{cast.roof}/logins", (await login_of(cast.portal, cast.roof)).name
    answers = await asyncio.gather(*(cast.alice.post(f"{path}/revoke", login=login) for _ in range(8)))

    assert sorted(answer.status_code for answer in answers) == [303] + [404] * 7
