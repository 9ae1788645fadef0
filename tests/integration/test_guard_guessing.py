"""Passwords guessed from very many addresses at one account: few are compared, and its owner is not kept out (T16)."""

import asyncio
from collections import Counter
from pathlib import Path

import httpx
import pytest

from portal import throttle
from portal.accounts import known_browsers
from portal.keys import keyed_hash
from schema.models import TryCount
from tests.people import Person, newest_link, sign_up, token_of
from tests.portal_app import RunningPortal, running_portal

pytestmark = pytest.mark.integration

MARKS = known_browsers.NAME
WRONG = "not hers at all"


async def guessed_at(portal: RunningPortal, email: str, *, just_now: bool = True) -> None:
    """Strangers have tried this account a hundred times within this hour, and once more ``just_now``."""
    now, tries = portal.clock(), portal.parts.tries
    async with portal.parts.sessions.begin() as session:
        for limit in (throttle.IN_AN_HOUR, throttle.SLOW) if just_now else (throttle.IN_AN_HOUR,):
            hashed, ends_at = keyed_hash(tries.key, email), now + limit.window
            count = TryCount(kind=limit.kind, key_hash=hashed, began_at=now, ends_at=ends_at, count=limit.most)
            await session.merge(count)


async def log_in_at(portal: RunningPortal, address: str, alice: Person, **cookies: str) -> httpx.Response:
    """Alice's right password in a browser at this address."""
    async with portal.browser_at(address) as http:
        http.cookies.update(cookies)
        return await Person(alice.name, http).log_in()


async def test_of_many_callers_at_once_one_in_half_a_minute_is_heard(portal: RunningPortal, alice: Person) -> None:
    """After the hundredth try, however many addresses somebody has and however fast they are: nothing is compared for
    the rest, for an address without an account as well."""
    await sign_up(portal, alice)
    for email in (alice.email, "nobody@example.org"):
        await guessed_at(portal, email, just_now=False)
        async with portal.browser() as http:
            token = await Person("nobody", http).form_token()
            cookies = dict(http.cookies)
        typed = {"email": email, "password": WRONG, "_csrf_token": token}

        async def guess(number: int, typed: dict[str, str] = typed, cookies: dict[str, str] = cookies) -> int:
            async with portal.browser_at(f"192.0.2.{number}") as http:
                http.cookies.update(cookies)
                return (await http.post("/login", data=typed)).status_code

        assert Counter(await asyncio.gather(*map(guess, range(12)))) == {422: 1, 429: 11}


async def test_a_browser_that_was_here_before_is_not_slowed_by_strangers(portal: RunningPortal, alice: Person) -> None:
    """Wherever it is meanwhile, and after its session has ended."""
    await sign_up(portal, alice)
    assert (await alice.log_in()).status_code == 303
    await alice.post("/logout")
    await guessed_at(portal, alice.email)

    known = await log_in_at(portal, "203.0.113.7", alice, **{MARKS: alice.http.cookies[MARKS]})
    stranger = await log_in_at(portal, "203.0.113.8", alice)

    assert known.status_code == 303
    assert stranger.status_code == 429
    assert 0 < int(stranger.headers["retry-after"]) <= 30
    assert 'href="/reset"' in stranger.text
    assert "from elsewhere" in stranger.text


async def test_a_program_at_home_is_not_slowed_by_strangers(tmp_path: Path) -> None:
    """It has no cookies: the address from which the right password came before is enough, after a restart too."""
    async with running_portal(tmp_path) as portal, portal.browser_at("203.0.113.7") as http:
        alice = Person("alice", http)
        await sign_up(portal, alice)
        await alice.bearer()
    async with running_portal(tmp_path) as portal, portal.browser_at("203.0.113.7") as http:
        await guessed_at(portal, "alice@example.org")

        answers = [
            await http.post("/auth/jwt/login", data={"username": "alice@example.org", "password": word})
            for word in ("nine green bottles", *[WRONG] * 6)
        ]

    # What is known may not guess either.
    assert [answer.status_code for answer in answers] == [200] + [401] * 5 + [429]


async def test_whoever_sets_a_new_password_by_mail_comes_in(portal: RunningPortal, alice: Person) -> None:
    """The way for an owner who is guessed at and has nothing at hand but the mailbox."""
    await sign_up(portal, alice)
    await guessed_at(portal, alice.email)
    async with portal.browser_at("203.0.113.9") as http:
        new = Person("alice", http)
        refused = await new.log_in()
        await new.post("/reset", email=alice.email)
        token = token_of(await newest_link(portal, alice.email))
        await new.post("/reset/set", token=token, password="ten blue kettles")
        let_in = await new.log_in("ten blue kettles")

    assert (refused.status_code, let_in.status_code) == (429, 303)


async def test_a_mark_is_of_one_account_and_nobody_makes_one(portal: RunningPortal, alice: Person, bob: Person) -> None:
    """Bob's own mark, Alice's under another number, a made-up one and one from half a year ago are strangers'."""
    for person in (alice, bob):
        await sign_up(portal, person)
        await person.log_in()
    hers = alice.http.cookies[MARKS]
    at, number, proof = hers.split(".")
    await guessed_at(portal, alice.email)

    forged = [
        bob.http.cookies[MARKS],
        f"{at}.{number[::-1]}.{proof}",
        f"ffffffff.{number}.{proof}",
        "x",
        "~.~..~",
        "zz.1.2",
    ]
    answers = [await log_in_at(portal, f"203.0.113.{n}", alice, **{MARKS: mark}) for n, mark in enumerate(forged)]
    portal.clock.go(minutes=60 * 24 * 200)
    await guessed_at(portal, alice.email)
    answers.append(await log_in_at(portal, "203.0.113.99", alice, **{MARKS: hers}))

    assert {answer.status_code for answer in answers} == {429}


async def test_a_household_shares_a_browser(portal: RunningPortal, alice: Person, bob: Person) -> None:
    """One browser is known for both, and the cookie names neither."""
    for person in (alice, bob):
        await sign_up(portal, person)
        await Person(person.name, alice.http).log_in()
        await alice.post("/logout")
    shared = alice.http.cookies[MARKS]

    for person in (alice, bob):
        await guessed_at(portal, person.email)
        assert (await log_in_at(portal, "203.0.113.7", person, **{MARKS: shared})).status_code == 303
    assert "example" not in shared
    assert len(shared) < 300


async def test_a_stolen_cookie_does_not_guess_from_everywhere(portal: RunningPortal, alice: Person) -> None:
    """Whoever copied a session and wants its password has twenty tries an hour, and uses up nobody's log-ins."""
    await sign_up(portal, alice)
    await alice.log_in()
    statuses = Counter[int]()
    for number in range(25):
        async with portal.browser_at(f"192.0.2.{number}") as thief:
            thief.cookies.update(alice.http.cookies)
            statuses[(await Person("alice", thief).post("/account/prove", password=WRONG)).status_code] += 1

    assert statuses == {422: throttle.PROOFS.most, 429: 25 - throttle.PROOFS.most}
    assert (await alice.log_in()).status_code == 303
