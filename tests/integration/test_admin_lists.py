"""The administration's other lists: inverters without readings, places to be made, mails without what they say."""

import re
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from portal import letters
from portal.app import PAGES_SIGNED_IN
from portal.mail import owe
from schema.models import Inverter, Placement, PlacementState
from tests.administration import account, counted, dispute, entries, login_of, names_in_pages
from tests.people import Cast, Person

pytestmark = pytest.mark.integration


def administration() -> list[tuple[str, str]]:
    """Method and path of every route of the administration, with ids that could be."""
    return sorted(
        (str(method), re.sub(r"\{serial:str\}", "2711111111", re.sub(r"\{\w+:uuid\}", str(UUID(int=7)), path)))
        for handler in PAGES_SIGNED_IN
        for method in handler.http_methods
        for path in handler.paths
        if path.startswith("/admin") and method in ("GET", "POST")
    )


async def test_whoever_is_no_administrator_finds_none_of_it(cast: Cast) -> None:
    """Owners, installers and strangers get what an address that never was gets; an old log-in is told nothing more."""
    routes = administration()
    cast.portal.clock.go(minutes=30)

    async def asked(person: Person, method: str, path: str) -> int:
        return (await (person.get(path) if method == "GET" else person.post(path))).status_code

    found = {
        (method, path, person.name): await asked(person, method, path)
        for method, path in routes
        for person in (cast.alice, cast.ines, cast.nobody)
    }

    assert len(routes) > 20
    assert {key: status for key, status in found.items() if status != 404} == {}


async def test_every_act_is_refused_without_its_forms_token(cast: Cast) -> None:
    """And leaves no entry: a foreign page cannot press these buttons."""
    before = len(await entries(cast.portal))

    answers = {
        path: (await cast.ada.post_without_token(path)).status_code
        for method, path in administration()
        if method == "POST"
    }

    assert set(answers.values()) == {403}
    assert len(await entries(cast.portal)) == before


async def test_inverters_are_found_by_serial_name_owner_and_login(cast: Cast) -> None:
    """And by nothing else: wildcards are text. Deleted ones are gone."""
    login = await login_of(cast.portal, cast.roof)
    gone = await cast.bob.add_inverter("Gone", "2733333333")
    await cast.bob.post(f"/inverters/{gone}/delete")
    found = {}

    for typed in ("27111", "ROOF", "alice@", login.lower(), "Shed", "bob@", "%25", "_", "' OR '1'='1", "2733333333"):
        text = (await cast.ada.get(f"/admin/inverters?q={typed}")).text
        found[typed] = ("<code>2711111111" in text, "<code>2722222222" in text)

    hers, his, neither = (True, False), (False, True), (False, False)
    assert list(found.values()) == [hers, hers, hers, hers, his, his, neither, neither, neither, neither]


async def test_an_inverters_state_is_shown_and_its_readings_are_not(cast: Cast) -> None:
    """When it was heard, yes; what it said, no."""
    portal = cast.portal
    await counted(portal, cast.roof, 98_765.4, at=portal.clock() - timedelta(hours=3), version=1)
    await dispute(cast)

    text = (await cast.ada.get("/admin/inverters?q=27111")).text
    disputed = (await cast.ada.get("/admin/inverters?state=disputed")).text
    unproved = (await cast.ada.get("/admin/inverters?state=unproved")).text

    assert "3 h ago" in text
    assert not [value for value in ("98,765", "98765", "4,321", "4321") if value in text]
    assert "2788888888" in disputed
    assert "2711111111" not in disputed
    assert "2711111111" in unproved


async def test_every_inverter_is_on_exactly_one_page(cast: Cast) -> None:
    """Equal names and equal instants, in every order."""
    serials = [f"28{number:08}" for number in range(60)]
    async with cast.portal.parts.sessions.begin() as session:
        owner_id = (await session.get_one(Inverter, cast.roof)).owner_id
        session.add_all(
            Inverter(owner_id=owner_id, name="Same", serial=serial, created_at=cast.portal.clock())
            for serial in serials
        )

    for order in ("newest", "oldest", "name", "serial"):
        pages = await names_in_pages(cast.ada, f"/admin/inverters?q=same&sort={order}", serials, 2)

        assert [len(page) for page in pages] == [50, 10]
        assert sorted(serial for page in pages for serial in page) == serials


async def pending(cast: Cast, error: str) -> None:
    """The roof's bucket cannot be made; everything else is ready."""
    async with cast.portal.parts.sessions.begin() as session:
        await session.execute(update(Placement).values(state=PlacementState.READY))
        await session.execute(
            update(Placement)
            .where(Placement.inverter_id == cast.roof)
            .values(state=PlacementState.PENDING, last_error=error, updated_at=cast.portal.clock())
        )


