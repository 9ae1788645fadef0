"""On site: Ines makes a customer's site and adds its devices; each secret is shown once, and once more on a sheet."""

from collections.abc import AsyncGenerator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from portal.sites import service
from schema import live
from schema.models import Account, Grant, Inverter, Owner, PasswordFileGeneration, Role, Rung
from tests.people import Cast, Person, login_of, shown_secret, the_cast
from tests.portal_app import RunningPortal, running_portal
from tests.watts import live_row

pytestmark = pytest.mark.integration


@pytest.fixture
async def cast(tmp_path: Path) -> AsyncGenerator[Cast, None]:
    """Everybody at a portal of their own; an administrator has made Ines an installer."""
    async with running_portal(tmp_path) as portal, the_cast(portal) as people:
        async with portal.parts.sessions.begin() as session:
            mine = update(Account).where(Account.id == people.ines.account_id)
            await session.execute(mine.values(is_installer=True))
        yield people


async def site_of(person: Person, name: str = "Mill Lane 4") -> str:
    """The address of a new site."""
    answer = await person.post("/sites", name=name, time_zone="Europe/Lisbon")
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


async def device_of(cast: Cast, site: str, serial: str) -> Inverter:
    """A new device of the site."""
    answer = await cast.ines.post(f"{site}/devices", serial=serial)
    assert answer.status_code == 303, answer.text
    async with cast.portal.parts.sessions() as session:
        return (await session.scalars(select(Inverter).where(Inverter.serial == serial))).one()


async def hand_over(portal: RunningPortal, site: str, person: Person) -> None:
    """What the hand-over leaves: the site has an owner."""
    async with portal.parts.sessions.begin() as session:
        session.add(
            Grant(
                id=uuid4(), account_id=person.account_id, owner_id=UUID(site.rsplit("/", 1)[-1]), role=Role.OWNER,
                created_at=portal.clock(),
            )
        )  # fmt: skip


async def test_a_site_is_an_owner_that_its_installer_alone_may_act_for(cast: Cast) -> None:
    """One owner's row in the browser's zone, one grant, no place in the store before the first device."""
    site = await site_of(cast.ines, "  Mill   Lane 4 ")

    async with cast.portal.parts.sessions() as session:
        owner = await session.get_one(Owner, UUID(site.rsplit("/", 1)[-1]))
        grants = (await session.scalars(select(Grant).where(Grant.owner_id == owner.id))).all()
    assert (owner.name, owner.time_zone, owner.handed_over_at) == ("Mill Lane 4", "Europe/Lisbon", None)
    assert [(grant.account_id, grant.role, grant.until) for grant in grants] == [
        (cast.ines.account_id, Role.INSTALLER, None)
    ]
    assert "Mill Lane 4" in (await cast.ines.get("/sites")).text


@pytest.mark.parametrize("name", ["alice", "bob", "ada"])
async def test_who_is_no_installer_finds_no_sites_at_all(cast: Cast, name: str) -> None:
    """Neither one's own list nor Ines's site, whoever asks; an administrator neither."""
    site, person = await site_of(cast.ines), getattr(cast, name)
    looks = [await person.get(path) for path in ("/sites", site, f"{site}/devices", f"{site}/settings")]
    acts = [await person.post("/sites", name="Barn"), await person.post(f"{site}/devices", serial="2733333333")]

    assert {answer.status_code for answer in (*looks, *acts)} == {404}


async def test_another_installer_finds_nothing_of_hers(cast: Cast) -> None:
    """The role opens one's own sites, never a colleague's."""
    site = await site_of(cast.ines)
    async with cast.portal.parts.sessions.begin() as session:
        await session.execute(update(Account).where(Account.id == cast.bob.account_id).values(is_installer=True))

    looks = [await cast.bob.get(path) for path in (site, f"{site}/devices", f"{site}/settings")]
    act = await cast.bob.post(f"{site}/devices", serial="2733333333")

    assert {answer.status_code for answer in (*looks, act)} == {404}
    assert "Mill Lane 4" not in (await cast.bob.get("/sites")).text


async def test_a_wrong_form_says_what_is_wrong_and_keeps_what_was_typed(cast: Cast) -> None:
    """No name, a name that is taken, no serial, two serials, a serial that this site has."""
    nameless = await cast.ines.post("/sites", name="  ")
    site = await site_of(cast.ines)
    twin = await cast.ines.post("/sites", name="mill lane 4")
    device = await device_of(cast, site, "2733333333")
    wrong = [await cast.ines.post(f"{site}/devices", serial=text, name="Barn") for text in ("", "27", "27 3333 3333")]

    assert nameless.status_code == twin.status_code == 422
    assert 'id="name-error"' in nameless.text
    assert f'href="{site}"' in twin.text
    assert [answer.status_code for answer in wrong] == [422] * 3
    assert all('id="serial-error"' in answer.text and 'value="Barn"' in answer.text for answer in wrong)
    assert f"/inverters/{device.id}/pairing" in wrong[-1].text


async def test_a_device_shows_its_settings_at_once_and_its_secret_once(cast: Cast) -> None:
    """Host, port, login, secret and topic on the page behind the form; without a name it is called by its number."""
    site = await site_of(cast.ines)
    device = await device_of(cast, site, "2733333333")
    first, again = await cast.ines.get(site), await cast.ines.get(site)
    login = await login_of(cast.portal, device.id)

    assert device.name == "Inverter 1"
    assert shown_secret(first.text)
    for needed in ("mqtt.example.org", "1883", login.name, f"deye/{login.name}"):
        assert needed in first.text
    assert shown_secret(again.text) == ""
    assert login.made_by == cast.ines.account_id
    assert "camera=(self)" in first.headers["permissions-policy"]


