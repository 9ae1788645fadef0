"""How often something may be tried: fixed windows counted in the database, so that a restart forgives nothing.

What is only looked at is counted in memory: no page waits for a disk because of it, and no card wears out.

``await parts.tries.wait(limit, key, now=now)`` counts a try and returns zero, or returns how long to wait. Keys
(addresses, e-mails, account ids) are kept as keyed hashes alone. No HTTP here: that is ``portal.limits``.
"""

import ipaddress
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import case, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from portal.keys import keyed_hash
from schema.database import Sessions, insert_or_update, reading
from schema.models import TryCount

NO_WAIT = timedelta(0)

# What one household or one attacker is given of IPv6, and may take addresses from at will.
_HOME_PREFIX = 64


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``most`` tries of this kind by one key within ``window``. The kind has at most 32 characters.

    One that is not ``lasting`` is counted by this process alone, in windows that are the same for all keys.
    """

    kind: str
    most: int
    window: timedelta
    lasting: bool = True


@dataclass(slots=True)
class _Window:
    """Tries of one kind in the window that is open, by key."""

    ends_at: datetime
    counts: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Tries:
    """Counts in the table ``try_count``; ``key`` makes the hashes."""

    sessions: Sessions
    key: str = field(repr=False)
    _windows: dict[str, _Window] = field(default_factory=dict, repr=False)

    async def allowed(self, kind: str, key: str, *, most: int, window: timedelta, now: datetime) -> bool:
        """Count a try and return True, or return False without counting anything."""
        return not await self.wait(Limit(kind, most, window), key, now=now)

    async def wait(self, limit: Limit, key: str, *, now: datetime) -> timedelta:
        """Count a try and return zero, or return how long to wait without counting anything.

        Has transactions of its own: a refused request rolls back, its try stays. Never call it inside one of yours:
        on SQLite it would wait for you.
        """
        if not limit.lasting:
            return self._in_memory(limit, key, now)
        # A flood of refused tries costs a look each and keeps no writer waiting.
        if wait := await self.left(limit, key, now=now):
            return wait
        async with self.sessions.begin() as session:
            return await self.counted(session, limit, key, now=now)

    def _in_memory(self, limit: Limit, key: str, now: datetime) -> timedelta:
        window = self._windows.get(limit.kind)
        if window is None or not window.ends_at - limit.window <= now < window.ends_at:
            window = self._windows[limit.kind] = _Window(now + limit.window)
        if window.counts[key] >= limit.most:
            return window.ends_at - now
        window.counts[key] += 1
        return NO_WAIT

    async def left(self, limit: Limit, key: str, *, now: datetime) -> timedelta:
        """Zero while tries are left, else how long to wait; counts nothing."""
        async with reading(self.sessions) as session:
            seen = await self._seen(session, limit.kind, key, now)
        return seen.ends_at - now if seen and seen.count >= limit.most else NO_WAIT

    async def counted(self, session: AsyncSession, limit: Limit, key: str, *, now: datetime) -> timedelta:
        """``wait`` inside the caller's transaction: on PostgreSQL others of this key wait until it ends."""
        upsert = insert_or_update(session.get_bind().dialect.name, TryCount).values(
            kind=limit.kind,
            key_hash=keyed_hash(self.key, key),
            began_at=now,
            ends_at=now + limit.window,
            count=1,
        )
        over, full, fresh = TryCount.ends_at <= now, TryCount.count > limit.most, upsert.excluded
        statement = upsert.on_conflict_do_update(
            index_elements=["kind", "key_hash"],
            set_={
                "began_at": case((over, fresh.began_at), else_=TryCount.began_at),
                "ends_at": case((over, fresh.ends_at), else_=TryCount.ends_at),
                # One above the limit says enough: the count of those who came at once and were refused.
                "count": case((over, 1), (full, TryCount.count), else_=TryCount.count + 1),
            },
        ).returning(TryCount.count, TryCount.ends_at)
        count, ends_at = (await session.execute(statement)).one()
        return ends_at - now if count > limit.most else NO_WAIT

    async def count(self, kind: str, key: str, *, now: datetime) -> int:
        """Tries in the window that is open now."""
        async with reading(self.sessions) as session:
            seen = await self._seen(session, kind, key, now)
        return seen.count if seen else 0

    async def forget(self, kind: str, key: str) -> None:
        """This key starts afresh."""
        async with self.sessions.begin() as session:
            await session.execute(
                delete(TryCount).where(TryCount.kind == kind, TryCount.key_hash == keyed_hash(self.key, key))
            )

    async def _seen(self, session: AsyncSession, kind: str, key: str, now: datetime) -> TryCount | None:
        statement = select(TryCount).where(
            TryCount.kind == kind, TryCount.key_hash == keyed_hash(self.key, key), TryCount.ends_at > now
        )
        return (await session.scalars(statement)).one_or_none()


async def sweep(session: AsyncSession, *, now: datetime) -> None:
    """Windows that have ended count nothing any more."""
    await session.execute(delete(TryCount).where(TryCount.ends_at <= now))


def counted_address(host: str) -> str:
    """What of a caller's address is counted: all of IPv4, the household's part of IPv6."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(address), _HOME_PREFIX), strict=False).network_address)
    return str(address)
