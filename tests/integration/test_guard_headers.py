"""The security headers of every answer: each route of the application, for everybody, and every kind of refusal."""

import asyncio
import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from litestar import Litestar

from portal.accounts import service
from portal.errors import PROGRAM_PATHS
from portal.headers import DOCS_PATH
from tests.people import PASSWORD, SESSION_COOKIE, Cast, Person, newest_link, the_cast
from tests.portal_app import RunningPortal, running_portal

pytestmark = pytest.mark.integration

_PLACE = re.compile(r"{(\w+):(\w+)}")
NOSNIFF = {
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
FEATURES = ("camera", "geolocation", "microphone", "payment", "usb")
# An open stream never ends; what it answers with is tried by itself.
STREAM = "/events"


@pytest.fixture
async def cast(portal: RunningPortal) -> AsyncGenerator[Cast, None]:
    """Everybody, at one portal."""
    async with the_cast(portal) as everybody:
        yield everybody


def addresses(app: Litestar, **known: str) -> list[tuple[str, str]]:
    """Every method and address that the application answers; places are filled with what is known or made up."""

    def filled(place: re.Match[str]) -> str:
        made_up = {"uuid": str(uuid4()), "path": "css/base.css"}
        return known.get(place[1]) or made_up.get(place[2], "x")

    return sorted(
        (str(method), re.sub("/+", "/", _PLACE.sub(filled, route.path)))
        for route in app.routes
        for method in getattr(route, "methods", ())
        if method != "OPTIONS"
    )


def check(answer: httpx.Response, where: str) -> None:
    """What every answer of ours says, whatever it is about."""
    headers, path = answer.headers, where.partition(" ")[2].partition("?")[0].rstrip("/")
    for name, value in NOSNIFF.items():
        assert headers.get_list(name) == [value], f"{where}: {name}"
    assert headers.get_list("referrer-policy") in (["same-origin"], ["no-referrer"]), where
    policy = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'", where
    assert policy["script-src"] == policy["connect-src"] == "'self'", where
    if path != DOCS_PATH:
        assert policy["style-src"] == policy["img-src"] == policy["form-action"] == "'self'", where
    assert all(f"{name}=()" in headers["permissions-policy"] for name in FEATURES), where
    if not path.startswith("/static/"):
        kept = headers["cache-control"]
        assert kept == "no-store" or (path.startswith("/api/") and kept == "private, no-cache"), where
    assert "server" not in headers, where


async def ask(person: Person, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
    """One request as a page or a program makes it, with no field but the form token."""
    if method == "POST" and not headers:
        return await person.post(path)
    return await person.http.request(method, path, headers=headers)


async def test_every_route_has_every_header_for_everybody(cast: Cast) -> None:
    """Pages, programs, forms that are wrong, refusals and redirects; no cache keeps what is about somebody."""
    asked = [
        (method, path)
        for method, path in addresses(cast.portal.app, inverter_id=str(cast.roof))
        if path != STREAM and not path.endswith("/logout")
    ]
    bearer = await cast.alice.bearer()
    statuses = set()
    for person in (cast.nobody, cast.alice, cast.ada):
        for method, path in asked:
            program = path.startswith(PROGRAM_PATHS)
            answer = await ask(person, method, path, bearer if program and person is cast.alice else {})
            check(answer, f"{method} {path}")
            statuses.add(answer.status_code)

    assert len(asked) >= 65
    assert statuses >= {200, 303, 401, 404, 422}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/api/nothing", 404),
        ("DELETE", "/login", 405),
        ("POST", "/inverters", 303),
        ("GET", "/static/nothing", 404),
        ("POST", "/auth/jwt/login", 400),
        ("GET", "/verify?token=spent", 410),
        ("GET", "/login?notice=%0d%0aset-cookie:x=y", 200),
    ],
)
async def test_refusals_have_them_too(portal: RunningPortal, method: str, path: str, status: int) -> None:
    """Also where no route was found."""
    async with portal.browser() as http:
        person = Person("nobody", http)
        answer = await ask(person, method, path, {})

    check(answer, f"{method} {path}")
    assert answer.status_code == status


async def test_a_fault_of_ours_has_them_too(portal: RunningPortal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken page is a page; it says nothing of what broke."""
    secret = "the text of an exception"

    def broken(*_: object) -> None:
        raise RuntimeError(secret)

    monkeypatch.setattr(service, "find", broken)
    async with portal.browser() as http:
        page = await Person("alice", http).log_in()
        program = await http.post("/auth/jwt/login", data={"username": "alice@example.org", "password": "x" * 12})

    for answer in (page, program):
        check(answer, "POST /login")
        assert answer.status_code == 500
        assert secret not in answer.text
        assert "Traceback" not in answer.text


async def test_links_with_a_token_in_their_address_tell_no_referrer(portal: RunningPortal, alice: Person) -> None:
    """Whatever a page that a mail led to links to never learns the token."""
    await alice.post("/signup", email=alice.email, password=PASSWORD)
    shown = await alice.get(await newest_link(portal, alice.email))

    assert shown.status_code == 200
    assert shown.headers["referrer-policy"] == "no-referrer"


async def test_https_is_for_good_where_cookies_are_secure(tmp_path: Path) -> None:
    """And at home, without it, nothing of the kind is promised."""
    told = []
    for secure in (True, False):
        (tmp_path / str(secure)).mkdir()
        async with running_portal(tmp_path / str(secure), cookie_secure=secure) as portal, portal.browser() as http:
            told.append((await http.get("/login")).headers.get("strict-transport-security"))

    assert told == ["max-age=31536000", None]


async def test_leaving_takes_along_what_the_browser_kept(cast: Cast) -> None:
    """Whoever sits down next presses Back in vain; pages that leave nobody say nothing of it."""
    stays = await cast.alice.get("/inverters")
    leaves = await cast.alice.post("/logout")

    assert "clear-site-data" not in stays.headers
    assert leaves.headers["clear-site-data"] == '"cache", "storage"'


async def test_the_stream_of_events_is_kept_by_nobody(cast: Cast) -> None:
    """Its first words have the headers of every answer; then it is left."""
    sent: list[dict[str, Any]] = []
    left = asyncio.Event()

    async def send(message: Any) -> None:
        sent.append(message)
        left.set()

    async def receive() -> Any:
        await left.wait()
        return {"type": "http.disconnect"}

    cookie = f"{SESSION_COOKIE}={cast.alice.http.cookies[SESSION_COOKIE]}".encode()
    scope: Any = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": STREAM,
        "raw_path": STREAM.encode(),
        "query_string": b"",
        "headers": [(b"host", b"portal"), (b"cookie", cookie)],
        "client": ("127.0.0.1", 1),
        "server": ("portal", 80),
    }
    async with asyncio.timeout(10):
        await cast.portal.app(scope, receive, send)
    answer = httpx.Response(sent[0]["status"], headers=sent[0]["headers"])

    assert answer.status_code == 200
    check(answer, f"GET {STREAM}")
