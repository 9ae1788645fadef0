"""What every page and form of the portal promises, whoever wrote it."""

import re
from pathlib import Path
from uuid import UUID

import pytest

from portal.app import PAGES_SIGNED_IN
from tests.people import Cast, form_keeps_its_promises, page_keeps_its_promises
from tests.portal_app import running_portal

pytestmark = pytest.mark.integration

PAGES = [
    "/",
    "/account",
    "/account/activity",
    "/account/delete",
    "/account/devices",
    "/account/email",
    "/account/email/sent",
    "/account/keys",
    "/account/password",
    "/account/prove",
    "/account/security",
    "/account/security/codes",
    "/account/security/on",
    "/fleet",
    "/homes",
    "/homes/{home}/hand-over",
    "/homes/{home}/invite",
    "/homes/{home}/people",
    "/inverters",
    "/inverters/new",
    "/inverters/{roof}",
    "/inverters/{roof}/edit",
    "/inverters/{roof}/logins",
    "/inverters/{roof}/logins/list",
    "/inverters/{roof}/messages",
    "/inverters/{roof}/pairing",
    "/inverters/{roof}/pairing/ladder",
    "/inverters/{roof}/serial",
]
FORMS: list[tuple[str, dict[str, str]]] = [
    ("/inverters", {"name": "Barn", "serial": "2733333333"}),
    ("/inverters/{roof}/edit", {"name": "Barn"}),
    ("/inverters/{roof}/delete", {}),
    ("/inverters/{roof}/bring-back", {}),
    ("/inverters/{roof}/found/adopt", {"login": "ABCDEFGHJK", "selector": "2"}),
    ("/inverters/{roof}/found/hide", {"login": "ABCDEFGHJK", "selector": "2"}),
    ("/inverters/{roof}/logins/let-speak", {"login": "ABCDEFGHJK"}),
    ("/inverters/{roof}/logins/name", {"login": "ABCDEFGHJK", "label": "OpenDTU"}),
    ("/inverters/{roof}/logins/revoke", {"login": "ABCDEFGHJK"}),
    ("/inverters/{roof}/serial/ask", {}),
    ("/inverters/{roof}/serial/change", {"serial": "2733333333", "why": "replaced"}),
    ("/inverters/{roof}/serial/give-away", {"sure": "yes"}),
    ("/notices/00000000-0000-0000-0000-000000000000/hide", {}),
    ("/serials/00000000-0000-0000-0000-000000000000/answer", {"answer": "yes"}),
    ("/inverters/{roof}/pairing/secret", {}),
    ("/inverters/{roof}/pairing/logins", {}),
    ("/homes/{home}/hand-over", {"email": "x@example.org", "days": "0"}),
    ("/homes/{home}/invite", {"email": "x@example.org", "days": "0"}),
    ("/homes/{home}/invitations/00000000-0000-0000-0000-000000000000/again", {}),
    ("/homes/{home}/invitations/00000000-0000-0000-0000-000000000000/revoke", {}),
    ("/homes/{home}/people/00000000-0000-0000-0000-000000000000/revoke", {}),
    ("/homes/{home}/leave", {}),
    ("/invitation/accept", {"token": "x"}),
    ("/logout", {}),
    ("/account/prove", {"password": "nine green bottles"}),
    ("/account/profile", {"display_name": "Alice", "time_zone": "Asia/Tokyo"}),
    ("/account/password", {"old_password": "nine green bottles", "password": "ten blue kettles"}),
    ("/account/email", {"email": "alice@example.net"}),
    ("/account/email/confirm", {"token": "x"}),
    ("/account/delete", {"sure": "yes"}),
    ("/account/keep", {}),
    ("/account/devices/00000000-0000-0000-0000-000000000000/end", {}),
    ("/account/devices/end-others", {}),
    ("/account/devices/end-all", {}),
    ("/account/keys", {"name": "Home", "days": "90"}),
    ("/account/keys/00000000-0000-0000-0000-000000000000/revoke", {}),
    ("/account/security/codes", {"instead_of": ""}),
    ("/account/security/off", {}),
    ("/account/security/on", {"offer": "x", "code": "123456"}),
]


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_keeps_the_same_promises(cast: Cast, path: str) -> None:
    """Its owner sees it, a stranger finds nothing, an anonymous visitor logs in first, nonsense is not found."""
    await page_keeps_its_promises(cast, path.format(roof=cast.roof, home=cast.home))


@pytest.mark.parametrize(("path", "typed"), FORMS)
async def test_every_form_keeps_the_same_promises(cast: Cast, path: str, typed: dict[str, str]) -> None:
    """Without its own browser's token it changes nothing, and for strangers there is nothing to change."""
    await form_keeps_its_promises(cast, path.format(roof=cast.roof, home=cast.home), **typed)


