"""What owners see of their inverters, and what nobody else does; with a store, without one, and in two languages."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update

from portal.dashboard import stations
from portal.dashboard.history import History
from schema.models import Grant, OwnerPlacement, PlacementState, Role
from schema.sealing import AesSealer
from schema.timeseries.port import Source
from tests.dead_store import DeadReader
from tests.people import Cast, the_cast
from tests.portal_app import KEY_OF_ZEROS, running_portal
from tests.sunny_roof import owner_of, shine
from tests.watts import afternoon_zone

pytestmark = pytest.mark.integration
AWAY = "History is not available right now"


@pytest.fixture
async def cast(tmp_path: Path) -> AsyncGenerator[Cast, None]:
    """Everybody at a portal of their own; Alice's roof has seven sunny days in the store and is 18 seconds fresh."""
    async with running_portal(tmp_path) as portal, the_cast(portal) as people:
        await shine(people, people.roof)
        yield people


def use(cast: Cast, reader: DeadReader, *, patience_s: float = 4.0) -> None:
    """Put another store behind the running portal."""
    app = cast.portal.app
    app.state.parts = replace(app.state.parts, history=History(reader, patience_s=patience_s))


async def test_the_overview_answers_in_one_sentence_with_watts_energy_and_age(cast: Cast) -> None:
    """Verdict, now, today, and a card with its drawing; Ines, who may look, sees the same."""
    for_alice, for_ines = (await cast.alice.get("/")).text, (await cast.ines.get("/")).text

    assert 'data-part="lead">Working</strong><span data-part="text">: 1.41\u00a0kW, updated ' in for_alice
    assert ">18 s ago</time>" in for_alice
    assert 'class="draw-line" d="M' in for_alice
    assert "Roof" in for_ines


async def test_bob_sees_nothing_of_alices_inverter_anywhere(cast: Cast) -> None:
    """Neither its name, nor its values, nor its curve."""
    overview = (await cast.bob.get("/")).text
    page, curve = [await cast.bob.get(f"/inverters/{cast.roof}{tail}") for tail in ("", "/curve")]

    assert "Roof" not in overview
    assert str(cast.roof) not in overview
    assert page.status_code == curve.status_code == 404


async def test_a_grant_that_has_ended_shows_nothing_any_more(cast: Cast) -> None:
    """Ines may look until her time is over."""
    before = await cast.ines.get(f"/inverters/{cast.roof}")
    async with cast.portal.parts.sessions.begin() as session:
        await session.execute(
            update(Grant)
            .where(Grant.account_id == cast.ines.account_id, Grant.role == Role.INSTALLER)
            .values(until=cast.portal.clock() - timedelta(seconds=1))
        )
    after = await cast.ines.get(f"/inverters/{cast.roof}")

    assert (before.status_code, after.status_code) == (200, 404)


async def test_only_who_may_change_it_is_offered_to_change_it(cast: Cast) -> None:
    """Ines looks at the page without the buttons that would lead her nowhere."""
    for_alice, for_ines = [(await who.get(f"/inverters/{cast.roof}")).text for who in (cast.alice, cast.ines)]

    assert f"/inverters/{cast.roof}/edit" in for_alice
    assert f"/inverters/{cast.roof}/edit" not in for_ines


async def test_the_page_has_seven_days_of_energy_from_the_counter_and_a_table(cast: Cast) -> None:
    """Bars with their values, where they come from, and the day in numbers for whoever sees no drawing."""
    page = (await cast.alice.get(f"/inverters/{cast.roof}")).text

    assert page.count('class="pillar"') == 7
    assert "kWh from midnight to midnight by the lifetime counter." in page
    assert "The day as a table" in page
    assert page.count('<th scope="row">') >= 8
    assert "String 1" in page
    assert "Battery" not in page


async def test_numbers_are_written_as_the_reader_writes_them(cast: Cast) -> None:
    """The same page with a comma and a point in each other's place."""
    german = await cast.alice.get("/", accept_language="de-DE,de;q=0.9")

    assert "1,41\u00a0kW" in german.text
    assert "1.41\u00a0kW" not in german.text


async def test_the_curve_is_json_with_a_null_where_nothing_was_received(cast: Cast) -> None:
    """The recordings have a hole before noon; lines share their times, which ascend and never lie in the future."""
    found = (await cast.alice.get(f"/inverters/{cast.roof}/curve")).json()

    assert set(found["lines"]) == {"total", "string 1", "string 2"}
    assert all(len(line) == len(found["times"]) for line in found["lines"].values())
    assert found["lines"]["total"].count(None) == 1
    assert found["times"] == sorted(found["times"])
    assert found["times"][-1] <= cast.portal.clock().timestamp()
    assert found["start"] < found["times"][0]


async def test_yesterday_has_its_own_curve_and_tomorrow_shows_today(cast: Cast) -> None:
    """Dates are the owner's; nonsense is no page."""
    zone = ZoneInfo(afternoon_zone(cast.portal.clock()))
    today = cast.portal.clock().astimezone(zone).date()
    path = f"/inverters/{cast.roof}/curve?day="

    yesterday, tomorrow, plain = [
        (await cast.alice.get(path + day)).json()
        for day in ((today - timedelta(days=1)).isoformat(), (today + timedelta(days=1)).isoformat(), "")
    ]
    nonsense = [await cast.alice.get(path + text) for text in ("yesterday", "2026-02-30", "0000-01-01")]

    assert plain["start"] - yesterday["start"] == pytest.approx(86_400, abs=3600)
    assert yesterday["times"][-1] < plain["times"][0]
    assert tomorrow == plain
    assert {answer.status_code for answer in nonsense} == {404}