async def test_the_sheet_has_all_settings_of_the_site_and_each_secret_once(cast: Cast) -> None:
    """Printed after the last device; afterwards, in another session and hours later only new secrets can be made."""
    site = await site_of(cast.ines)
    shown = set()
    for number in range(3):
        await device_of(cast, site, f"273333333{number}")
        shown.add(shown_secret((await cast.ines.get(site)).text))
    cookie = cast.ines.http.cookies["site"]
    sheet, again = await cast.ines.get(f"{site}/settings"), await cast.ines.get(f"{site}/settings")
    cast.ines.http.cookies.set("site", cookie, domain="portal.example.org", path="/")
    cast.portal.clock.go(hours=5)
    too_late = await cast.ines.get(f"{site}/settings")
    cast.portal.clock.go(hours=-5)
    await cast.ines.post("/logout")
    await cast.ines.log_in()
    cast.ines.http.cookies.set("site", cookie, domain="portal.example.org", path="/")
    in_another_session = await cast.ines.get(f"{site}/settings")

    assert "" not in shown
    assert all(secret in sheet.text for secret in shown)
    assert [shown_secret(page.text) for page in (again, too_late, in_another_session)] == ["", "", ""]
    assert sheet.headers["cache-control"] == "no-store"
    assert again.text.count("2733333331") == 1


async def test_the_sheet_shows_no_secret_that_has_been_replaced(cast: Cast) -> None:
    """A new secret was made before the sheet was opened: the old one on paper would cost an hour on a ladder."""
    site = await site_of(cast.ines)
    device = await device_of(cast, site, "2733333333")
    old, login = shown_secret((await cast.ines.get(site)).text), await login_of(cast.portal, device.id)
    await cast.ines.post(f"/inverters/{device.id}/pairing/secret", login=login.name)

    sheet = await cast.ines.get(f"{site}/settings")

    assert old
    assert old not in sheet.text


async def test_the_list_follows_each_device_until_it_is_live(cast: Cast) -> None:
    """On its way to the broker, waiting, trouble in the bridge's words, and then its watts."""
    portal, site = cast.portal, await site_of(cast.ines)
    first, second = [await device_of(cast, site, serial) for serial in ("2733333331", "2733333332")]
    preparing = await cast.ines.get(f"{site}/devices")
    async with portal.parts.sessions.begin() as session:
        await session.execute(update(PasswordFileGeneration).values(written=10_000, applied=10_000))
    refused = {"reading_at": None, "refusal": "not_json", "refusal_detail": "", "refused_at": portal.clock()}
    await live.put(
        portal.parts.live_engine,
        [
            live_row(first.id, {"ac_power": 412.0}, version=1, at=portal.clock()),
            live_row(second.id, {}, version=2, at=portal.clock()) | refused | {"rung": Rung.TOPIC_RIGHT},
        ],
    )
    heard = await cast.ines.get(f"{site}/devices")

    assert "0 of 2 devices are live" in preparing.text
    assert preparing.text.count("on its way to the broker") == 2
    assert "1 of 2 devices are live" in heard.text
    assert "412" in heard.text
    assert "climb-trouble" in heard.text
    assert "<html" not in heard.text


async def test_a_site_that_has_an_owner_is_no_site_any_more(cast: Cast) -> None:
    """After the hand-over nothing can be added, and the sheet with the secrets is gone too."""
    site = await site_of(cast.ines)
    await device_of(cast, site, "2733333333")
    await hand_over(cast.portal, site, cast.alice)

    looks = [await cast.ines.get(path) for path in (site, f"{site}/devices", f"{site}/settings")]
    act = await cast.ines.post(f"{site}/devices", serial="2744444444")

    assert {answer.status_code for answer in (*looks, act)} == {404}
    assert "Mill Lane 4" not in (await cast.ines.get("/sites")).text


async def test_who_loses_the_role_finds_nothing(cast: Cast) -> None:
    """The grants stay, and are worth nothing until an administrator gives the role back."""
    site = await site_of(cast.ines)
    device = await device_of(cast, site, "2733333333")
    async with cast.portal.parts.sessions.begin() as session:
        await session.execute(update(Account).values(is_installer=False))

    hers = f"/inverters/{device.id}"
    answers = [await cast.ines.get(path) for path in ("/sites", site, hers, f"{hers}/pairing", f"{hers}/messages")]
    lists = [(await cast.ines.get(path)).text for path in ("/", "/inverters", "/fleet", "/homes")]

    assert {answer.status_code for answer in answers} == {404}
    assert not any("Mill Lane 4" in text or "2733333333" in text or hers in text for text in lists)


async def test_an_installer_has_so_many_sites_and_no_more(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day later there may be more, until too many have not been handed over."""
    monkeypatch.setattr(service, "MOST_NEW", 2)
    monkeypatch.setattr(service, "MOST_SITES", 3)
    await site_of(cast.ines, "First")
    await site_of(cast.ines, "Second")
    in_a_day = await cast.ines.post("/sites", name="Third")
    cast.portal.clock.go(hours=25)
    await cast.ines.log_in()
    await site_of(cast.ines, "Third")
    at_all = await cast.ines.post("/sites", name="Fourth")

    assert in_a_day.status_code == at_all.status_code == 422
    assert "as many sites as one installer may have" in at_all.text
