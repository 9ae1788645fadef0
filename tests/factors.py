"""Somebody's authenticator app and recovery codes, for tests of the second factor."""

import html
import re
from dataclasses import dataclass, field

import httpx
import pyotp

from tests.people import Person
from tests.portal_app import Clock, RunningPortal

_SECRET = re.compile(r"secret=([A-Z2-7]{32})")
_OFFER = re.compile(r'name="offer" value="([^"]+)"')
_RECOVERY = re.compile(r"<code>([2-9A-Z]{4}-[2-9A-Z]{4}-[2-9A-Z]{4})</code>")


@dataclass
class Phone:
    """An authenticator app with one secret, on the portal's clock; and the paper with the recovery codes."""

    secret: str
    clock: Clock
    recovery: list[str] = field(default_factory=list)

    def code(self, steps: int = 0) -> str:
        """What the app shows now, or so many half minutes later."""
        return pyotp.TOTP(self.secret).at(self.clock(), counter_offset=steps)


async def switched_on(portal: RunningPortal, person: Person, *, wait: bool = True) -> Phone:
    """Switch the person's second factor on by its page; afterwards half a minute passes, for the code is used up."""
    page = html.unescape((await person.get("/account/security/on")).text)
    secret, offer = _SECRET.search(page), _OFFER.search(page)
    assert secret
    assert offer
    phone = Phone(secret[1], portal.clock)
    answer = await person.post("/account/security/on", offer=offer[1], code=phone.code())
    assert answer.status_code == 303, answer.text
    phone.recovery = await recovery_codes(person)
    assert len(phone.recovery) == 10
    if wait:
        portal.clock.go(seconds=60)
    return phone


async def recovery_codes(person: Person) -> list[str]:
    """The codes that the security page shows now, if it does."""
    return _RECOVERY.findall((await person.get("/account/security")).text)


async def second_step(http: httpx.AsyncClient, code: str) -> httpx.Response:
    """Somebody at another browser who knows Alice's password gives this code."""
    thief = Person("alice", http)
    if "code" not in http.cookies:
        assert (await thief.log_in()).headers["location"] == "/login/code"
    return await thief.post("/login/code", code=code)
