"""Limits as somebody meets them: spoofed headers, a restart, a flood of mail, a list of stolen passwords.

T16, T18 and T24 of the threat list. Headers from a trusted proxy are in ``test_guard_proxies``, over real sockets.
"""

import asyncio
import itertools
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from litestar.connection import ASGIConnection
from litestar.exceptions import TooManyRequestsException
from sqlalchemy import func, select

from portal import limits, throttle
from portal.tries import Limit
from schema.models import Account, OutboxMail
from tests.people import Person, sign_up
from tests.portal_app import RunningPortal, running_portal

pytestmark = pytest.mark.integration

SPOOFS = (
    *("x-forwarded-for", "x-real-ip", "forwarded", "client-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip"),
    *("x-forwarded-host", "x-cluster-client-ip", "x-originating-ip"),
)


async def test_a_thousand_spoofed_headers_are_one_caller(portal: RunningPortal, alice: Person) -> None:
    """Each names another address, in ten ways; after the first tries all are 429 (T24)."""
    await sign_up(portal, alice)
    token, statuses = await alice.form_token(), Counter[int]()
    for number, name in zip(range(1000), itertools.cycle(SPOOFS), strict=False):
        address = f"198.51.{number // 250}.{number % 250}"
        headers = {name: f"for={address}" if name == "forwarded" else address}
        typed = {"email": alice.email, "password": "not hers at all", "_csrf_token": token}
        statuses[(await alice.http.post("/login", data=typed, headers=headers)).status_code] += 1

    assert statuses == {422: throttle.TRIES.most, 429: 1000 - throttle.TRIES.most}


async def test_a_restart_forgives_nothing(tmp_path: Path) -> None:
    """The same database behind another process: still 429, with the rest of the time."""
    async with running_portal(tmp_path) as portal, portal.browser() as http:
        alice = Person("alice", http)
        await sign_up(portal, alice)
        before = [(await alice.log_in("not hers at all")).status_code for _ in range(6)]
        at = portal.clock()

    async with running_portal(tmp_path) as portal, portal.browser() as http:
        portal.clock.at = at
        portal.clock.go(minutes=14)
        alice = Person("alice", http)
        refused = await alice.log_in()
        portal.clock.go(minutes=1)
        let_in = await alice.log_in()

    assert before == [422] * 5 + [429]
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) == 60
    assert let_in.status_code == 303


async def test_a_restart_forgives_no_mail_either(tmp_path: Path) -> None:
    """Three to one address and ten by one caller, counted across the restart (T18)."""
    asked = []
    for _ in range(2):
        async with running_portal(tmp_path) as portal, portal.browser() as http:
            bob = Person("bob", http)
            asked += [(await bob.post("/reset", email=f"x{n}@example.org")).status_code for n in range(8)]

    assert asked == [303] * limits.MAILS_OF_ONE.most + [429] * (16 - limits.MAILS_OF_ONE.most)


async def test_hundreds_of_requests_are_three_mails(portal: RunningPortal, alice: Person) -> None:
    """From as many callers as you like, by every form that sends mail to an address somebody types (T18)."""
    await sign_up(portal, alice)
    forms: tuple[tuple[str, dict[str, str]], ...] = (
        ("/reset", {}),
        ("/verify/again", {}),
        ("/signup", {"password": "nine green bottles"}),
    )
    token = await alice.form_token()
    for number in range(150):
        path, more = forms[number % 3]
        typed = {"email": alice.email, "_csrf_token": token, **more}
        async with portal.browser_at(f"2001:db8:{number:x}::1") as http:
            http.cookies.update(alice.http.cookies)
            answer = await http.post(path, data=typed)
        assert answer.status_code == 303, number
        portal.clock.go(seconds=7)
    await portal.mail_sent()

    assert len(portal.bag.to(alice.email)) <= 3


