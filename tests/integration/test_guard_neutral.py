"""Answers that tell nobody who has an account or which serial is taken: the same bytes, in the same class of time.

T1 and T17 of the threat list; times are compared by their medians, taken in turns so that a busy machine slows all.
"""

import asyncio
import re
import statistics
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import httpx
import pytest
from argon2 import PasswordHasher

from portal.accounts.passwords import AT_ONCE, Passwords
from portal.throttle import Throttle
from tests.no_limits import NoLimits
from tests.people import PASSWORD, Person, sign_up
from tests.portal_app import RunningPortal, running_portal

pytestmark = pytest.mark.integration

ROUNDS, ATTEMPTS = 15, 3
# Half as long again, or twenty milliseconds more: an answer that skips a hash or a mail is further away than that.
_RATIO, _SLACK_S = 1.5, 0.02
_TOKEN = re.compile(r'(name="_csrf_token" value=")[^"]*')


@dataclass
class Told:
    """What answers to one class of questions were like."""

    looks: set[tuple[int, str, str]]
    times_s: list[float]


def look(answer: httpx.Response, *asked: str) -> tuple[int, str, str]:
    """Status, place and body, without the form's token and without what was typed."""
    text = _TOKEN.sub(r"\1", answer.text)
    for word in asked:
        text = text.replace(word, "")
    return answer.status_code, answer.headers.get("location", ""), text


async def compared(classes: dict[str, Callable[[int], Awaitable[tuple[httpx.Response, str]]]]) -> None:
    """Ask each class in turns; all answers must look alike, and their medians lie close together.

    A busy machine can push them apart once, so it is tried again then; what a class skips it skips each time.
    """
    tries = []
    for attempt in range(ATTEMPTS):
        told = {name: Told(set(), []) for name in classes}
        for number in range(attempt * ROUNDS, (attempt + 1) * ROUNDS):
            for name, ask in classes.items():
                began = time.perf_counter()
                answer, asked = await ask(number)
                told[name].times_s.append(time.perf_counter() - began)
                told[name].looks.add(look(answer, asked))
        assert len(set.union(*(one.looks for one in told.values()))) == 1
        medians = {name: statistics.median(one.times_s) for name, one in told.items()}
        if max(medians.values()) <= min(medians.values()) * _RATIO + _SLACK_S:
            return
        tries.append(medians)
    raise AssertionError(f"the answers' times tell the classes apart: {tries}")


async def unlimited(portal: RunningPortal) -> None:
    """Limits have tests of their own."""
    parts = portal.parts
    free = NoLimits(parts.sessions, parts.tries.key)
    portal.app.state.parts = replace(parts, tries=free, throttle=Throttle(free))


# Skipped, it is seen in the time of an answer: some fifty milliseconds, more than a busy machine is forgiven.
MIDDLING = PasswordHasher(time_cost=2, memory_cost=40 * 1024, parallelism=1)


@pytest.mark.parametrize(
    ("form", "typed"),
    [
        ("/login", {"password": "not the password"}),
        ("/reset", {}),
        ("/verify/again", {}),
        ("/signup", {"password": PASSWORD}),
    ],
)
async def test_nobody_learns_who_has_an_account(tmp_path: Path, form: str, typed: dict[str, str]) -> None:
    """A confirmed address, one that waits for its confirmation, one that nobody ever typed (T17)."""
    async with running_portal(tmp_path, hasher=MIDDLING) as portal, portal.browser() as http:
        await unlimited(portal)
        alice, stranger = Person("alice", http), Person("stranger", http)
        await sign_up(portal, alice)
        await stranger.post("/signup", email="waiting@example.org", password=PASSWORD)

        async def ask(email: str) -> tuple[httpx.Response, str]:
            # What is done after the answer counts too: on the same connection the next one waits for it.
            return await stranger.post(form, email=email, **typed), email

        await compared(
            {
                "known": lambda _: ask(alice.email),
                "waiting": lambda _: ask("waiting@example.org"),
                "unknown": lambda number: ask(f"unknown{number:03}@example.org"),
            }
        )


async def test_a_program_learns_it_no_sooner(tmp_path: Path) -> None:
    """The API's log-in answers in the same bytes and time, too."""
    async with running_portal(tmp_path, hasher=MIDDLING) as portal, portal.browser() as http:
        await unlimited(portal)
        await sign_up(portal, Person("alice", http))

        async def ask(email: str) -> tuple[httpx.Response, str]:
            return await http.post("/auth/jwt/login", data={"username": email, "password": "not the password"}), email

        await compared(
            {
                "known": lambda _: ask("alice@example.org"),
                "unknown": lambda number: ask(f"unknown{number}@example.org"),
            }
        )


async def test_nobody_learns_which_serial_is_taken(tmp_path: Path) -> None:
    """Bob adds a serial that Alice has proved, one that she has claimed, and one that nobody knows (T1)."""
    async with running_portal(tmp_path) as portal, portal.browser() as hers, portal.browser() as his:
        await unlimited(portal)
        alice, bob = Person("alice", hers), Person("bob", his)
        for person in (alice, bob):
            await sign_up(portal, person)
            await person.log_in()
        await alice.add_inverter("Roof", "2711111111")

        async def ask(serial: str) -> tuple[httpx.Response, str]:
            answer = await bob.post("/inverters", name="Shed", serial=serial)
            place = answer.headers.get("location", "").split("/")[2:3]
            # His own inverter's id stands in the address; and he takes it away again, so that no number runs out.
            answer.headers["location"] = answer.headers.get("location", "").replace(place[0] if place else "-", "")
            portal.clock.go(hours=25)
            await bob.log_in()
            await bob.post(f"/inverters/{place[0]}/delete" if place else "/inverters")
            return answer, serial

        await compared({"taken": lambda _: ask("2711111111"), "free": lambda number: ask(f"27000000{number:02}")})


class WatchedHasher(PasswordHasher):
    """Notes in which thread it worked, and how many of it worked at once."""

    def __init__(self) -> None:
        super().__init__(time_cost=2, memory_cost=8 * 1024, parallelism=1)
        self.threads: set[int] = set()
        self.at_once = self.most_at_once = 0
        self._turn = threading.Lock()

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002  # the library's name
        """Compare, dearly enough to be met by others."""
        with self._turn:
            self.threads.add(threading.get_ident())
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return super().verify(hash, password)
        finally:
            with self._turn:
                self.at_once -= 1


async def test_hashing_leaves_the_loop_free() -> None:
    """It takes a tenth of a second on purpose; everybody else's pages are answered meanwhile."""
    hasher = WatchedHasher()
    passwords = Passwords(hasher)

    assert await passwords.fits(await passwords.hashed(PASSWORD), PASSWORD)
    assert threading.get_ident() not in hasher.threads


async def test_many_log_ins_at_once_hash_two_by_two() -> None:
    """Each takes 64 MiB: a crowd at the door waits in turn instead of filling the memory."""
    hasher = WatchedHasher()
    passwords = Passwords(hasher)
    stored = await passwords.hashed(PASSWORD)

    await asyncio.gather(*(passwords.fits(stored, PASSWORD) for _ in range(20)))

    assert hasher.most_at_once == 2 == AT_ONCE
