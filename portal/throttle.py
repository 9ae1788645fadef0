"""How often an account's password may be tried. Counts in the database: a restart forgives nothing.

Five tries in a quarter of an hour per account and address, or browser. An account that strangers have tried a hundred
times in an hour, from wherever, is being guessed at: from then on all strangers together get one try in thirty seconds,
after five hundred in a day one in a quarter of an hour. Whoever gave the right password before (at this browser, or
from this address) is no stranger, so nobody is ever locked out by somebody else.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from portal.tries import NO_WAIT, Limit, Tries

TRIES = Limit("log_in.account", 5, timedelta(minutes=15))
IN_AN_HOUR = Limit("log_in.strangers", 100, timedelta(hours=1))
IN_A_DAY = Limit("log_in.strangers_a_day", 500, timedelta(days=1))
# Who is signed in and asked for the password again: a copied cookie is not bound to an address.
PROOFS = Limit("log_in.proofs", 20, timedelta(hours=1))
KNOWN = Limit("log_in.known", 1, timedelta(days=90))

SLOW = Limit("log_in.slow", 1, timedelta(seconds=30))
SLOWER = Limit("log_in.slower", 1, timedelta(minutes=15))
# How many tries of strangers make an account one that is guessed at, and the pace of all of them together afterwards.
_PACES = ((IN_AN_HOUR, SLOW), (IN_A_DAY, SLOWER))


class Standing(Enum):
    """What is known of a caller before the password is looked at."""

    STRANGER = "stranger"
    KNOWN = "known"
    SIGNED_IN = "signed in"


@dataclass(frozen=True, slots=True)
class Throttle:
    """Asks for a pause between tries: ``wait = await throttle.try_now(caller, account, now)``; zero means go on.

    ``caller`` is an address, or a browser's own number; ``account`` the key of an e-mail address, whether there is an
    account or not.
    """

    tries: Tries

    async def try_now(
        self, caller: str, account: str, now: datetime, standing: Standing = Standing.STRANGER
    ) -> timedelta:
        """Count a try and return zero, or return how long to wait.

        A try is counted before the password is compared: of a thousand at once no more pass than one after the other.
        """
        pair = _pair(caller, account)
        # Who has none left uses up none of what all strangers have together.
        wait = await self.tries.left(TRIES, pair, now=now) or await self._of_all(account, now, standing)
        return wait or await self.tries.wait(TRIES, pair, now=now)

    async def is_others_doing(self, caller: str, account: str, now: datetime) -> bool:
        """Whether a caller who has to wait has tries of its own left, and waits because strangers guess."""
        return not await self.tries.left(TRIES, _pair(caller, account), now=now)

    async def is_known(self, caller: str, account: str, now: datetime) -> bool:
        """Whether the right password came from this address within ninety days."""
        return await self.tries.count(KNOWN.kind, _pair(caller, account), now=now) > 0

    async def succeeded(self, caller: str, account: str, now: datetime) -> None:
        """The password was right: this caller starts afresh, and is known. Tries from elsewhere still count."""
        pair = _pair(caller, account)
        await self.tries.forget(TRIES.kind, pair)
        await self.tries.wait(KNOWN, pair, now=now)

    async def _of_all(self, account: str, now: datetime, standing: Standing) -> timedelta:
        if standing is Standing.SIGNED_IN:
            return await self.tries.wait(PROOFS, account, now=now)
        if standing is Standing.STRANGER:
            for many, pace in _PACES:
                if await self.tries.wait(many, account, now=now) and (
                    wait := await self.tries.wait(pace, account, now=now)
                ):
                    return wait
        return NO_WAIT


def _pair(caller: str, account: str) -> str:
    return f"{caller} {account}"
