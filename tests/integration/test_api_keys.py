"""API keys read what their account may see below /api; they open nothing else, and end when they should."""

import re
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from litestar import Router, post
from sqlalchemy import select, update

from portal.accounts import api_keys
from portal.app import PROGRAMS_SIGNED_IN
from portal.auth import VisitorRequest
from portal.keys import KeyUse, derived
from schema.models import Account, ApiKey
from schema.scrubbing import BLANK, scrubbed
from tests.people import PASSWORD, SESSION_COOKIE, Cast, Person, the_cast
from tests.portal_app import running_portal

pytestmark = pytest.mark.integration

_KEY = re.compile(r"deye_[A-Z2-7]{32}")
LIST = "/api/inverters"


async def new_key(person: Person, name: str = "Home", days: int = 90) -> str:
    """Make a key by the page; returns what the page then shows once."""
    answer = await person.post("/account/keys", name=name, days=str(days))
    assert answer.status_code == 303, answer.text
    found = _KEY.search((await person.get("/account/keys")).text)
    assert found
    return found[0]


async def rows(cast: Cast) -> list[ApiKey]:
    """What the table holds, oldest first."""
    async with cast.portal.parts.sessions() as session:
        return list((await session.scalars(select(ApiKey).order_by(ApiKey.created_at))).all())


async def ask(cast: Cast, key: str, path: str = LIST, method: str = "GET", scheme: str = "Bearer") -> httpx.Response:
    """A program without cookies asks with this key."""
    async with cast.portal.browser() as http:
        return await http.request(method, path, headers={"Authorization": f"{scheme} {key}"})


async def test_a_key_reads_what_its_account_may_see(cast: Cast) -> None:
    """Alice's roof for Alice; for Bob's key there is no such inverter, in the list as by its id."""
    hers, his = await new_key(cast.alice), await new_key(cast.bob)

    of_alice, one = await ask(cast, hers), await ask(cast, hers, f"{LIST}/{cast.roof}")
    foreign, unlisted = await ask(cast, his, f"{LIST}/{cast.roof}"), await ask(cast, his)

    assert str(cast.roof) in of_alice.text
    assert one.status_code == 200
    assert foreign.status_code == 404
    assert unlisted.status_code == 200
    assert str(cast.roof) not in unlisted.text


async def test_what_an_account_may_see_is_asked_at_each_request(cast: Cast) -> None:
    """The key of an installer whose grant is over sees nothing from then on."""
    key = await new_key(cast.ines)
    before = await ask(cast, key, f"{LIST}/{cast.roof}")
    async with cast.portal.parts.sessions.begin() as session:
        account = await session.get_one(Account, cast.ines.account_id)
        account.disabled_at = cast.portal.clock()
    disabled = await ask(cast, key)
    async with cast.portal.parts.sessions.begin() as session:
        account = await session.get_one(Account, cast.ines.account_id)
        account.disabled_at, account.delete_after = None, cast.portal.clock()
    leaving = await ask(cast, key)
    async with cast.portal.parts.sessions.begin() as session:
        await session.delete(await session.get_one(Account, cast.ines.account_id))
    gone = await ask(cast, key)

    assert before.status_code == 200
    assert (disabled.status_code, leaving.status_code, gone.status_code) == (401, 401, 401)
    assert await rows(cast) == []


async def test_a_key_is_shown_once_and_kept_as_a_hash(cast: Cast) -> None:
    """No row holds it, and the next look at the page shows its first characters alone."""
    key = await new_key(cast.alice)
    page, row = (await cast.alice.get("/account/keys")).text, (await rows(cast))[0]

    assert key not in page
    assert key[:9] in page
    assert not [value for value in vars(row).values() if key in str(value)]
    assert row.hint == key[:9]
    assert row.scope == "read"


async def test_a_key_ends_when_it_is_revoked_or_runs_out(cast: Cast) -> None:
    """At once, and on its day."""
    revoked, short, long = [await new_key(cast.alice, name, days) for name, days in (("A", 365), ("B", 7), ("C", 90))]
    first = (await rows(cast))[0]
    ended = await cast.alice.post(f"/account/keys/{first.id}/revoke")
    at_once = [(await ask(cast, key)).status_code for key in (revoked, short, long)]
    cast.portal.clock.go(days=7)
    later = [(await ask(cast, key)).status_code for key in (revoked, short, long)]

    assert ended.status_code == 303
    assert at_once == [401, 200, 200]
    assert later == [401, 401, 200]