async def test_all_callers_together_cannot_make_the_portal_a_mail_cannon(
    portal: RunningPortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the cap nobody's wish is taken, whoever asks, for known and unknown addresses alike (T18)."""
    monkeypatch.setattr(limits, "MAILS_OF_ALL", Limit("mail.all", 12, limits.MAILS_OF_ALL.window))
    statuses = []
    for number in range(20):
        async with portal.browser_at(f"192.0.2.{number}") as http:
            somebody = Person(f"somebody{number}", http)
            answer = await somebody.post("/signup", email=somebody.email, password="nine green bottles")
            statuses.append(answer.status_code)
    async with portal.parts.sessions() as session:
        owed = (await session.execute(select(func.count()).select_from(OutboxMail))).scalar_one()

    assert statuses == [303] * 12 + [429] * 8
    assert owed == 12


async def test_one_household_of_ipv6_is_one_caller(portal: RunningPortal, alice: Person) -> None:
    """Its 2 to the 64th addresses are free for whoever has one of them."""
    await sign_up(portal, alice)
    statuses = []
    for number in range(8):
        async with portal.browser_at(f"2001:db8::{number:x}:{number:x}") as http:
            statuses.append((await Person("alice", http).log_in("not hers at all")).status_code)

    assert statuses == [422] * 5 + [429] * 3


async def test_a_list_of_stolen_passwords_gets_five_looks(portal: RunningPortal, alice: Person, bob: Person) -> None:
    """Ten thousand would get no more: what is refused is never compared. The owner gets in meanwhile (T16)."""
    await sign_up(portal, alice)
    typed = {"email": alice.email, "_csrf_token": await bob.form_token()}
    pairs = [typed | {"password": f"stolen password {number}"} for number in range(400)]
    statuses = Counter[int]()
    for at in range(0, len(pairs), 20):
        answers = await asyncio.gather(*(bob.http.post("/login", data=pair) for pair in pairs[at : at + 20]))
        statuses.update(answer.status_code for answer in answers)
    async with portal.browser_at("203.0.113.9") as http:
        owner = await Person("alice", http).log_in()

    assert statuses == {422: 5, 429: 395}
    assert owner.status_code == 303


async def test_one_caller_may_not_try_one_password_on_everybody(portal: RunningPortal) -> None:
    """Each account has one try, so no account's count is full; the caller's is after thirty in a minute."""
    async with portal.browser() as http:
        token = await Person("nobody", http).form_token()
        typed = {"password": "Summer2026 for all", "_csrf_token": token}
        statuses = [
            (await http.post("/login", data={"email": f"someone{number}@example.org", **typed})).status_code
            for number in range(32)
        ]
        portal.clock.go(minutes=1)
        later = (await http.post("/login", data={"email": "someone@example.org", **typed})).status_code

    assert statuses == [422] * 30 + [429] * 2
    assert later == 422


async def test_programs_are_counted_with_pages(portal: RunningPortal, alice: Person) -> None:
    """Two doors to one account have one count, else a guesser has twice the tries."""
    await sign_up(portal, alice)
    by_page = [(await alice.log_in("not hers at all")).status_code for _ in range(5)]
    by_program = await alice.http.post("/auth/jwt/login", data={"username": alice.email, "password": "not hers"})

    assert by_page == [422] * 5
    assert by_program.status_code == 429
    assert by_program.headers["content-type"] == "application/problem+json"
    assert int(by_program.headers["retry-after"]) == 900


async def test_fifty_sign_ups_at_once_are_one_account(portal: RunningPortal, bob: Person) -> None:
    """Whoever presses a button often, or has it pressed by a program (T35)."""
    typed = {"email": bob.email, "password": "nine green bottles", "_csrf_token": await bob.form_token()}

    answers = await asyncio.gather(*(bob.http.post("/signup", data=typed) for _ in range(50)))
    await portal.mail_sent()
    async with portal.parts.sessions() as session:
        accounts = (await session.execute(select(func.count()).select_from(Account))).scalar_one()

    # 503: on a busy machine some have waited for SQLite's lock as long as they may; they are told to come again.
    assert {answer.status_code for answer in answers} <= {303, 429, 503}
    assert accounts == 1
    assert len(portal.bag.to(bob.email)) == 1


async def test_serials_can_be_tried_twenty_times_an_hour_and_sixty_from_one_address(portal: RunningPortal) -> None:
    """T1: whoever has four accounts at one address has no more than three."""
    scope: Any = {"type": "http", "litestar_app": portal.app, "client": ("203.0.113.7", 50_000), "headers": []}
    connection: limits.Connection = ASGIConnection(scope)
    taken = Counter[int]()

    for account in range(4):
        account_id = uuid4()
        for _ in range(21):
            with suppress(TooManyRequestsException):
                await limits.serial_asked(connection, account_id)
                taken[account] += 1

    assert taken == {0: 20, 1: 20, 2: 18}