@pytest.mark.parametrize("day", [date.min.isoformat(), date.max.isoformat(), "0001-01-02"])
async def test_the_ends_of_the_calendar_break_no_page(cast: Cast, day: str) -> None:
    """An address may name any day."""
    answers = [await cast.alice.get(f"/inverters/{cast.roof}{tail}?day={day}") for tail in ("", "/curve")]

    assert {answer.status_code for answer in answers} <= {200, 404}


async def test_a_dead_store_breaks_no_page_and_hides_no_live_value(cast: Cast) -> None:
    """Now stays, the past is said to be away, the curve's address answers 503."""
    use(cast, DeadReader())

    overview = await cast.alice.get("/")
    page = await cast.alice.get(f"/inverters/{cast.roof}")
    curve = await cast.alice.get(f"/inverters/{cast.roof}/curve", accept="application/json")

    assert (overview.status_code, page.status_code, curve.status_code) == (200, 200, 503)
    assert "1.41\u00a0kW" in overview.text
    assert AWAY in overview.text
    assert AWAY in page.text
    assert "Working" in page.text


async def test_a_store_that_hangs_is_waited_for_once_and_not_for_each_inverter(cast: Cast) -> None:
    """Six inverters and a store that never answers: one short wait, then everybody is told."""
    for number in range(5):
        added = await cast.alice.add_inverter(f"Field {number}", f"271111112{number}")
        await owner_of(cast, added)
    reader = DeadReader(hangs=True)
    use(cast, reader, patience_s=0.2)

    async with asyncio.timeout(3):
        overview = await cast.alice.get("/")
        again = await cast.alice.get("/")

    assert overview.status_code == again.status_code == 200
    assert AWAY in again.text
    assert len(reader.asked) <= 6


async def test_an_inverter_without_a_ready_place_still_has_its_page(cast: Cast) -> None:
    """While the provisioner works there is nothing to read, and nothing breaks."""
    barn = await cast.alice.add_inverter("Barn", "2744444444")

    page = await cast.alice.get(f"/inverters/{barn}")

    assert page.status_code == 200
    assert "for the first reading" in page.text


async def test_an_account_without_inverters_is_invited_to_add_one(cast: Cast) -> None:
    """Ada has none."""
    page = (await cast.ada.get("/")).text

    assert 'href="/inverters/new">' in page
    assert "first watts" in page
    assert "data-events" not in page


async def test_names_are_text_wherever_they_stand(cast: Cast) -> None:
    """An inverter may be called anything."""
    hostile = "<script>alert(1)</script>\"'&"
    await cast.alice.post(f"/inverters/{cast.roof}/edit", name=hostile)

    pages = [(await cast.alice.get(path)).text for path in ("/", f"/inverters/{cast.roof}")]

    assert all("<script>alert" not in page and "&lt;script&gt;alert" in page for page in pages)


async def test_a_place_in_influxdb_is_read_with_the_owners_own_token(cast: Cast) -> None:
    """Opened for this owner's row; sealed for another's it opens nothing, and nothing is read."""
    parts, now = cast.portal.parts, cast.portal.clock()
    owner_id = await owner_of(cast, cast.roof)
    sealer = AesSealer(KEY_OF_ZEROS)

    async def source(row: str, state: PlacementState = PlacementState.READY) -> Source | None:
        async with parts.sessions.begin() as session:
            await session.execute(
                update(OwnerPlacement)
                .where(OwnerPlacement.owner_id == owner_id)
                .values(
                    server="http://influx:8086",
                    state=state,
                    org_id="0123456789abcdef",
                    read_token_sealed=sealer.seal("read-me", row=row),
                )
            )
            found = await stations.one_visible(session, cast.alice.account_id, cast.roof, now, sealer)
        return found.source if found else None

    own, foreign = await source(f"owner:{owner_id}:read"), await source(f"owner:{cast.roof}:read")
    moving = await source(f"owner:{owner_id}:read", PlacementState.MOVING)

    assert own is not None
    assert (own.token, own.org_id, own.server) == ("read-me", "0123456789abcdef", "http://influx:8086")
    assert foreign is None
    assert moving == own


async def test_today_in_the_overview_is_the_sum_of_the_inverters(cast: Cast) -> None:
    """Two equal roofs make twice the energy of one."""
    barn = await cast.alice.add_inverter("Barn", "2744444444")
    await shine(cast, barn)

    page = (await cast.alice.get("/")).text
    kwhs = [float(part.split('"')[0]) for part in page.split('data-kwh="')[1:]]
    shown = page.split('data-today="all"')[1].split('data-part="value">')[1].split("<")[0]

    assert len(kwhs) == 2
    assert kwhs[0] == pytest.approx(kwhs[1])
    assert float(shown) == pytest.approx(sum(kwhs), abs=0.06)
