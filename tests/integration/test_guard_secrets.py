"""Canaries through all flows, failures included: no secret in a log, in an error or, in clear, in the database.

T27 and T31 of the threat list. Each canary is made up for this test, so that finding it anywhere is finding it out.
"""

import html
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pyotp
import pytest

from portal.accounts import service
from portal.keys import KeyUse
from portal.throttle import Throttle
from schema.settings import PortalSettings
from tests.canaries import Canaries, files, in_the_database, overheard
from tests.no_limits import NoLimits
from tests.people import CSRF_COOKIE, PASSWORD, SESSION_COOKIE, Person, newest_link, shown_secret, sign_up, token_of
from tests.portal_app import RunningPortal

pytestmark = pytest.mark.integration

_TOTP = re.compile(r"secret=([A-Z2-7]{32})")
_OFFER = re.compile(r'name="offer" value="([^"]+)"')
_MAILED = re.compile(r"token=([\w-]+)")
_API_KEY = re.compile(r"deye_[A-Z2-7]{32}")
_RECOVERY = re.compile(r"<(?:li|code)[^>]*>\s*(?:<code>)?([A-Z0-9]{4}(?:[- ][A-Z0-9]{4}){2,})")


@pytest.fixture
def said(portal: RunningPortal) -> Iterator[io.StringIO]:
    """What the portal logs."""
    with overheard(portal) as text:
        yield text


async def _account(portal: RunningPortal, alice: Person, seen: Canaries) -> None:
    """Sign up, confirm, log in wrongly and rightly, change the password, set it by mail."""
    password = seen.keep("password", f"canary nine {uuid4().hex}")
    wrong = seen.keep("wrong password", f"canary wrong {uuid4().hex}")
    await alice.post("/signup", email=alice.email, password=password)
    token = seen.keep("token that confirms", token_of(await newest_link(portal, alice.email)))
    await alice.get(f"/verify?token={token}")
    await alice.post("/verify", token=token)
    seen.failed(await alice.post("/verify", token=token))
    seen.failed(await alice.log_in(wrong))
    seen.failed(await alice.http.post("/auth/jwt/login", data={"username": alice.email, "password": wrong}))
    await alice.log_in(password)
    seen.failed(await alice.post("/signup", email="no address", password=wrong))
    seen.failed(await alice.post("/account/password", old_password=wrong, password=f"{wrong} new"))
    await alice.post("/account/password", old_password=password, password=PASSWORD)
    portal.clock.go(minutes=5)
    await alice.post("/reset", email=alice.email)
    link = seen.keep("token that resets", token_of(await newest_link(portal, alice.email)))
    third = seen.keep("new password", f"canary ten {uuid4().hex}")
    seen.failed(await alice.post("/reset/set", token=link, password="short"))
    await alice.post("/reset/set", token=link, password=third)
    seen.failed(await alice.post("/reset/set", token=link, password=third))
    assert (await alice.log_in(third)).status_code == 303
    seen.keep("cookie", alice.http.cookies[SESSION_COOKIE])
    seen.keep("form token", alice.http.cookies[CSRF_COOKIE])
    seen.keep("bearer", (await alice.bearer(third))["Authorization"].split()[1])


async def _second_ways(portal: RunningPortal, alice: Person, seen: Canaries) -> None:
    """An API key, and a second factor with its recovery codes, tried with wrong codes too."""
    made = await alice.post("/account/keys", name="my house", days="30")
    shown = made if made.status_code == 200 else await alice.get(made.headers["location"])
    found = _API_KEY.search(shown.text)
    assert found, shown.text
    key = seen.keep("API key", found[0])
    assert (await alice.http.get("/api/inverters", headers={"Authorization": f"Bearer {key}"})).status_code == 200
    broken = seen.keep("API key that is none", f"deye_{'A' * 20}{uuid4().hex[:12].upper()}")
    seen.failed(await alice.http.get("/api/inverters", headers={"Authorization": f"Bearer {broken}"}))
    offered = html.unescape((await alice.get("/account/security/on")).text)
    secret, offer = _TOTP.search(offered), _OFFER.search(offered)
    assert secret, offered
    assert offer
    seen.keep("secret of the second factor", secret[1])
    seen.failed(await alice.post("/account/security/on", offer=offer[1], code="000000"))
    on = await alice.post("/account/security/on", offer=offer[1], code=pyotp.TOTP(secret[1]).at(portal.clock()))
    codes = on if on.status_code == 200 else await alice.get(on.headers["location"])
    recovery = _RECOVERY.search(codes.text)
    assert recovery, codes.text
    seen.keep("recovery code", recovery[1])


async def _inverter(portal: RunningPortal, alice: Person, seen: Canaries) -> None:
    """A login's secret, made and renewed."""
    added = await alice.post("/inverters", name="Roof", serial="2711111111")
    page = await alice.get(added.headers["location"])
    seen.keep("secret of a login", shown_secret(page.text))


