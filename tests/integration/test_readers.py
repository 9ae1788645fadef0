"""Owners let somebody look: readings and nothing else, as long as the owner wants it."""

import asyncio
import json
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from portal.dashboard.events import Event, Stream, Watcher
from portal.dashboard.numbers import Numbers
from schema import live
from schema.models import Account, Grant, LoginSession, OwnerPlacement, Role
from tests.people import Cast, Person, login_of
from tests.portal_letters import put
from tests.sharing import NEW_PASSWORD, grants, home_of, invited, made_site
from tests.watts import live_row

pytestmark = pytest.mark.integration

AUNT = "aunt@example.org"


async def looking(cast: Cast, *, days: str = "0") -> Person:
    """Alice's aunt, who was invited, had no account and chose a password."""
    token = await invited(cast.portal, cast.alice, cast.home, AUNT, way="invite", days=days)
    aunt = Person("aunt", cast.nobody.http)
    answer = await aunt.post("/invitation/join", token=token, password=NEW_PASSWORD, time_zone="Europe/Paris")
    assert (answer.status_code, answer.headers["location"]) == (303, "/"), answer.text
    async with cast.portal.parts.sessions() as session:
        aunt.account_id = (await session.scalars(select(Account.id).where(Account.email == AUNT))).one()
    return aunt


async def grant_of(cast: Cast, person: Person, role: Role = Role.READER) -> UUID:
    """The person's grant at Alice's home."""
    async with cast.portal.parts.sessions() as session:
        mine = (Grant.account_id == person.account_id, Grant.owner_id == cast.home, Grant.role == role)
        return (await session.scalars(select(Grant.id).where(*mine))).one()


async def test_a_reader_sees_readings_and_nothing_secret(cast: Cast) -> None:
    """No settings, no login, nobody's address; and her account makes no organisation before she has an inverter."""
    aunt, login = await looking(cast), (await login_of(cast.portal, cast.roof)).name
    topic = f"deye/{login}/elsewhere"
    await put(cast, topic=topic, reason="wrong_topic", detail=f"Nothing is expected on the topic {topic}.")
    shown = ("/", "/homes", "/inverters", f"/inverters/{cast.roof}", f"/inverters/{cast.roof}/messages")
    pages = {path: await aunt.get(path) for path in shown}
    hidden = [f"/inverters/{cast.roof}/{page}" for page in ("edit", "logins", "pairing", "serial", "logins/list")]
    hidden += [f"/homes/{cast.home}/{page}" for page in ("people", "invite", "hand-over")]
    acts = [
        await aunt.post(f"/homes/{cast.home}/invite", email="x@example.org", days="0"),
        await aunt.post(f"/homes/{cast.home}/hand-over", email="x@example.org", days="0"),
        await aunt.post(f"/homes/{cast.home}/people/{await grant_of(cast, aunt)}/revoke"),
        await aunt.post(f"/inverters/{cast.roof}/pairing/secret", login=login),
    ]
    async with cast.portal.parts.sessions() as session:
        places = set((await session.scalars(select(OwnerPlacement.owner_id))).all())
        own = select(Grant.owner_id).where(Grant.account_id == aunt.account_id, Grant.role == Role.OWNER)
        assert (await session.scalars(own)).one() not in places

    assert {answer.status_code for answer in pages.values()} == {200}
    assert "Roof" in pages[f"/inverters/{cast.roof}"].text
    assert "Wrong topic" in pages[f"/inverters/{cast.roof}/messages"].text
    assert login in (await cast.alice.get(f"/inverters/{cast.roof}/messages")).text
    told = "".join(answer.text for answer in pages.values())
    assert not any(secret in told for secret in (login, "warm", "alice@example.org", "ines@example.org"))
    assert {(await aunt.get(path)).status_code for path in hidden} == {404}
    assert {answer.status_code for answer in acts} == {404}
    assert await home_of(cast.portal, await aunt.add_inverter("Balcony", "2733333333")) != cast.home


async def test_the_owner_ends_a_look_at_once_on_open_pages_too(cast: Cast) -> None:
    """The next request finds nothing, and what is published afterwards is not heard any more."""
    aunt, parts = await looking(cast), cast.portal.parts
    async with parts.sessions() as session:
        device = (
            await session.scalars(select(LoginSession.id).where(LoginSession.account_id == aunt.account_id))
        ).one()
    watcher = Watcher(aunt.account_id, device, Numbers("en"))
    stream = Stream(watcher, sessions=parts.sessions, live_engine=parts.live_engine, clock=parts.now)
    heard: list[Event] = []
    await live.put(parts.live_engine, [live_row(cast.roof, {"ac_power": 1.0}, version=1, at=parts.now())])
    events = stream.events(parts.live_feed)
    async with asyncio.timeout(5):
        while not heard:
            heard = [event for event in [await anext(events)] if event.name == "inverter"]
    ended = await cast.alice.post(f"/homes/{cast.home}/people/{await grant_of(cast, aunt)}/revoke")
    cast.portal.clock.go(seconds=2)
    await live.put(parts.live_engine, [live_row(cast.roof, {"ac_power": 412.0}, version=2, at=parts.now())])
    rest = []
    try:
        async with asyncio.timeout(1):
            rest = [event async for event in events]
    except TimeoutError:
        pass
    finally:
        await events.aclose()

    assert ended.status_code == 303
    assert str(cast.roof) not in json.dumps([event.data for event in rest if event.data])
    assert (await aunt.get(f"/inverters/{cast.roof}")).status_code == 404