async def test_nobody_revokes_somebody_elses_key(cast: Cast) -> None:
    """For Bob there is none, and it goes on working."""
    key, row = await new_key(cast.alice), (await rows(cast))[0]
    by_bob = await cast.bob.post(f"/account/keys/{row.id}/revoke")

    assert by_bob.status_code == 404
    assert (await ask(cast, key)).status_code == 200
    assert row.name not in re.sub(r"<nav.*?</nav>", "", (await cast.bob.get("/account/keys")).text, flags=re.DOTALL)


async def test_a_key_may_do_nothing_but_read_below_api(cast: Cast) -> None:
    """Every other address of programs, with every method it takes: 403. The administrator's key is no exception."""
    key = await new_key(cast.ada)
    refused = {}
    for handler in PROGRAMS_SIGNED_IN:
        for method in handler.http_methods:
            for path in handler.paths:
                if method != "GET" or not path.startswith("/api/"):
                    filled = re.sub(r"\{[^}]+\}", "2711111111", path)
                    refused[f"{method} {filled}"] = (await ask(cast, key, filled, method)).status_code

    assert {"GET /influx_token", "POST /auth/jwt/logout"} <= set(refused)
    assert set(refused.values()) == {403}


async def test_collectors_addresses_are_closed_to_keys_where_settings_open_them(tmp_path: Path) -> None:
    """An administrator's log-in may ask there when the operator says so; an administrator's key may not."""
    async with running_portal(tmp_path, admin_bearer_reads_influx_tokens=True) as portal, the_cast(portal) as cast:
        key = await new_key(cast.ada)
        by_key = await ask(cast, key, "/influx_token?serial=2711111111")
        async with portal.browser() as http:
            bearer = await Person("ada", http).bearer()
            by_log_in = await http.get("/influx_token?serial=2711111111", headers=bearer)

    assert by_key.status_code == 403
    assert by_log_in.status_code == 501


async def test_a_key_opens_no_page(cast: Cast) -> None:
    """Neither in the header nor in the cookie's place; and the API takes it from the header alone."""
    key = await new_key(cast.alice)
    by_header = [(await ask(cast, key, path)).status_code for path in ("/", "/inverters", "/account/keys")]
    async with cast.portal.browser() as http:
        http.cookies.set(SESSION_COOKIE, key, domain="portal.example.org")
        by_cookie = (await http.get("/inverters")).status_code
        api_by_cookie = (await http.get(LIST)).status_code
        api_by_query = (await http.get(f"{LIST}?key={key}&access_token={key}")).status_code
    other_scheme = (await ask(cast, key, scheme="Basic")).status_code

    assert by_header == [303, 303, 303]
    assert by_cookie == 303
    assert (api_by_cookie, api_by_query, other_scheme) == (401, 401, 401)


@post("/api/act", opt={"exclude_from_csrf": True})
async def act(request: VisitorRequest) -> str:
    """What a later version might let programs change."""
    return f"changed by {request.user.email}"


async def test_a_key_changes_nothing_below_api_either(cast: Cast) -> None:
    """Today no address there changes anything; one that is added is closed to keys, and open to a log-in."""
    api = cast.portal.app.state.auth.api.middleware
    cast.portal.app.register(Router("/", route_handlers=[act], middleware=[api], include_in_schema=False))
    key, bearer = await new_key(cast.alice), (await cast.alice.bearer())["Authorization"].split()[1]

    by_key, by_log_in = await ask(cast, key, "/api/act", "POST"), await ask(cast, bearer, "/api/act", "POST")

    assert by_key.status_code == 403
    assert by_log_in.text == f"changed by {cast.alice.email}"


async def test_each_rule_of_keys_stands_by_itself(cast: Cast) -> None:
    """Past the pages and the layer: an administrator's key is nobody's administrator, and Bob ends no key of hers."""
    key, row, now = await new_key(cast.ada), (await rows(cast))[0], cast.portal.clock()
    hashed_with = derived(cast.portal.parts.settings.auth_secret.get_secret_value(), KeyUse.API_KEYS)
    async with cast.portal.parts.sessions.begin() as session:
        visitor = await api_keys.visitor(session, key, key=hashed_with, now=now)
        by_bob = await api_keys.revoke(session, cast.bob.account_id, row.id, now=now)
        by_ada = await api_keys.revoke(session, cast.ada.account_id, row.id, now=now)

    assert visitor is not None
    assert (visitor.account_id, visitor.is_admin, visitor.proved_at) == (cast.ada.account_id, False, None)
    assert (by_bob, by_ada) == (False, True)
    assert [api_keys.is_due(now, now + timedelta(minutes=minutes)) for minutes in (4, 5)] == [False, True]