async def test_a_place_that_cannot_be_made_is_listed_and_tried_again(cast: Cast) -> None:
    """Its error is emptied, which tells the provisioner not to wait, and the registry's version wakes it."""
    await pending(cast, "bucket 100% full")
    path = f"/admin/jobs/inverters/{cast.roof}/retry"

    found = {typed: str(cast.roof) in (await cast.ada.get(f"/admin/jobs?{typed}")).text for typed in (
        "state=failed", f"q={cast.roof}", f"q={str(cast.roof)[:8]}", "q=100%25", "q=101%25", "sort=newest"
    )}  # fmt: skip
    asked = await cast.ada.post(path)
    async with cast.portal.parts.sessions() as session:
        error = await session.scalar(select(Placement.last_error).where(Placement.inverter_id == cast.roof))
    retried = await entries(cast.portal, "provisioning.retried")
    unknown = [await cast.ada.post(path.replace(str(cast.roof), str(uuid4()))), await cast.ada.post(path, more="x")]

    assert list(found.values()) == [True, True, True, True, False, True]
    assert (asked.status_code, error) == (303, "")
    assert [(entry.subject, entry.details) for entry in retried] == [
        (f"inverter:{cast.roof}", {"error": "bucket 100% full"})
    ]
    assert [answer.status_code for answer in unknown] == [404, 422]


async def test_a_place_that_is_to_be_erased_is_listed_as_that_and_tried_again(cast: Cast) -> None:
    """Its inverter is in no other list any more; the overview counts it with those that are to be made."""
    await pending(cast, "")
    async with cast.portal.parts.sessions.begin() as session:
        leaving = update(Placement).where(Placement.inverter_id == cast.roof)
        await session.execute(leaving.values(state=PlacementState.ERASING, last_error="The store does not answer"))

    found = {typed: str(cast.roof) in (await cast.ada.get(f"/admin/jobs?{typed}")).text for typed in (
        "", "state=failed", "state=erasing", "state=making"
    )}  # fmt: skip
    page, overview = (await cast.ada.get("/admin/jobs")).text, (await cast.ada.get("/admin")).text
    asked = await cast.ada.post(f"/admin/jobs/inverters/{cast.roof}/retry")

    assert list(found.values()) == [True, True, True, False]
    assert "to be erased</span>" in page
    assert 'href="/admin/jobs?state=failed"' in overview
    assert asked.status_code == 303


async def test_a_place_that_is_ready_is_not_tried_again(cast: Cast) -> None:
    """The button was pressed on a page of yesterday."""
    await pending(cast, "")
    async with cast.portal.parts.sessions.begin() as session:
        await session.execute(update(Placement).values(state=PlacementState.READY))

    answer = await cast.ada.post(f"/admin/jobs/inverters/{cast.roof}/retry")

    assert answer.status_code == 404
    assert await entries(cast.portal, "provisioning.retried") == []


async def test_a_mail_that_waits_is_listed_without_what_it_says(cast: Cast) -> None:
    """It may hold a link that opens an account; a mail that went out is not there any more."""
    cast.portal.bag.refusals = 1
    now = cast.portal.clock()
    async with cast.portal.parts.sessions.begin() as session:
        for name in ("late@example.org", "later@example.org"):
            letter = letters.set_password("http://portal.example.org", "SECRET")
            await owe(session, name, letter, sealer=cast.portal.parts.sealer, now=now)
    await cast.portal.mail_sent()

    page = (await cast.ada.get("/admin/mails")).text
    found = [name for name in ("late@", "later@") if name in page]
    searched = (await cast.ada.get("/admin/mails?q=%25")).text
    overview = (await cast.ada.get("/admin")).text

    assert len(found) == 1
    assert "SECRET" not in page
    assert "Nothing fits this search" in searched
    assert "Mails waiting" in overview


async def test_the_first_page_says_what_needs_somebody(cast: Cast) -> None:
    """Nothing where all is well; a link to each list that is not empty."""
    await pending(cast, "")
    well = (await cast.ada.get("/admin")).text
    await pending(cast, "401 unauthorized")
    await dispute(cast)
    await account(cast.portal, "waits@example.org", verified_at=None)

    page = (await cast.ada.get("/admin")).text

    assert "/admin/claims" in page.split("<h1>")[1]
    assert 'href="/admin/jobs?state=failed"' in page
    assert 'href="/admin/jobs?state=failed"' not in well
    assert "SQLite" in page
    for secret in (cast.portal.parts.settings.auth_secret, cast.portal.parts.settings.token_key):
        assert secret.get_secret_value() not in page