def test_every_page_behind_the_log_in_is_in_this_test() -> None:
    """A page that somebody adds must be added to the list above, or be named here with its own test."""
    own_tests = {"/account/email/confirm", "/account/security/off", "/admin", "/events", "/inverters/{roof}/curve"}
    # Pages of administrators and installers keep other promises: test_admin_letters.py, test_sites.py.
    others = ("/admin/", "/sites")

    behind = [
        (
            method,
            re.sub(
                r"\{(device|grant|invitation|key|notice|request)_id:uuid\}",
                str(UUID(int=0)),
                path.replace("{inverter_id:uuid}", "{roof}").replace("{owner_id:uuid}", "{home}"),
            ),
        )
        for handler in PAGES_SIGNED_IN
        for method in handler.http_methods
        for path in handler.paths
    ]
    pages = {path for method, path in behind if method == "GET" and not path.startswith(others)}
    forms = {path for method, path in behind if method == "POST" and not path.startswith(others)}

    assert pages - own_tests == set(PAGES)
    assert forms == {path for path, _ in FORMS}


async def test_a_reader_sees_and_changes_nothing(cast: Cast) -> None:
    """Ines, whom Alice allowed to look, sees the inverter and finds no way to change it."""
    seen = await cast.ines.get(f"/inverters/{cast.roof}")
    pairing = await cast.ines.get(f"/inverters/{cast.roof}/pairing")

    assert seen.status_code == 200
    assert pairing.status_code == 404


async def test_unknown_addresses_and_wrong_methods_get_a_page(cast: Cast) -> None:
    """Not a framework's text: a page in the product's look, for people; problem details for programs."""
    missing = await cast.alice.get("/there/is/nothing")
    wrong = await cast.alice.http.put("/login", headers={"x-csrftoken": await cast.alice.form_token()})
    for_program = await cast.alice.get("/api/nothing")

    assert missing.status_code == 404
    assert "<h1>Nothing here</h1>" in missing.text
    assert wrong.status_code == 405
    assert for_program.status_code == 404
    assert for_program.headers["content-type"] == "application/problem+json"


async def test_names_are_text_on_every_page(cast: Cast) -> None:
    """A name that looks like markup is shown, not run."""
    name = "<script>alert('x')</script>"
    await cast.alice.post(f"/inverters/{cast.roof}/edit", name=name)

    for path in PAGES:
        page = await cast.alice.get(path.format(roof=cast.roof, home=cast.home))
        assert page.status_code == 200
        assert name not in page.text, path
        nameless = path.endswith(("/new", "/ladder", "/list")) or path.startswith(("/account", "/homes"))
        assert nameless or "&lt;script&gt;" in page.text, path


async def test_a_form_with_fields_that_nobody_asked_for_is_refused(cast: Cast) -> None:
    """Nobody gives himself an owner, a role or a state by adding fields."""
    answer = await cast.alice.post("/inverters", name="Barn", serial="2733333333", owner_id=str(cast.bob.account_id))
    listed = await cast.alice.get("/inverters")

    assert answer.status_code == 422
    assert "Barn" not in listed.text


async def test_only_named_hosts_are_answered_where_the_operator_names_some(tmp_path: Path) -> None:
    """A forged Host header gets nothing, and never reaches a link."""
    async with running_portal(tmp_path, allowed_hosts="portal.example.org") as portal, portal.browser() as http:
        right = await http.get("/login")
        forged = await http.get("/login", headers={"host": "evil.example"})

    assert (right.status_code, forged.status_code) == (200, 400)


async def test_who_is_signed_in_needs_no_log_in_page(cast: Cast) -> None:
    """The log-in and sign-up pages send a known visitor on; a worthless cookie makes nobody known."""
    to_log_in = await cast.alice.get("/login?next=/inverters/new")
    to_sign_up = await cast.alice.get("/signup")
    cast.nobody.http.cookies.set("session", "x.y.z")
    stranger = await cast.nobody.get("/login")

    assert (to_log_in.status_code, to_log_in.headers["location"]) == (303, "/inverters/new")
    assert (to_sign_up.status_code, to_sign_up.headers["location"]) == (303, "/")
    assert stranger.status_code == 200


async def test_a_secure_portal_ties_its_cookies_to_its_host(tmp_path: Path) -> None:
    """Behind HTTPS every cookie is __Host-, Secure and HttpOnly, and the browser is told to stay on HTTPS."""
    async with running_portal(tmp_path, cookie_secure=True) as portal, portal.browser() as http:
        page = await http.get("/login")

    cookie = page.headers["set-cookie"]
    assert cookie.startswith("__Host-csrf=")
    assert "Secure" in cookie
    assert "HttpOnly" in cookie
    assert "max-age" in page.headers["strict-transport-security"]
