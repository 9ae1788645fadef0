"""Notices on the pages, hidden by a click, mailed at most once a day for each kind, and on the ladder."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from portal.notices import sentences
from portal.notices.mailing import NoticeMails
from portal.words import Reader, speaking
from schema import notices
from schema.models import Account, Grant, Inverter, Notice, NoticeKind, Role
from tests.people import Cast, login_of
from tests.sharing import made_site

pytestmark = pytest.mark.integration

DETAILS: dict[NoticeKind, dict[str, Any]] = {
    NoticeKind.FLAPPING: {"times": 12, "minutes": 10},
    NoticeKind.IMPOSSIBLE_POWER: {"quantity": "ac_power", "value": 99_000.0},
    NoticeKind.CLOCK_SKEW: {"seconds": -7200},
    NoticeKind.FAILED_LOG_INS: {"times": 40, "address": "192.0.2.7"},
    NoticeKind.QUARANTINED: {"why": "flapping"},
    NoticeKind.SERIAL_FREED: {"serial": "2711111111"},
    NoticeKind.BUCKET_RENEWED: {},
    NoticeKind.TOKEN_RENEWED: {},
    NoticeKind.HANDED_OVER: {},
    NoticeKind.STORE_MOVED: {"days": 7},
}


@pytest.fixture
def cast(cast_on_each: Cast) -> Cast:
    """Everybody at a portal of their own, over each kind of database."""
    return cast_on_each


async def note(cast: Cast, kind: NoticeKind, *, inverter_id: UUID | None = None, login: str = "") -> None:
    """Something has happened at Alice's home."""
    async with cast.portal.parts.sessions.begin() as session:
        owner_id = (await session.get_one(Inverter, cast.roof)).owner_id
        await notices.note(
            session,
            kind,
            owner_id=owner_id,
            inverter_id=inverter_id,
            login=login,
            now=cast.portal.clock(),
            details=DETAILS[kind],
        )


async def notice_of(cast: Cast, kind: NoticeKind) -> Notice:
    """The one of this kind."""
    async with cast.portal.parts.sessions() as session:
        return (await session.scalars(select(Notice).where(Notice.kind == kind))).one()


async def mails(cast: Cast, to: str = "alice@example.org") -> list[str]:
    """Subjects of what Alice, or somebody else, was sent since she was asked last."""
    parts = cast.portal.parts
    await NoticeMails(parts.sessions, parts.links, parts.mailer, parts.now).turn()
    while await parts.mailer.send_due():
        pass
    subjects = [str(mail["Subject"]) for mail in cast.portal.bag.to(to)]
    cast.portal.bag.mails.clear()
    return subjects


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("kind", list(NoticeKind))
def test_every_kind_has_its_words(kind: NoticeKind, language: str) -> None:
    """With the details that are promised, and with none at all."""
    with speaking(Reader(language, language)):
        whole = sentences.text(kind, login="ABCDEFGHJK", details=DETAILS[kind])
        bare = sentences.text(kind, login="ABCDEFGHJK", details={})
        advice = sentences.advice(kind)

    assert whole
    assert bare
    assert advice
    for value in DETAILS[kind].values():
        if isinstance(value, str) and value not in ("ac_power", "flapping"):
            assert value in whole


async def test_a_notice_stands_on_the_overview_and_on_its_inverters_page(cast: Cast) -> None:
    """For who acts for the home; Bob does not see it, and Ines, who may look, neither."""
    login = (await login_of(cast.portal, cast.roof)).name
    barn = await cast.alice.add_inverter("Barn", "2744444444")
    await note(cast, NoticeKind.FLAPPING, login=login)
    pages = [await cast.alice.get(path) for path in ("/", f"/inverters/{cast.roof}", f"/inverters/{barn}")]
    foreign = [await person.get("/") for person in (cast.bob, cast.ines)]
    looked_at = await cast.ines.get(f"/inverters/{cast.roof}")

    said = "12 times within 10 minutes"
    assert [said in page.text for page in pages] == [True, True, False]
    assert f"/inverters/{cast.roof}/logins" in pages[0].text
    assert not any(said in page.text for page in (*foreign, looked_at))


