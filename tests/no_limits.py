"""Tries that are never too many, for tests that are about something else."""

from datetime import timedelta
from typing import Any

from portal.tries import Limit, Tries


class NoLimits(Tries):
    """Everybody may try as often as he likes: limits have tests of their own."""

    async def wait(self, limit: Limit, key: str, *, now: Any) -> timedelta:
        """No wait."""
        del limit, key, now
        return timedelta(0)
