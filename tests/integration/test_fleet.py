"""The fleet: what needs somebody comes first, and a search finds nothing that no grant shows."""

import re
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update

from portal.admin.search import PAGE_SIZE
from portal.dashboard.service import MOST_CARDS
from schema import live, notices
from schema.models import ClaimState, Feed, Inverter, Login, NoticeKind, Role, Rung
from tests.people import Cast, allow, login_of
from tests.watts import live_row

pytestmark = pytest.mark.integration
FRESH = timedelta(minutes=1)


async def named(cast: Cast, path: str = "/fleet") -> list[str]:
    """The inverters that Alice's list names, in its order."""
    return re.findall(r'<h2><a href="/inverters/[0-9a-f-]+">([^<]+)</a></h2>', (await cast.alice.get(path)).text)


async def heard(cast: Cast, **ages: timedelta) -> dict[str, UUID]:
    """Alice's inverters of these names, each with a reading of this age; a negative one is a fault."""
    ids = {}
    for number, (name, age) in enumerate(ages.items()):
        ids[name] = await cast.alice.add_inverter(name, f"273333333{number}")
        values = {"ac_power": 400.0} | ({"status": 4.0} if age < timedelta(0) else {})
        row = live_row(ids[name], values, version=number + 1, at=cast.portal.clock() - abs(age))
        await live.put(cast.portal.parts.live_engine, [row])
    return ids


async def in_trouble(cast: Cast) -> None:
    """One of Alice's for each alarm, one that works, one that waits ("Roof")."""
    portal, now = cast.portal, cast.portal.clock()
    ids = await heard(
        cast, Working=FRESH, Silent=timedelta(days=2), Faulty=-FRESH, Refused=timedelta(hours=1), Contested=FRESH,
        Noted=FRESH, Set_aside=FRESH, Skewed=FRESH,
    )  # fmt: skip
    last = now - timedelta(hours=1)
    refused = {"refusal": "not_json", "refused_at": now, "rung": Rung.PAYLOAD_UNDERSTOOD}
    row = live_row(ids["Refused"], {}, version=100, at=last)
    await live.put(portal.parts.live_engine, [row | refused])
    set_aside, skewed = [await login_of(portal, ids[name]) for name in ("Set_aside", "Skewed")]
    async with portal.parts.sessions.begin() as session:
        home = (await session.get_one(Inverter, cast.roof)).owner_id
        quiet = update(Login).where(Login.name == set_aside.name)
        await session.execute(quiet.values(quarantined_at=now, quarantine_why="flapping"))
        contested = update(Feed).where(Feed.inverter_id == ids["Contested"])
        await session.execute(contested.values(claim_state=ClaimState.DISPUTED))
        noted = ids["Noted"]
        await notices.note(session, NoticeKind.CLOCK_SKEW, owner_id=home, inverter_id=noted, now=now)
        await notices.note(session, NoticeKind.FLAPPING, owner_id=home, login=skewed.name, now=now)


async def test_what_needs_somebody_comes_first_whatever_it_is(cast: Cast) -> None:
    """Set aside, faulty, silent, not understood, contested, with a notice; then what waits, then what works."""
    await in_trouble(cast)

    page = await cast.alice.get("/fleet")

    assert await named(cast) == [
        "Set_aside", "Faulty", "Silent", "Refused", "Contested", "Noted", "Skewed", "Roof", "Working",
    ]  # fmt: skip
    assert "7 of 9 need somebody" in page.text


SEARCHES: list[tuple[str, list[str]]] = [
    ("state=quarantined", ["Set_aside"]),
    ("state=silent", ["Silent"]),
    ("state=trouble", ["Faulty"]),
    ("state=refused", ["Refused"]),
    ("state=disputed", ["Contested"]),
    ("state=notice", ["Noted", "Skewed"]),
    ("state=waiting", ["Roof"]),
    ("silence=day", ["Silent", "Roof"]),
    ("silence=week", ["Roof"]),
    ("silence=hour&state=alarm", ["Silent", "Refused"]),
    ("q=sILent", ["Silent"]),
    ("q=2711111111", ["Roof"]),
    ("q=%25", []),
]


async def test_a_search_finds_what_fits_and_nothing_else(cast: Cast) -> None:
    """By state, by silence, by a part of name or serial, and by several at once."""
    await in_trouble(cast)

    assert {asked: await named(cast, f"/fleet?{asked}") for asked, _found in SEARCHES} == dict(SEARCHES)


