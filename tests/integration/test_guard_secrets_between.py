"""Canaries through what people do with each other: collectors, sites, hand-over, readers, serials, an older key.

T27 and T31 of the threat list; ``test_guard_secrets`` is about one's own account.
"""

import base64
import html
import io
import json
import re
import secrets
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import select, update

from portal.accounts.known_browsers import NAME as KNOWN
from portal.credentials.identities import PREFIX
from portal.sharing import service as sharing
from schema.models import Account, ClaimState, Notice, NoticeKind, Placement
from schema.notices import note
from schema.sealing import AesSealer
from tests.canaries import Canaries, files, in_the_database, overheard
from tests.collecting import INFLUX, SERIAL, Program, bearing, working
from tests.people import Cast, Person, shown_secret, the_cast
from tests.portal_app import running_portal
from tests.serial_states import desk, has_spoken, request_of
from tests.sharing import CUSTOMER, invited

pytestmark = pytest.mark.integration

OLD, LOST = [base64.b64encode(secrets.token_bytes(32)).decode() for _ in range(2)]
_KEY = re.compile(rf"{PREFIX}[A-Z2-7]{{32}}")
_HINT = re.compile(r'name="instead_of" value="([^"]+)"')


@pytest.fixture
async def cast(tmp_path: Path) -> AsyncGenerator[Cast, None]:
    """Everybody at a portal whose key was changed."""
    async with running_portal(tmp_path, token_key_old=OLD, **INFLUX) as portal, the_cast(portal) as people:
        yield people


@pytest.fixture
def said(cast: Cast) -> Iterator[io.StringIO]:
    """What the portal logs."""
    with overheard(cast.portal) as text:
        yield text


def _cookies(person: Person, seen: Canaries, answer: httpx.Response, name: str) -> None:
    """What an answer leaves in the browser to be shown by the next page."""
    given = [value for key, value in answer.cookies.items() if value and key.startswith(name)]
    assert len(given) == 1, answer.cookies
    seen.keep(f"cookie {name} of {person.name}", given[0])


async def _sealed(cast: Cast, seen: Canaries, key: str, name: str) -> None:
    """Alice's write token, sealed with an older key, or with one that nobody has any more."""
    token = seen.keep(name, f"canary-{uuid4().hex}{uuid4().hex}==")
    sealed = AesSealer(key).seal(token, row=f"placement:{cast.roof}:external")
    async with cast.portal.parts.sessions.begin() as session:
        mine = update(Placement).where(Placement.inverter_id == cast.roof)
        await session.execute(mine.values(external_token_sealed=sealed))


async def _collectors(cast: Cast, seen: Canaries) -> None:
    """A key made, pasted into a search, used and renewed; refusals of one that is none and of one that has ended."""
    await working(cast)
    await _sealed(cast, seen, OLD, "write token under an older key")
    made = await cast.ada.post("/admin/collectors", name="house", networks="", days="30")
    _cookies(cast.ada, seen, made, "collector-")
    page = made.headers["location"]
    keys: list[str] = []
    for name in ("collector's key", "renewed key"):
        if keys:
            hint = _HINT.search((await cast.ada.get(page)).text)
            assert hint
            renewed = await cast.ada.post(f"{page}/key", instead_of=hint[1], days="30", overlap="1")
            assert renewed.status_code == 303
        found = _KEY.search((await cast.ada.get(page)).text)
        assert found
        keys.append(seen.keep(name, found[0]))
        assert (await cast.ada.get(f"/admin/collectors?q={found[0]}")).status_code == 200
    broken = seen.keep("key that is none", f"{PREFIX}{'A' * 20}{'BCDEFGHIJKLM'}")
    programs = [Program(uuid4(), cast.portal.browser_at("192.0.2.7"), bearing(key)) for key in (*keys, broken)]
    told = [await program.ask() for program in programs]
    assert [answer.status_code for answer in told] == [200, 200, 401]
    assert seen.secrets["write token under an older key"] in told[0].text
    seen.failed(told[2])
    await _sealed(cast, seen, LOST, "write token under a lost key")
    seen.failed(await programs[1].ask())
    seen.failed(await programs[1].ask_quietly())
    seen.failed(await programs[1].ask("2700000000"))
    await cast.ada.post(f"{page}/revoke")
    seen.failed(await programs[1].ask())
    seen.failed(await cast.ada.post(f"{page}/key", instead_of=keys[1][:10], days="30", overlap="1"))


