"""Whose word counts about where a request comes from and goes to: real sockets, headers that lie (T23, T24)."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from portal import throttle
from portal.server import Server, server_config
from schema.settings import PortalSettings, SettingsInvalid, load
from tests.people import Person, newest_link, sign_up
from tests.portal_app import BASE_URL, KEY_OF_ZEROS, RunningPortal, running_portal
from tests.waiting import until

pytestmark = pytest.mark.integration

EVIL = "evil.example"
FORGED = {
    "host": EVIL,
    "x-forwarded-host": EVIL,
    "x-host": EVIL,
    "x-forwarded-server": EVIL,
    "x-original-host": EVIL,
    "x-http-host-override": EVIL,
    "forwarded": f"host={EVIL};proto=https",
    "x-original-url": f"https://{EVIL}/",
    "x-rewrite-url": f"https://{EVIL}/",
    "origin": f"https://{EVIL}",
    "referer": f"https://{EVIL}/",
}


@asynccontextmanager
async def served(portal: RunningPortal) -> AsyncGenerator[str, None]:
    """The portal behind the very server that ``python -m portal`` starts, at a port the kernel chose."""
    config = server_config(portal.app, portal.parts.settings)
    config.lifespan = "off"  # it has begun already
    server = Server(config, portal.parts.live_feed)
    task = asyncio.create_task(server.serve(), name="tests.served")
    try:
        await until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def somebody_at(folder: Path, **values: Any) -> AsyncGenerator[tuple[RunningPortal, Person], None]:
    """A served portal that Alice has an account at, and somebody who asks it over a socket from 127.0.0.1."""
    async with running_portal(folder, portal_port=0, **values) as portal, served(portal) as url:
        async with portal.browser() as http:
            await sign_up(portal, Person("alice", http))
        async with httpx.AsyncClient(base_url=url) as http:
            yield portal, Person("alice", http)


async def guess(person: Person, *forwarded: str) -> int:
    """One wrong password with these ``X-Forwarded-For`` headers; returns the status."""
    typed = {"email": person.email, "password": "not hers at all", "_csrf_token": await person.form_token()}
    headers = [("x-forwarded-for", value) for value in forwarded]
    return (await person.http.post("/login", data=typed, headers=headers)).status_code


@pytest.mark.parametrize("trusted", ["", "203.0.113.1", "10.0.0.0/8, 2001:db8::/32"])
async def test_who_is_no_trusted_proxy_cannot_say_where_a_request_comes_from(tmp_path: Path, trusted: str) -> None:
    """Each header names another address, a trusted proxy's among them: still one caller, still 429."""
    statuses = Counter[int]()
    async with somebody_at(tmp_path, trusted_proxies=trusted) as (_, alice):
        for number in range(100):
            spoofed = ("203.0.113.1", f"198.51.100.{number}", f"10.0.0.{number}, 203.0.113.1")[number % 3]
            statuses[await guess(alice, spoofed)] += 1

    assert statuses == {422: throttle.TRIES.most, 429: 100 - throttle.TRIES.most}


async def test_behind_a_trusted_proxy_the_address_counts_that_it_saw(tmp_path: Path) -> None:
    """It adds that at the right; what stands left of it was written by the caller."""
    async with somebody_at(tmp_path, trusted_proxies="127.0.0.1, 10.0.0.0/8") as (_, alice):
        of_one = [await guess(alice, f"192.0.2.{n}, 198.51.100.7") for n in range(7)]
        in_two_headers = await guess(alice, "192.0.2.200", "198.51.100.7")
        by_two_proxies = await guess(alice, "192.0.2.201, 198.51.100.7, 10.0.0.9")
        of_another = await guess(alice, "198.51.100.7, 198.51.100.8")

    assert of_one == [422] * 5 + [429] * 2
    assert (in_two_headers, by_two_proxies, of_another) == (429, 429, 422)


async def test_a_trusted_proxy_that_says_nothing_is_the_caller(tmp_path: Path) -> None:
    """Neither a missing nor an empty header opens a way round the count."""
    async with somebody_at(tmp_path, trusted_proxies="127.0.0.1") as (_, alice):
        statuses = [await guess(alice, *said) for said in ((), ("",), (",",), (", ,",)) for _ in range(3)]

    assert statuses.count(422) <= throttle.TRIES.most + 1
    assert statuses[-1] == 429