async def test_what_was_read_stays_away_until_it_happens_again_days_later(cast: Cast) -> None:
    """The click leads back to where it was made, and nowhere else."""
    await note(cast, NoticeKind.CLOCK_SKEW, inverter_id=cast.roof)
    notice = await notice_of(cast, NoticeKind.CLOCK_SKEW)
    hide = f"/notices/{notice.id}/hide"
    answer = await cast.alice.post(hide, next=f"/inverters/{cast.roof}")
    hidden = await cast.alice.get("/")
    again = await cast.alice.post(hide, next="https://evil.example")
    cast.portal.clock.go(hours=25)
    await note(cast, NoticeKind.CLOCK_SKEW, inverter_id=cast.roof)
    back = await cast.alice.get("/")
    elsewhere = await cast.alice.post(hide, next="https://evil.example")

    assert answer.headers["location"] == f"/inverters/{cast.roof}"
    assert "behind" not in hidden.text
    assert again.status_code == 404
    assert "120 minutes behind" in back.text
    assert elsewhere.headers["location"] == "/"


async def test_what_is_over_by_itself_is_not_told(cast: Cast) -> None:
    """A revoked login, a deleted inverter, trouble of a fortnight ago; what happens once waits to be read."""
    login = (await login_of(cast.portal, cast.roof)).name
    barn = await cast.alice.add_inverter("Barn", "2744444444")
    await note(cast, NoticeKind.FAILED_LOG_INS, login=login)
    await note(cast, NoticeKind.IMPOSSIBLE_POWER, inverter_id=barn)
    await note(cast, NoticeKind.CLOCK_SKEW, inverter_id=cast.roof)
    await note(cast, NoticeKind.BUCKET_RENEWED, inverter_id=cast.roof)

    def told(page: str) -> list[bool]:
        return [said in page for said in ("were refused", "cannot be true", "A clock is wrong", "was made anew")]

    before = told((await cast.alice.get("/")).text)
    await cast.alice.post(f"/inverters/{cast.roof}/logins/revoke", login=login)
    await cast.alice.post(f"/inverters/{barn}/delete")
    after = told((await cast.alice.get("/")).text)
    cast.portal.clock.go(days=15)
    await cast.alice.log_in()

    assert before == [True] * 4
    assert after == [False, False, True, True]
    assert told((await cast.alice.get("/")).text) == [False, False, False, True]


async def test_a_kind_is_mailed_once_a_day_and_only_when_it_happened_again(cast: Cast) -> None:
    """Two logins that flap are one mail; the next one comes a day later, if there is news."""
    first = (await login_of(cast.portal, cast.roof)).name
    barn = await cast.alice.add_inverter("Barn", "2744444444")
    second = (await login_of(cast.portal, barn)).name
    await note(cast, NoticeKind.FLAPPING, login=first)
    await note(cast, NoticeKind.FLAPPING, login=second)
    await note(cast, NoticeKind.TOKEN_RENEWED, inverter_id=barn)
    days = [await mails(cast)]
    cast.portal.clock.go(hours=2)
    await note(cast, NoticeKind.FLAPPING, login=first)
    await note(cast, NoticeKind.CLOCK_SKEW, inverter_id=barn)
    days.append(await mails(cast))
    cast.portal.clock.go(hours=23)
    days.append(await mails(cast))
    cast.portal.clock.go(hours=25)
    days.append(await mails(cast))

    flapping, clock = "Two programs use one login", "A clock is wrong"
    assert days == [[flapping], [clock], [flapping], []]


async def test_a_move_is_told_where_programs_keep_a_token(cast: Cast) -> None:
    """By one mail and on the inverter's page until it was read, in the words of /influx_token; a reader needs none."""
    await note(cast, NoticeKind.STORE_MOVED, inverter_id=cast.roof)
    told = await mails(cast)
    cast.portal.clock.go(days=20)
    await cast.alice.log_in()
    page = (await cast.alice.get(f"/inverters/{cast.roof}")).text

    assert told == ["Programs that write by themselves need a new token"]
    assert "still fetched for 7 days" in page
    assert all(word in page for word in ("url", "org_id", "bucket_id", "token", "/influx_token"))
    assert "/influx_token" not in (await cast.ines.get(f"/inverters/{cast.roof}")).text