async def test_nobody_finds_what_no_grant_shows(cast: Cast) -> None:
    """Bob sees his own alone, whatever he searches for; a grant that has ended shows nothing."""
    his = await cast.bob.get("/fleet")
    by_serial = await cast.bob.get("/fleet?q=2711111111")
    before = await cast.ines.get("/fleet")
    await allow(cast.portal, cast.bob, cast.roof, Role.READER)
    granted = await cast.bob.get("/fleet?q=2711111111")

    assert "Shed" in his.text
    assert "Roof" not in his.text
    assert "Nothing fits this search" in by_serial.text
    assert f"/inverters/{cast.roof}" in before.text
    assert f"/inverters/{cast.roof}" in granted.text


async def test_who_only_looks_is_told_nothing_of_logins_and_claims(cast: Cast) -> None:
    """Ines may look at Alice's home: she sees who is silent, not what is in quarantine, contested or noticed."""
    await in_trouble(cast)

    hers = await cast.ines.get("/fleet")

    assert "3 of 9 need somebody" in hers.text
    assert not re.search(r'class="mark', hers.text)


async def test_a_site_is_found_by_its_name_and_pages_are_of_fifty(cast: Cast) -> None:
    """An owner of many: each page has its fifty, none twice, and there is no page behind the last."""
    async with cast.portal.parts.sessions.begin() as session:
        home = (await session.get_one(Inverter, cast.roof)).owner_id
        now = cast.portal.clock()
        session.add_all(
            Inverter(id=uuid4(), owner_id=home, name=f"No {number:03d}", serial=f"28{number:08d}", created_at=now)
            for number in range(PAGE_SIZE + 9)
        )
    first, second = await named(cast, "/fleet"), await named(cast, "/fleet?page=2")

    assert [len(first), len(second)] == [PAGE_SIZE, 10]
    assert len({*first, *second}) == PAGE_SIZE + 10
    assert await named(cast, "/fleet?q=home") == first
    assert (await cast.alice.get("/fleet?page=3")).status_code == 404
    assert re.search(r'href="/fleet\?q=home&(amp;)?page=2"', (await cast.alice.get("/fleet?q=home")).text)


async def test_the_overview_of_many_draws_those_that_need_somebody_and_leads_to_the_fleet(cast: Cast) -> None:
    """Each card asks the store: no more than thirty are drawn, and what the page says of all is true of all."""
    async with cast.portal.parts.sessions.begin() as session:
        session.add_all(
            Inverter(
                id=uuid4(), owner_id=cast.home, name=f"A {number:03d}", serial=f"28{number:08d}",
                created_at=cast.portal.clock(),
            )
            for number in range(MOST_CARDS - 1)
        )  # fmt: skip
    few = await cast.alice.get("/")
    await heard(cast, Working=FRESH, Zealous=FRESH, Zero=-FRESH)
    many, drawn = await cast.alice.get("/"), await named(cast, "/")

    assert few.text.count("data-inverter=") == many.text.count("data-inverter=") == MOST_CARDS
    assert ('data-today="all"' in few.text, 'data-today="all"' in many.text) == (True, False)
    assert (drawn[0], "Working" in drawn) == ("Zero", False)
    assert "Here stand 30 of 33 inverters" in many.text
    assert "Here stand" not in few.text
    assert re.search(r'<a class="target" href="/fleet">All of them', many.text)
    assert "2 of 33 working" in many.text
    assert re.search(r'data-power="all">.*?1\.20', many.text, re.DOTALL)


async def test_nonsense_in_the_address_is_said_and_searches_nothing(cast: Cast) -> None:
    """A state that there is none of, a page that is no number, characters that nobody sees."""
    for asked in ("state=broken", "page=x", "page=0", "q=%00", f"q={'x' * 300}"):
        answer = await cast.alice.get(f"/fleet?{asked}")
        assert answer.status_code == 200, asked


async def test_an_empty_fleet_invites(cast: Cast) -> None:
    """Ada has no inverter: she is told what would stand here, and where to begin."""
    page = await cast.ada.get("/fleet")

    assert "every inverter that you may see" in page.text
    assert 'href="/inverters/new"' in page.text


async def test_numbers_are_written_as_the_reader_does(cast: Cast) -> None:
    """German words, and the power as one writes it there."""
    row = live_row(cast.roof, {"ac_power": 1234.0}, version=1, at=cast.portal.clock())
    await live.put(cast.portal.parts.live_engine, [row])

    page = await cast.alice.get("/fleet", accept_language="de")

    assert "1,23\N{NO-BREAK SPACE}kW" in page.text
    assert "Flotte" in page.text
