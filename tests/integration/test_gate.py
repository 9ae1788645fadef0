"""Requests that no page of ours makes: each gets a plain refusal, never a fault of ours, and changes nothing."""

import re
from collections.abc import AsyncGenerator

import pytest

from portal.accounts import known_browsers
from tests.people import CSRF_COOKIE, SESSION_COOKIE, Cast, the_cast
from tests.portal_app import RunningPortal

pytestmark = pytest.mark.integration

_SAME_SITE = re.compile(r"SameSite=(\w+)", re.IGNORECASE)


@pytest.fixture
async def cast(portal: RunningPortal) -> AsyncGenerator[Cast, None]:
    """Everybody, at that portal."""
    async with the_cast(portal) as everybody:
        yield everybody


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("path", ["/login", "/logout", "/inverters", "/inverters/{roof}/delete"])
async def test_a_form_of_another_site_is_refused_even_with_a_right_token(cast: Cast, path: str, site: str) -> None:
    """A neighbour that can set cookies for this host knows a token that fits; the browser still says who asks."""
    typed = {"_csrf_token": await cast.alice.form_token(), "name": "Barn", "serial": "2733333333"}

    foreign = await cast.alice.http.post(path.format(roof=cast.roof), data=typed, headers={"sec-fetch-site": site})
    own = await cast.alice.http.post("/inverters", data=typed, headers={"sec-fetch-site": "same-origin"})

    assert foreign.status_code == 403
    assert own.status_code == 303


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b'{"name": "Barn", "serial": "2733333333"}'),
        ("text/plain", b"name=Barn&serial=2733333333"),
        ("multipart/form-data", b"x"),
        (
            "multipart/form-data; boundary=a",
            (
                b'--a\r\nContent-Disposition: form-data; name="name"\r\n'
                b"Content-Type: text/plain; charset=none\r\n\r\nBarn\r\n--a--\r\n"
            ),
        ),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_pages_take_forms_and_nothing_else(cast: Cast, method: str, kind: str, body: bytes) -> None:
    """A charset that does not exist, for instance, was a fault of ours."""
    headers = {"content-type": kind, "x-csrftoken": await cast.alice.form_token()}

    answer = await cast.alice.http.request(method, "/inverters", content=body, headers=headers)

    assert answer.status_code == 415
    assert "Barn" not in (await cast.alice.get("/inverters")).text


@pytest.mark.parametrize("worthless", ["x", "0" * 128, "é" * 128], ids=["short", "unsigned", "not ASCII"])
async def test_a_worthless_token_is_a_refusal_and_a_worthless_cookie_is_dropped(cast: Cast, worthless: str) -> None:
    """Else a browser with a cookie of another AUTH_SECRET could send no form until somebody empties it."""
    token = await cast.alice.form_token()
    as_field = await cast.alice.http.post("/inverters", data={"_csrf_token": worthless})
    cookie = f"{CSRF_COOKIE}={worthless}".encode("latin-1")
    as_cookie = await cast.nobody.http.post("/login", data={"_csrf_token": token}, headers={b"cookie": cookie})

    assert as_field.status_code == as_cookie.status_code == 403
    assert "set-cookie" not in as_field.headers
    assert as_cookie.headers["set-cookie"].startswith(f"{CSRF_COOKIE}=")
    assert "Max-Age=0" in as_cookie.headers["set-cookie"]


@pytest.mark.parametrize("host", ["portal:99999999", "[::", ":"])
async def test_a_nonsensical_host_is_not_a_fault_of_ours(portal: RunningPortal, host: str) -> None:
    """Nobody fills the log with tracebacks by it."""
    async with portal.browser() as http:
        answers = [
            await http.get(path, headers={"host": host}) for path in ("/", "/login", "/nothing", "/api/inverters")
        ]

    assert [answer.status_code for answer in answers] == [303, 200, 404, 401]


async def test_cookies_are_for_our_own_pages_and_not_for_scripts(cast: Cast) -> None:
    """A script that slipped in cannot read them, another site's form does not carry them."""
    entered = await cast.bob.log_in()
    added = await cast.bob.post("/inverters", name="Barn", serial="2733333333")
    fresh = await cast.nobody.get("/login")
    told = [cookie for answer in (entered, added, fresh) for cookie in answer.headers.get_list("set-cookie")]

    assert [cookie.partition("=")[0] for cookie in told] == [
        SESSION_COOKIE,
        known_browsers.NAME,
        "pairing",
        CSRF_COOKIE,
    ]
    assert all("HttpOnly" in cookie and "Path=/" in cookie for cookie in told)
    assert [_SAME_SITE.findall(cookie) for cookie in told] == [["lax"], ["lax"], ["strict"], ["lax"]]


async def test_pages_run_no_script_that_does_not_come_from_us(cast: Cast) -> None:
    """Not even one that stands in the page itself."""
    policy = (await cast.alice.get("/")).headers["content-security-policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))

    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == rules["form-action"] == "'self'"
    assert rules["base-uri"] == rules["frame-ancestors"] == "'none'"


async def test_a_request_beyond_all_measure_is_not_read(cast: Cast) -> None:
    """Neither a form nor a program's may have more than 64 KiB."""
    form = await cast.alice.post("/inverters", name="x" * 70_000, serial="2733333333")
    program = await cast.nobody.http.post("/auth/jwt/login", data={"username": "x" * 70_000, "password": "x"})

    assert (form.status_code, program.status_code) == (413, 413)