async def test_nonsense_is_no_key(cast: Cast) -> None:
    """Cut, changed, made up, in other letters: all 401 as for any unknown token."""
    key = await new_key(cast.alice)
    other = key[:-1] + ("A" if key[-1] != "A" else "B")
    wrong = [key[:-1], key + "A", other, key.lower(), "deye_", "deye_" + "A" * 32, "deye_" + "'" * 32, "deye_\x01"]

    answers = [await ask(cast, presented) for presented in wrong]

    assert [answer.status_code for answer in answers] == [401] * len(wrong)
    assert len({answer.content for answer in answers}) == 1


async def test_a_key_of_another_scope_reads_nothing(cast: Cast) -> None:
    """There is one scope today; a key that a later version made for something else is not taken for it."""
    key = await new_key(cast.alice)
    async with cast.portal.parts.sessions.begin() as session:
        await session.execute(update(ApiKey).values(scope="write"))

    assert (await ask(cast, key)).status_code == 401


async def test_its_last_use_is_noted_every_five_minutes_at_most(cast: Cast) -> None:
    """A write per request would be dear."""
    key, start = await new_key(cast.alice), cast.portal.clock()
    noted = []
    for minutes in (0, 4, 1):
        cast.portal.clock.go(minutes=minutes)
        await ask(cast, key)
        noted.append((await rows(cast))[0].last_used_at)

    assert noted == [start, start, cast.portal.clock()]


async def test_the_number_of_keys_and_their_lives_are_limited(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong is said where it belongs, and nothing is made."""
    monkeypatch.setattr(api_keys, "MOST_KEYS", 2)
    await new_key(cast.alice, "A")
    wrong = [
        await cast.alice.post("/account/keys", name=name, days=days, **more)
        for name, days, more in (
            ("A", "90", {}), ("B", "366", {}), ("B", "x", {}), ("", "90", {}), ("\u202eB", "90", {}),
            ("B", "90", {"scope": "write"}), ("B", "90", {"account_id": str(cast.bob.account_id)}),
        )
    ]  # fmt: skip
    await new_key(cast.alice, "B")
    too_many = await cast.alice.post("/account/keys", name="C", days="90")

    assert [answer.status_code for answer in wrong] == [422] * len(wrong)
    assert "You have a key of this name already." in wrong[0].text
    assert 'id="days-error"' in wrong[1].text
    assert "as many keys as one account may have" in too_many.text
    assert [row.name for row in await rows(cast)] == ["A", "B"]


async def test_a_key_lives_on_when_the_password_changes(cast: Cast) -> None:
    """Its page says so; the sessions die."""
    key, bearer = await new_key(cast.alice), await cast.alice.bearer()
    async with cast.portal.browser() as http:
        other_device = Person("alice", http)
        await other_device.log_in()
        changed = await cast.alice.post("/account/password", old_password=PASSWORD, password="seven blue umbrellas")
        left_out = await other_device.get("/inverters")
        program = await http.get(LIST, headers=bearer)

    assert changed.status_code == 303
    assert (left_out.status_code, program.status_code) == (303, 401)
    assert (await ask(cast, key)).status_code == 200
    assert "lives on when you change your password" in (await cast.alice.get("/account/keys")).text


async def test_no_key_and_no_code_reaches_the_log(cast: Cast, capsys: pytest.CaptureFixture[str]) -> None:
    """Used well, used wrongly, half of it; and where it stands in the text of a fault it is blanked, digits or none."""
    key = await new_key(cast.alice)
    for path, method in (
        (LIST, "GET"),
        (f"{LIST}/{cast.roof}", "GET"),
        ("/influx_token?serial=1", "GET"),
        (LIST, "POST"),
    ):
        await ask(cast, key, path, method)
    await ask(cast, key[:-1])
    await ask(cast, f"{key}x")
    said = "".join(capsys.readouterr())

    assert key[:-1] not in said
    assert key not in scrubbed(f"a fault at {key!r}, and {key}, and Bearer {key}")
    assert scrubbed("deye_" + "A" * 32) == BLANK
