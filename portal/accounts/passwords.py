"""Account passwords: argon2id in a thread, at most two at a time, so that hashing never stalls the event loop.

Costs (portal-stack, measured): 139 ms and 64 MiB with the library's profile, 17 ms and 19 MiB on small boards.
"""

import secrets

import anyio
from anyio import to_thread
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from portal.accounts.guessable import normalised

AT_ONCE = 2

# OWASP's second choice (19 MiB, 2, 1) for boards with little memory; elsewhere the library's own (RFC 9106).
SMALL_BOARD = PasswordHasher(memory_cost=19 * 1024, time_cost=2, parallelism=1)
SERVER = PasswordHasher()


class Passwords:
    """Hashes and checks with one profile. Hashes of another profile are still understood."""

    def __init__(self, profile: PasswordHasher) -> None:
        self._profile = profile
        self._turns = anyio.CapacityLimiter(AT_ONCE)
        self._nobodys: str | None = None

    async def hashed(self, password: str) -> str:
        """What is stored of ``password``, however its letters were written (NFKC)."""
        return await to_thread.run_sync(self._profile.hash, normalised(password), limiter=self._turns)

    async def fits(self, stored: str | None, password: str) -> bool:
        """Whether ``password`` is the one that was stored. None (no such account) takes just as long and never fits."""
        if stored is None:
            await self._compare(await self.nobodys_hash(), password)
            return False
        return await self._compare(stored, password)

    def outdated(self, stored: str) -> bool:
        """Whether the stored hash was made with another profile and should be made anew at this log-in."""
        return self._profile.check_needs_rehash(stored)

    async def _compare(self, stored: str, password: str) -> bool:
        try:
            return await to_thread.run_sync(self._profile.verify, stored, normalised(password), limiter=self._turns)
        except (VerificationError, InvalidHashError):
            return False

    async def nobodys_hash(self) -> str:
        """A hash of a password nobody knows, made once with the same profile; as dear to compare with as any other."""
        if self._nobodys is None:
            self._nobodys = await self.hashed(secrets.token_urlsafe())
        return self._nobodys
