"""Profile and signed-in devices: a name, a clock, and an end to every session that is not wanted."""

import re
from collections.abc import AsyncGenerator

import pytest
from sqlalchemy import select

from schema.models import Account, AuditEntry, Grant, LoginSession, Owner, Role
from tests.people import Person, allow, sign_up
from tests.portal_app import RunningPortal

pytestmark = pytest.mark.integration

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
_DEVICE = re.compile(r"/account/devices/([0-9a-f-]{36})/end")


@pytest.fixture
async def elsewhere(portal: RunningPortal) -> AsyncGenerator[Person, None]:
    """Alice at another browser."""
    async with portal.browser() as http:
        http.headers["user-agent"] = FIREFOX
        yield Person("alice", http)


async def entries(portal: RunningPortal, action: str) -> list[AuditEntry]:
    """The audit log's entries of this kind, oldest first."""
    async with portal.parts.sessions() as session:
        statement = select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.id)
        return list((await session.scalars(statement)).all())


async def test_a_person_is_called_by_the_name_he_gave(portal: RunningPortal, alice: Person) -> None:
    """On every page, instead of the address; an empty name brings the address back."""
    await sign_up(portal, alice)
    await alice.log_in()
    before = await alice.get("/")
    saved = await alice.post("/account/profile", display_name="  Alice   Liddell ", time_zone="tokyo")
    named = await alice.get("/")
    await alice.post("/account/profile", display_name="", time_zone="Asia/Tokyo")
    nameless = await alice.get("/")

    assert (saved.status_code, saved.headers["location"]) == (303, "/account?notice=saved")
    assert "<span>alice@example.org</span>" in before.text
    assert "<span>Alice Liddell</span>" in named.text
    assert "<span>alice@example.org</span>" in nameless.text
    async with portal.parts.sessions() as session:
        assert (await session.scalars(select(Owner.time_zone))).one() == "Asia/Tokyo"
    changes = await entries(portal, "account.profile_changed")
    assert [entry.details.get("zone_after") for entry in changes] == ["Asia/Tokyo", None]
    assert "Liddell" not in str([entry.details for entry in changes])


async def test_times_are_told_in_the_zone_of_the_home(portal: RunningPortal, alice: Person) -> None:
    """The same log-in, nine hours apart."""
    await sign_up(portal, alice)
    portal.clock.at = portal.clock().replace(hour=12, minute=34)
    await alice.log_in()
    shown = {}
    for zone in ("UTC", "Asia/Tokyo"):
        await alice.post("/account/profile", display_name="", time_zone=zone)
        shown[zone] = (await alice.get("/account/devices")).text

    assert "12:34" in shown["UTC"]
    assert "21:34" in shown["Asia/Tokyo"]


@pytest.mark.parametrize("typed", [{"time_zone": "Atlantis"}, {"time_zone": "UTC", "display_name": "x" * 81}])
async def test_a_wrong_profile_comes_back_with_what_is_wrong(
    portal: RunningPortal, alice: Person, typed: dict[str, str]
) -> None:
    """422, the sentence beside its field, what was typed still there, nothing changed."""
    await sign_up(portal, alice)
    await alice.log_in()

    answer = await alice.post("/account/profile", **typed)

    assert answer.status_code == 422
    assert 'class="field-error"' in answer.text
    assert f'value="{typed["time_zone"]}"' in answer.text
    async with portal.parts.sessions() as session:
        assert (await session.scalars(select(Owner.time_zone))).one() == "Europe/Berlin"
        assert (await session.scalars(select(Account.display_name))).one() == ""


async def test_who_only_looks_does_not_set_the_homes_clock(portal: RunningPortal, alice: Person, bob: Person) -> None:
    """A reader's time zone is nobody's: his form has none, and one sent all the same changes nothing."""
    await sign_up(portal, alice)
    await sign_up(portal, bob)
    await alice.log_in()
    roof = await alice.add_inverter()
    await allow(portal, bob, roof, Role.READER)
    async with portal.parts.sessions.begin() as session:
        own = select(Grant).where(Grant.account_id == bob.account_id, Grant.role == Role.OWNER)
        await session.delete((await session.scalars(own)).one())
    await bob.log_in()

    page = await bob.get("/account")
    sent = await bob.post("/account/profile", display_name="Bob", time_zone="Asia/Tokyo")

    assert 'name="time_zone"' not in page.text
    assert sent.status_code == 303
    async with portal.parts.sessions() as session:
        assert set((await session.scalars(select(Owner.time_zone))).all()) == {"Europe/Berlin"}


