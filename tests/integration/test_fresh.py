"""What is dear wants a fresh log-in: the guard lets ten minutes pass, then asks for the password and comes back."""

import re
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from litestar import Router, get, post
from litestar.params import FromPath
from litestar.response import Response

from portal.accounts.fresh import fresh_enough
from portal.app import PAGES_SIGNED_IN
from portal.auth import VisitorRequest
from tests.people import PASSWORD, Cast, Person, the_cast
from tests.portal_app import running_portal

pytestmark = pytest.mark.integration


@get("/dear", guards=[fresh_enough])
async def dear_form(request: VisitorRequest) -> str:
    """A page that needs a fresh log-in."""
    return f"for {request.user.email}"


@post("/dear/{thing:str}/change", guards=[fresh_enough], opt={"form_page": "/dear?thing={thing}"})
async def dear_act(thing: FromPath[str]) -> Response[str]:
    """An act whose form stands on another page."""
    return Response(f"changed {thing}")


@post("/dear", guards=[fresh_enough])
async def dear_form_sent() -> Response[str]:
    """An act whose form stands on the page of the same address."""
    return Response("changed")


@pytest.fixture
async def cast(tmp_path: Path) -> AsyncGenerator[Cast, None]:
    """Everybody at a portal of their own that has a few dear things."""
    async with running_portal(tmp_path, own_app=True) as portal, the_cast(portal) as people:
        # Behind the cookie; the form token is no matter of this file.
        portal.app.register(
            Router(
                "/",
                route_handlers=[dear_form, dear_act, dear_form_sent],
                middleware=[portal.app.state.auth.pages.middleware],
                opt={"exclude_from_csrf": True},
                include_in_schema=False,
            )
        )
        yield people


async def prove(person: Person, password: str = PASSWORD, **typed: str) -> int:
    """Give the password once more; returns the answer's status."""
    return (await person.post("/account/prove", password=password, **typed)).status_code


async def test_a_fresh_log_in_is_asked_nothing_more(cast: Cast) -> None:
    """Ten minutes long."""
    at_once = await cast.alice.get("/dear")
    cast.portal.clock.go(minutes=10)
    just_in_time = await cast.alice.get("/dear")
    sent = await cast.alice.post("/dear/roof/change")

    assert at_once.status_code == just_in_time.status_code == 200
    assert sent.text == "changed roof"


async def test_an_old_log_in_is_asked_for_the_password_and_comes_back(cast: Cast) -> None:
    """To the very address that was asked for, its query included."""
    cast.portal.clock.go(minutes=10, seconds=1)
    refused = await cast.alice.get("/dear?a=1&b=2")
    by_script = await cast.alice.get("/dear", hx_request="true")
    asked = await cast.alice.get(refused.headers["location"])
    proved = await cast.alice.post("/account/prove", password=PASSWORD, next="/dear?a=1&b=2")
    afterwards = await cast.alice.get(proved.headers["location"])

    assert (refused.status_code, refused.headers["location"]) == (303, "/account/prove?next=/dear%3Fa%3D1%26b%3D2")
    assert by_script.headers["hx-redirect"] == "/account/prove?next=/dear"
    assert 'value="/dear?a=1&amp;b=2"' in asked.text
    assert proved.headers["location"] == "/dear?a=1&b=2"
    assert afterwards.text == f"for {cast.alice.email}"


async def test_a_form_sent_too_late_changes_nothing_and_leads_back_to_its_page(cast: Cast) -> None:
    """With a sentence that says so; the form's page is where its route says, else its own address."""
    cast.portal.clock.go(minutes=11)
    elsewhere, here = await cast.alice.post("/dear/roof/change"), await cast.alice.post("/dear")
    asked = await cast.alice.get(elsewhere.headers["location"])

    assert elsewhere.headers["location"] == "/account/prove?next=/dear%3Fthing%3Droof&again=yes"
    assert here.headers["location"] == "/account/prove?next=/dear&again=yes"
    assert (elsewhere.status_code, here.status_code) == (303, 303)
    assert "nothing was changed" in asked.text


async def test_a_wrong_password_proves_nothing(cast: Cast) -> None:
    """Neither does somebody else's session, nor a proof at another device of the same account."""
    async with cast.portal.browser() as http:
        other_device = Person("alice", http)
        await other_device.log_in()
        cast.portal.clock.go(minutes=11)
        wrong = await cast.alice.post("/account/prove", password="another password", next="/dear")
        await prove(cast.bob)
        await prove(other_device)
        still_old = await cast.alice.get("/dear")

        assert wrong.status_code == 422
        assert "That is not your password." in wrong.text
        assert still_old.status_code == 303
        assert (await other_device.get("/dear")).status_code == 200


async def test_a_stolen_cookie_cannot_guess_the_password_here(cast: Cast) -> None:
    """The pause between tries is the log-in's own."""
    tries = [await prove(cast.alice, f"guess number {n}") for n in range(7)]

    assert tries == [422] * 5 + [429] * 2


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "/\\evil.example"])
async def test_nobody_is_sent_elsewhere_by_proving(cast: Cast, elsewhere: str) -> None:
    """Only places on this site."""
    answer = await cast.alice.post("/account/prove", password=PASSWORD, next=elsewhere)

    assert answer.headers["location"] == "/"


def test_every_dear_form_leads_back_to_a_page_there_is() -> None:
    """Whoever was too late is on the page his form stands on, when he has said who he is."""
    pages = {_plain(path) for handler in PAGES_SIGNED_IN if "GET" in handler.http_methods for path in handler.paths}
    guarded = [handler for handler in PAGES_SIGNED_IN if fresh_enough in (handler.guards or ())]
    astray = [
        path
        for handler in guarded
        for path in handler.paths
        if "POST" in handler.http_methods
        and str(handler.opt.get("form_page", _plain(path))).partition("?")[0] not in pages
    ]

    assert len(guarded) > 10
    assert not astray


def _plain(path: str) -> str:
    """A route's path as ``form_page`` writes it."""
    return re.sub(r":\w+\}", "}", path)