async def _serials(cast: Cast, seen: Canaries) -> None:
    """Bob claims what Alice holds, asks, and is left it; she replaces a device, and gives another one away."""
    bobs = await cast.bob.add_inverter("Bought", SERIAL)
    seen.keep("secret of who claims", shown_secret((await cast.bob.get(f"/inverters/{bobs}/pairing")).text))
    await has_spoken(cast, bobs, ClaimState.DISPUTED)
    await cast.bob.post(f"/inverters/{bobs}/serial/ask")
    await desk(cast)
    request = await request_of(cast)
    seen.failed(await cast.bob.post(f"/serials/{request.id}/answer", answer="yes"))
    assert (await cast.alice.post(f"/serials/{request.id}/answer", answer="yes")).status_code == 303
    shed = await cast.alice.add_inverter("Shed", "2733333333")
    first = shown_secret((await cast.alice.get(f"/inverters/{shed}/pairing")).text)
    seen.keep("secret of what is given away", first)
    await has_spoken(cast, shed)
    seen.failed(await cast.alice.post(f"/inverters/{shed}/serial/change", serial="27", why="replaced"))
    await cast.alice.post(f"/inverters/{shed}/serial/change", serial="2744444444", why="replaced")
    renewed = await cast.alice.post(f"/inverters/{shed}/pairing/logins", label="second", known="1")
    assert renewed.status_code == 303, renewed.text
    second = shown_secret((await cast.alice.get(renewed.headers["location"])).text)
    seen.keep("secret of a second login", second)
    seen.failed(await cast.alice.post(f"/inverters/{shed}/serial/give-away"))
    assert (await cast.alice.post(f"/inverters/{shed}/serial/give-away", sure="yes")).status_code == 303
    seen.failed(await cast.bob.post(f"/inverters/{shed}/pairing/logins", label="third", known="0"))


async def _site(cast: Cast, seen: Canaries) -> None:
    """Ines pairs on site, prints the sheet and hands over to somebody new; his link, again, is spent."""
    async with cast.portal.parts.sessions.begin() as session:
        await session.execute(update(Account).where(Account.id == cast.ines.account_id).values(is_installer=True))
    site = (await cast.ines.post("/sites", name="Mill Lane 4", time_zone="Europe/Berlin")).headers["location"]
    added = await cast.ines.post(f"{site}/devices", serial="2755555555")
    _cookies(cast.ines, seen, added, "site")
    secret = seen.keep("secret on site", shown_secret((await cast.ines.get(site)).text))
    seen.failed(await cast.ines.post(f"{site}/devices", serial="2755555555"))
    assert secret in (await cast.ines.get(f"{site}/settings")).text
    owner_id = next(one.id for one in await _places(cast, cast.ines) if one.is_site)
    token = seen.keep("link that hands over", await invited(cast.portal, cast.ines, owner_id, CUSTOMER))
    password = seen.keep("password of who is new", f"canary eleven {uuid4().hex}")
    miller = Person("miller", cast.nobody.http)
    seen.failed(await miller.post("/invitation/join", token=token, password="short"))
    joined = await miller.post("/invitation/join", token=token, password=password)
    assert joined.status_code == 303, joined.text
    seen.keep("mark of a known browser", joined.cookies[KNOWN])
    seen.failed(await miller.post("/invitation/join", token=token, password=password))
    seen.failed(await miller.get(f"/invitation?token={token}"))


async def _reader(cast: Cast, seen: Canaries) -> None:
    """Bob is invited to look, by a link that Ines cannot use; and a notice is put away."""
    token = seen.keep("link to look", await invited(cast.portal, cast.alice, cast.home, cast.bob.email, way="invite"))
    seen.failed(await cast.ines.post("/invitation/accept", token=token))
    assert (await cast.bob.post("/invitation/accept", token=token)).status_code == 303
    seen.failed(await cast.bob.post("/invitation/accept", token=token))
    async with cast.portal.parts.sessions.begin() as session:
        now = cast.portal.clock()
        await note(session, NoticeKind.CLOCK_SKEW, owner_id=cast.home, inverter_id=cast.roof, now=now)
    async with cast.portal.parts.sessions() as session:
        notice = (await session.scalars(select(Notice.id).where(Notice.kind == NoticeKind.CLOCK_SKEW))).one()
    seen.failed(await cast.bob.post(f"/notices/{notice}/hide", next="/"))
    assert (await cast.alice.post(f"/notices/{notice}/hide", next="/")).status_code == 303


async def _places(cast: Cast, person: Person) -> list[sharing.Place]:
    async with cast.portal.parts.sessions() as session:
        return list(await sharing.places(session, person.account_id, cast.portal.clock()))


async def test_no_secret_is_read_where_people_deal_with_each_other(
    cast: Cast, said: io.StringIO, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Keys of collectors, write tokens, secrets of logins, links, sealed cookies, marks, keys that seal."""
    seen = Canaries()
    seen.keep("TOKEN_KEY", cast.portal.parts.settings.token_key.get_secret_value())
    seen.keep("TOKEN_KEY_OLD", OLD)
    await _collectors(cast, seen)
    await _serials(cast, seen)
    await _site(cast, seen)
    await _reader(cast, seen)

    async def broken(*_: object) -> None:
        raise RuntimeError("canary: " + json.dumps(list(seen.secrets.values())))

    monkeypatch.setattr(sharing, "places", broken)
    assert seen.failed(await cast.alice.get("/homes")).status_code == 500
    await cast.portal.mail_sent()
    stored, logged, on_the_disk = await in_the_database(cast.portal), said.getvalue(), files(tmp_path)

    assert "request.failed" in logged
    assert len(seen.secrets) >= 17
    assert len(seen.errors) >= 14
    assert seen.seen_in(logged) == []
    assert seen.seen_in(stored) == []
    assert {name for name, secret in seen.secrets.items() if secret.encode() in on_the_disk} == set()
    # The page of a link that is good keeps it for the button.
    assert set(seen.seen_in(html.unescape("\n".join(seen.errors)))) <= {"link that hands over", "link to look"}