async def test_every_device_is_listed_in_words_and_this_one_is_marked(
    portal: RunningPortal, alice: Person, elsewhere: Person
) -> None:
    """Two browsers and a program; another person's are not there."""
    await sign_up(portal, alice)
    await alice.log_in()
    await elsewhere.log_in()
    await alice.bearer()

    page = (await elsewhere.get("/account/devices")).text

    assert len(_DEVICE.findall(page)) == 3
    assert page.count("this device") == 1
    assert page.index("Firefox on Linux") < page.index("this device") < page.index("A program (python-httpx)")


async def test_when_a_device_was_last_seen_is_kept_to_within_five_minutes(portal: RunningPortal, alice: Person) -> None:
    """A page does not cost a write; the first one after five minutes does."""
    await sign_up(portal, alice)
    await alice.log_in()
    began = portal.clock()
    seen = []
    for minutes in (4, 2):
        portal.clock.go(minutes=minutes)
        await alice.get("/account")
        async with portal.parts.sessions() as session:
            seen.append((await session.scalars(select(LoginSession.seen_at))).one())

    assert seen == [began, portal.clock()]


async def test_one_device_can_be_ended(portal: RunningPortal, alice: Person, elsewhere: Person) -> None:
    """It is out at once; the one that asked stays, and the log says which it was."""
    await sign_up(portal, alice)
    await alice.log_in()
    await elsewhere.log_in()
    page = (await alice.get("/account/devices")).text
    mine, other = _DEVICE.findall(page)

    ended = await alice.post(f"/account/devices/{other}/end")
    again = await alice.post(f"/account/devices/{other}/end")

    assert (ended.status_code, again.status_code) == (303, 404)
    assert (await elsewhere.get("/")).status_code == 303
    assert (await alice.get("/")).status_code == 200
    assert [entry.details for entry in await entries(portal, "session.ended")] == [{"session": other}]
    left = await alice.post(f"/account/devices/{mine}/end")
    assert left.headers["location"] == "/login?notice=bye"
    assert (await alice.get("/")).status_code == 303


async def test_nobody_ends_a_strangers_device(portal: RunningPortal, alice: Person, bob: Person) -> None:
    """Another account's session is as good as none."""
    for person in (alice, bob):
        await sign_up(portal, person)
        await person.log_in()
    [device] = _DEVICE.findall((await alice.get("/account/devices")).text)

    answer = await bob.post(f"/account/devices/{device}/end")

    assert answer.status_code == 404
    assert (await alice.get("/")).status_code == 200


@pytest.mark.parametrize("which", ["end-others", "end-all"])
async def test_log_out_everywhere(
    portal: RunningPortal, alice: Person, elsewhere: Person, bob: Person, which: str
) -> None:
    """Everywhere else, or everywhere: browsers and programs of this account, and of nobody else."""
    for person in (alice, bob):
        await sign_up(portal, person)
        await person.log_in()
    await elsewhere.log_in()
    headers = await elsewhere.bearer()

    await alice.post(f"/account/devices/{which}")

    assert (await elsewhere.get("/")).status_code == 303
    assert (await elsewhere.http.get("/api/inverters", headers=headers)).status_code == 401
    assert (await alice.get("/")).status_code == (200 if which == "end-others" else 303)
    assert (await bob.get("/")).status_code == 200
    assert len(await entries(portal, "session.all_ended")) == 1


async def test_every_way_on_from_the_account_leads_somewhere(portal: RunningPortal, alice: Person) -> None:
    """Address, password, devices, second factor, keys, activity, deletion."""
    await sign_up(portal, alice)
    await alice.log_in()
    ways = re.findall(r'<li><a href="(/account/[a-z]+)"', (await alice.get("/account")).text)

    answers = {way: (await alice.get(way)).status_code for way in ways}

    assert len(answers) == 7
    assert set(answers.values()) == {200}