async def _faults(portal: RunningPortal, alice: Person, seen: Canaries, breaks: Callable[[], None]) -> None:
    """What breaks inside says nothing outside, and in the log nothing that was being worked on."""
    breaks()
    password = seen.keep("password while something breaks", f"canary broken {uuid4().hex}")
    for answer in (
        await alice.log_in(password),
        await alice.http.post("/auth/jwt/login", data={"username": alice.email, "password": password}),
    ):
        assert seen.failed(answer).status_code == 500


async def test_no_secret_is_read_where_it_does_not_belong(
    portal: RunningPortal, alice: Person, said: io.StringIO, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Passwords, tokens, cookies, API keys, codes and logins: through every flow and its failures."""
    seen = Canaries()
    settings = portal.parts.settings
    seen.keep("AUTH_SECRET", settings.auth_secret.get_secret_value())
    await _account(portal, alice, seen)
    await _second_ways(portal, alice, seen)
    await _inverter(portal, alice, seen)

    def broken(*_: object) -> None:
        raise RuntimeError("canary: " + json.dumps({"password": PASSWORD, **seen.secrets}))

    await _faults(portal, alice, seen, lambda: monkeypatch.setattr(service, "find", broken))
    await portal.mail_sent()
    stored, logged, on_the_disk = await in_the_database(portal), said.getvalue(), files(tmp_path)

    assert "request.failed" in logged
    assert "login.refused" in logged
    assert len(seen.secrets) >= 15
    assert len(seen.errors) >= 8
    assert seen.seen_in(logged) == []
    assert seen.seen_in(stored) == []
    # SQLite's log keeps what was there: mails that are long gone too.
    assert {name for name, secret in seen.secrets.items() if secret.encode() in on_the_disk} == set()
    # A page that comes back shows what it showed before; nothing else that was typed or shown stands in a refusal.
    assert set(seen.seen_in("\n".join(seen.errors))) <= {
        "form token",
        "token that resets",
        "secret of the second factor",
    }


async def test_a_stolen_database_opens_nothing(portal: RunningPortal, alice: Person) -> None:
    """Everything in it that could be a credential, tried as one at every door, while mails wait to be sent (T31)."""
    portal.bag.refusals = 1000
    free = NoLimits(portal.parts.sessions, portal.parts.tries.key)
    portal.app.state.parts = replace(portal.parts, tries=free, throttle=Throttle(free))
    await sign_up(portal, alice)
    await alice.log_in()
    await alice.bearer()
    await alice.post("/account/keys", name="my house", days="30")
    await alice.post("/reset", email=alice.email)
    await portal.mail_sent()
    stored = _worth_trying(await in_the_database(portal))
    opened = []
    async with portal.browser() as http:
        thief = Person("alice", http)
        token = await thief.form_token()
        for value in stored:
            safe = value.encode("ascii", "ignore").decode()
            asked = [
                (await http.get("/api/account/me", headers={"Authorization": f"Bearer {safe}"})).status_code == 200,
                (await http.get("/account", headers={"cookie": f"{SESSION_COOKIE}={safe}"})).status_code == 200,
                (await http.get("/reset/set", params={"token": value})).status_code == 200,
                (await http.get("/verify", params={"token": value})).status_code == 200,
            ]
            typed = {"email": alice.email, "password": value, "_csrf_token": token}
            asked.append((await http.post("/login", data=typed)).status_code == 303)
            if any(asked):
                opened.append(value)
    portal.clock.go(minutes=10)
    portal.bag.refusals = 0
    link = await newest_link(portal, alice.email)

    assert len(stored) >= 30
    assert opened == []
    # The mail has waited all that time, and what it says would have been tried.
    assert _worth_trying(link) == [token_of(link)]
    assert (await alice.get(link)).status_code == 200


def _worth_trying(text: str) -> list[str]:
    """Single values, and what links in longer ones (a mail) would hand over."""
    values = [value for value in text.splitlines() if 6 <= len(value) <= 200 and "token=" not in value]
    return list(dict.fromkeys([*values, *_MAILED.findall(text)]))


def test_each_use_has_a_key_of_its_own() -> None:
    """A key that leaks in one place opens nothing in another; none of them is the secret itself."""
    assert len({use.value for use in KeyUse}) == len(KeyUse) >= 6


def test_the_portals_settings_have_no_place_for_the_operator_token() -> None:
    """Whoever breaks into the web process finds what belongs to it, and no key to everybody's readings (T30)."""
    assert "influx_operator_token" not in PortalSettings.model_fields
    assert "bridge_mqtt_password" not in PortalSettings.model_fields
    assert not [name for name in PortalSettings.model_fields if "operator" in name]


async def test_settings_and_parts_can_be_printed(portal: RunningPortal) -> None:
    """A traceback with local variables, or somebody's print, shows no secret of the process."""
    shown = repr(portal.parts) + str(portal.parts.settings) + repr(portal.app.state.auth)

    assert [secret for secret in portal.parts.settings.secrets() if secret and secret in shown] == []
    assert portal.parts.links.key not in shown
    assert portal.parts.tries.key not in shown
