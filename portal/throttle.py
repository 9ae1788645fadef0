"""How often one address may try one account's password. Counts in the database: a restart forgives nothing.

Five tries in a quarter of an hour per address and account. An account with a hundred failures in an hour, from
wherever, is being guessed at: from then on each address gets one try in thirty seconds. Nobody is ever locked out by
somebody else.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from portal.tries import Limit, Tries

TRIES = Limit("log_in.account", 5, timedelta(minutes=15))
FAILURES = Limit("log_in.failed", 100, timedelta(hours=1))
SLOW_SPACING = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Throttle:
    """Asks for a pause between tries: ``wait = await throttle.try_now(address, account, now)``; zero means go on."""

    tries: Tries

    async def try_now(self, address: str, account: str, now: datetime) -> timedelta:
        """Count a try and return zero, or return how long to wait without counting anything."""
        pair = _pair(address, account)
        if await self.tries.count(FAILURES.kind, account, now=now) >= FAILURES.most:
            last = await self.tries.last(TRIES.kind, pair, now=now)
            if last and now - last < SLOW_SPACING:
                return SLOW_SPACING - (now - last)
        return await self.tries.wait(TRIES, pair, now=now)

    async def failed(self, account: str, now: datetime) -> None:
        """The password was wrong."""
        await self.tries.wait(FAILURES, account, now=now)

    async def succeeded(self, address: str, account: str) -> None:
        """The password was right: this address starts afresh. Failures from elsewhere still count."""
        await self.tries.forget(TRIES.kind, _pair(address, account))


def _pair(address: str, account: str) -> str:
    return f"{address} {account}"