@pytest.mark.parametrize("wrong", ["*", "proxy", "127.0.0.1, caddy", "10.0.0.1/8"])
def test_a_trusted_proxy_is_an_address_or_a_network(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    """Anything else would silently fit nobody, or everybody; the portal does not start with it."""
    monkeypatch.setenv("TOKEN_KEY", KEY_OF_ZEROS)
    monkeypatch.setenv("AUTH_SECRET", "a secret of at least thirty-two characters")
    monkeypatch.setenv("TRUSTED_PROXIES", wrong)

    with pytest.raises(SettingsInvalid, match="TRUSTED_PROXIES"):
        load(PortalSettings)


@pytest.mark.parametrize("form", ["/signup", "/reset", "/verify/again"])
async def test_a_forged_host_never_gets_into_a_mail(tmp_path: Path, form: str) -> None:
    """Whoever can have a link to a host of his sent by us has every account that clicks it; a trusted proxy says no
    more about it than anybody else."""
    async with running_portal(tmp_path, portal_port=0, trusted_proxies="127.0.0.1") as portal, served(portal) as url:
        async with portal.browser() as browser:
            alice = Person("alice", browser)
            if form == "/verify/again":
                await alice.post("/signup", email=alice.email, password="nine green bottles")
                portal.clock.go(minutes=5)
            elif form == "/reset":
                await sign_up(portal, alice)
        async with httpx.AsyncClient(base_url=url) as http:
            stranger = Person("alice", http)
            typed = {"email": stranger.email, "_csrf_token": await stranger.form_token()}
            if form == "/signup":
                typed["password"] = "nine green bottles"
            before = len(portal.bag.mails)
            answer = await http.post(form, data=typed, headers=FORGED)
            # What a form mails is owed after its answer.
            await until(lambda: len(portal.bag.mails) > before)
            link = await newest_link(portal, stranger.email)

    assert answer.status_code == 303
    assert EVIL not in answer.headers["location"]
    assert len(portal.bag.mails) > before
    assert link.startswith(f"{BASE_URL}/")
    assert all(EVIL not in mail.as_string() for mail in portal.bag.mails)


async def test_a_forged_host_gets_into_no_page_and_no_redirect(portal: RunningPortal) -> None:
    """No address on a page is made from what the request says of itself."""
    async with portal.browser() as http:
        paths = ("/", "/login", "/signup", "/reset", "/nothing", "/docs", "/docs/openapi.json", "/api/inverters")
        answers = [await http.get(path, headers={**FORGED, "x-forwarded-proto": "https"}) for path in paths]

    for path, answer in zip(paths, answers, strict=True):
        assert EVIL not in answer.text + str(answer.headers), path


async def test_only_named_hosts_are_answered(tmp_path: Path) -> None:
    """Where the operator names some: no other Host, whatever else is forged; the refusal has the usual headers."""
    async with somebody_at(tmp_path, allowed_hosts="portal.example.org", trusted_proxies="127.0.0.1") as (_, alice):
        right = await alice.http.get("/login", headers={"host": "portal.example.org", "x-forwarded-host": EVIL})
        wrong = [
            await alice.http.get("/login", headers={"host": host, "x-forwarded-host": "portal.example.org"})
            for host in (EVIL, f"portal.example.org.{EVIL}", f"{EVIL}:80", f"portal.example.org@{EVIL}", "")
        ]
        # As the container's own check of its health asks.
        local = [(await alice.http.get("/healthcheck")).status_code]
        local += [
            (await alice.http.get("/healthcheck", headers={"host": host})).status_code
            for host in ("localhost", f"127.0.0.1.{EVIL}", f"localhost.{EVIL}")
        ]

    assert right.status_code == 200
    assert local == [200, 200, 400, 400]
    assert {answer.status_code for answer in wrong} == {400}
    assert {answer.headers.get("x-content-type-options") for answer in wrong} == {"nosniff"}