async def test_who_installs_no_more_gets_no_mail_about_a_site(cast: Cast) -> None:
    """She has left the firm: the customer's devices are not her business any more, whatever she set up."""
    site, (barn,) = await made_site(cast.portal, cast.ines)
    told = []
    for kind in (NoticeKind.CLOCK_SKEW, NoticeKind.BUCKET_RENEWED):
        async with cast.portal.parts.sessions.begin() as session:
            await notices.note(session, kind, owner_id=site, inverter_id=barn, now=cast.portal.clock())
        told.append(await mails(cast, cast.ines.email))
        await cast.ada.post(f"/admin/users/{cast.ines.account_id}/take", role="installer")

    assert told == [["A clock is wrong"], []]


async def test_a_mail_is_in_its_readers_language_and_leads_to_the_page(cast: Cast) -> None:
    """A second owner reads German; somebody who only looks gets none."""
    login = (await login_of(cast.portal, cast.roof)).name
    async with cast.portal.parts.sessions.begin() as session:
        grants = Grant.account_id == cast.ines.account_id
        await session.execute(update(Grant).where(grants).values(role=Role.OWNER))
        await session.execute(update(Account).where(Account.id == cast.ines.account_id).values(language="de"))
    await note(cast, NoticeKind.QUARANTINED, login=login)
    parts = cast.portal.parts
    await NoticeMails(parts.sessions, parts.links, parts.mailer, parts.now).turn()
    await cast.portal.mail_sent()

    (german,) = cast.portal.bag.to(cast.ines.email)
    body = german.get_body(("plain",))
    assert body is not None
    assert german["Subject"] == "Ein Zugang ist in Quarantäne"
    assert "Zwei Geräte sprachen gleichzeitig über ihn." in body.get_content()
    assert f"{parts.links.base_url}/inverters/" in body.get_content()
    assert cast.portal.bag.to(cast.bob.email) == []


async def test_of_two_portals_one_mails(cast: Cast) -> None:
    """Both look at the same moment."""
    await note(cast, NoticeKind.CLOCK_SKEW, inverter_id=cast.roof)
    parts = cast.portal.parts
    both = [NoticeMails(parts.sessions, parts.links, parts.mailer, parts.now) for _ in range(2)]
    await asyncio.gather(*(one.turn() for one in both))
    await cast.portal.mail_sent()

    assert len(cast.portal.bag.to(cast.alice.email)) == 1


async def test_flapping_is_a_rungs_trouble(cast: Cast) -> None:
    """On the ladder of the login that flaps, while it lasts; hiding the notice does not mend it."""
    path, login = f"/inverters/{cast.roof}/pairing", (await login_of(cast.portal, cast.roof)).name
    calm = await cast.alice.get(path)
    await note(cast, NoticeKind.FLAPPING, login=login)
    await cast.alice.post(f"/notices/{(await notice_of(cast, NoticeKind.FLAPPING)).id}/hide")
    flapping = await cast.alice.get(path)
    part = await cast.alice.get(f"{path}/ladder", hx_request="true")
    cast.portal.clock.at += timedelta(minutes=16)
    over = await cast.alice.get(path)

    said = "Two programs use this login"
    assert [said in page.text for page in (calm, flapping, part, over)] == [False, True, True, False]
    assert "step-trouble" in flapping.text


async def test_names_in_a_notice_are_text(cast: Cast) -> None:
    """Whatever it is that was written down: details come from outside."""
    login = (await login_of(cast.portal, cast.roof)).name
    async with cast.portal.parts.sessions.begin() as session:
        owner_id = (await session.get_one(Inverter, cast.roof)).owner_id
        await notices.note(
            session,
            NoticeKind.FAILED_LOG_INS,
            owner_id=owner_id,
            login=login,
            now=cast.portal.clock(),
            details={"times": 3, "address": "<script>alert(1)</script>"},
        )
    page = (await cast.alice.get("/")).text

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