async def test_a_look_has_an_end_and_a_reader_can_leave(cast: Cast) -> None:
    """By the days that were chosen, and by the reader's own button; the owner is told who came."""
    aunt = await looking(cast, days="30")
    await cast.portal.mail_sent()
    page = await aunt.get("/homes")
    cast.portal.clock.go(days=31)
    await aunt.log_in(NEW_PASSWORD)
    late = await aunt.get(f"/inverters/{cast.roof}")
    left = await cast.ines.log_in(), await cast.ines.post(f"/homes/{cast.home}/leave")

    assert "You may look at it until" in page.text
    assert late.status_code == 404
    assert left[1].status_code == 303
    assert (await cast.ines.get(f"/inverters/{cast.roof}")).status_code == 404
    assert [str(mail["Subject"]) for mail in cast.portal.bag.to(cast.alice.email)] == ["Your invitation was accepted"]


async def test_whose_look_is_ended_is_told_once(cast: Cast) -> None:
    """By whom, in a mail that says nothing which the owner has written; who leaves by himself gets none."""
    aunt = await looking(cast)
    grant = await grant_of(cast, aunt)
    ended = [(await cast.alice.post(f"/homes/{cast.home}/people/{grant}/revoke")).status_code for _ in range(2)]
    await cast.ines.post(f"/homes/{cast.home}/leave")
    await cast.portal.mail_sent()
    told = [mail for mail in cast.portal.bag.to(AUNT) if mail["Subject"] == "You can look no longer"]

    assert ended == [303, 404]
    assert len(told) == 1
    assert "alice@example.org" in str(told[0])
    assert "Roof" not in str(told[0])
    assert not cast.portal.bag.to(cast.ines.email)


async def test_a_used_link_does_not_bring_a_look_back(cast: Cast) -> None:
    """Whoever was shut out has the mail still."""
    token = await invited(cast.portal, cast.alice, cast.home, cast.bob.email, way="invite", days="0")
    first = await cast.bob.post("/invitation/accept", token=token)
    await cast.alice.post(f"/homes/{cast.home}/people/{await grant_of(cast, cast.bob)}/revoke")
    again = await cast.bob.post("/invitation/accept", token=token)

    assert (first.status_code, again.status_code) == (303, 410)
    assert (await cast.bob.get(f"/inverters/{cast.roof}")).status_code == 404


async def test_no_owner_puts_another_one_out(cast: Cast) -> None:
    """Neither the other one nor himself: a home is never nobody's. Nor can an installer leave his site."""
    async with cast.portal.parts.sessions.begin() as session:
        now = cast.portal.clock()
        session.add(
            Grant(id=uuid4(), account_id=cast.bob.account_id, owner_id=cast.home, role=Role.OWNER, created_at=now)
        )
    site, _ = await made_site(cast.portal, cast.ines)
    before = await grants(cast.portal, cast.home)
    answers = [
        await cast.bob.post(f"/homes/{cast.home}/people/{await grant_of(cast, cast.alice, Role.OWNER)}/revoke"),
        await cast.bob.post(f"/homes/{cast.home}/people/{await grant_of(cast, cast.bob, Role.OWNER)}/revoke"),
        await cast.bob.post(f"/homes/{cast.home}/leave"),
        await cast.ines.post(f"/homes/{site}/leave"),
    ]

    assert [answer.status_code for answer in answers] == [404] * 4
    assert await grants(cast.portal, cast.home) == before


async def test_an_installer_lets_nobody_look_at_a_site(cast: Cast) -> None:
    """It is not his: he hands it over, and its owner says who looks."""
    site, _ = await made_site(cast.portal, cast.ines)

    assert (await cast.ines.get(f"/homes/{site}/invite")).status_code == 404
    assert (await cast.ines.post(f"/homes/{site}/invite", email=AUNT, days="0")).status_code == 404
    assert (await cast.ines.get(f"/homes/{site}/hand-over")).status_code == 200


async def test_a_wrong_form_comes_back_with_what_is_wrong(cast: Cast) -> None:
    """What was typed still stands there, for both forms."""
    for typed, said in (
        ({"email": "nobody", "days": "0"}, "must have an @-sign"),
        ({"email": "alice@example.org", "days": "0"}, "This is your own address"),
        ({"email": AUNT, "days": "9999"}, "Please choose one of these"),
    ):
        for way in ("invite", "hand-over"):
            answer = await cast.alice.post(f"/homes/{cast.home}/{way}", **typed)

            assert (answer.status_code, said in answer.text) == (422, True)
            assert f'value="{typed["email"]}"' in answer.text
