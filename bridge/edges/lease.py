"""One active bridge per broker (DESIGN 4.2): who may connect, who waits, and who must stop.

The host's lock always; on PostgreSQL the database's lease, too, for bridges on several hosts. The broker itself is the
last word: it lets one client of our id in, and whoever it throws out stops. ``docs/decisions.md``, "One active bridge".
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog

from bridge.clock import Clock
from bridge.edges.frozen import WatchfulSelector
from bridge.edges.lock import BEAT_S, FileLock, Patience, end_frozen
from bridge.seldom import Seldom
from schema.database import is_sqlite
from schema.settings import BridgeLease, BridgeSettings

if TYPE_CHECKING:
    from bridge.edges.database_lease import DatabaseLease

_log = structlog.get_logger(__name__)

EXIT_LEASE_LOST = 3
ASK_AGAIN_S = 0.5
CONFIRM_EVERY_S = 2.0
# The server frees the lease 15 s after it has heard from us last; a strict holder stops well before.
CONFIRMED_FOR_S = 10.0
# So long a bridge waits for a database that does not answer before it works without the lease,
DATABASE_PATIENCE_S = 5.0
# and so long if another one has thrown it out lately: that one reaches the database, perhaps.
PATIENCE_AFTER_TAKE_OVER_S = 600.0
_LATELY_S = 3600.0
_MARK = "taken-over"


class LeaseLost(Exception):
    """Another bridge has the lease, or may have it: stop."""


class Lease:
    """What the active bridge holds. ``run`` keeps it, ``may_connect`` is asked before each connection."""

    def __init__(self, settings: BridgeSettings, clock: Clock) -> None:
        self._clock = clock
        self._strict = settings.bridge_lease is BridgeLease.DATABASE
        self._mark = settings.data_dir / _MARK
        self._lock = FileLock(settings.data_dir)
        self._database = None
        if self._strict or (settings.bridge_lease is BridgeLease.AUTO and not is_sqlite(settings.database_url)):
            from bridge.edges.database_lease import DatabaseLease  # noqa: PLC0415  # 3 MB that a home need not pay

            self._database = DatabaseLease(settings.database_url, settings.bridge_cell)
        self._confirmed_at = float("-inf")
        self._without_database = False
        self._told = False
        self._trouble = Seldom(clock.monotonic)
        self._tasks: list[asyncio.Task[None]] = []

    async def take(self, stopping: asyncio.Event) -> bool:
        """Wait until this bridge may be the active one; false where ``stopping`` came first."""
        return await self._take_lock(stopping) and await self._take_database(stopping)

    async def run(self) -> None:
        """Returns never; raises ``LeaseLost``, at once where the lease was lost before."""
        await asyncio.gather(*self._tasks)
        await asyncio.Event().wait()

    async def may_connect(self) -> None:
        """Wait until this bridge may connect to the broker: that throws out whoever is connected.

        A database that does not answer holds a connection up for a while only.
        """
        if self._database is None or self._without_database:
            return
        until = self._clock.monotonic() + CONFIRMED_FOR_S
        while not self._confirmed(self._clock.monotonic()) and (self._strict or self._clock.monotonic() < until):
            await self._clock.sleep(ASK_AGAIN_S)

    def taken_over(self) -> None:
        """The broker has thrown this bridge out for another one: be patient with the database at the next start."""
        with contextlib.suppress(OSError):
            self._mark.touch()

    def woken(self, gap_s: float) -> None:
        """The process has stood still for so long. A lease that others may have by now is not asked for: end at once,
        before anything is written or acknowledged.
        """
        if self._database is None:
            _log.warning("bridge.stood_still", seconds=round(gap_s, 1))
            return
        _log.error("bridge.stood_still", seconds=round(gap_s, 1), detail="another bridge may have taken over")
        os._exit(EXIT_LEASE_LOST)

    async def close(self) -> None:
        """Give everything back."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._database is not None:
            self._database.drop()
        self._lock.close()

    async def _take_lock(self, stopping: asyncio.Event) -> bool:
        patience = Patience()
        while not self._lock.take():
            if stopping.is_set():
                return False
            holder = self._lock.holder()
            if patience.over(holder, self._clock.monotonic()) and holder is not None:
                await asyncio.to_thread(end_frozen, holder)
            self._standing_by("another bridge holds bridge.lock")
            await self._clock.sleep(ASK_AGAIN_S)
        self._tasks.append(asyncio.create_task(self._beat(), name="lease.beat"))
        return not stopping.is_set()

    async def _take_database(self, stopping: asyncio.Event) -> bool:
        if self._database is None:
            return True
        answered_at = self._clock.monotonic()
        while not stopping.is_set():
            asked_at = self._clock.monotonic()
            answer = await self._database.ask()
            if answer is answer.OURS:
                self._confirmed_at = asked_at
                break
            if answer is answer.ANOTHERS:
                answered_at = self._clock.monotonic()
                self._standing_by("another bridge has the lease in the database")
            elif not self._strict and self._clock.monotonic() - answered_at >= self._patience_s():
                _log.warning("lease.without_database", detail="bridges on other hosts cannot be seen")
                self._without_database = True
                break
            await self._clock.sleep(ASK_AGAIN_S)
        self._tasks.append(asyncio.create_task(self._confirm(self._database), name="lease.confirm"))
        return not stopping.is_set()

    def _patience_s(self) -> float:
        try:
            lately = self._clock.now().timestamp() - self._mark.stat().st_mtime < _LATELY_S
        except OSError:
            lately = False
        return PATIENCE_AFTER_TAKE_OVER_S if lately else DATABASE_PATIENCE_S

    def _standing_by(self, detail: str) -> None:
        if not self._told:
            _log.warning("bridge.standing_by", detail=detail)
        self._told = True

    def _confirmed(self, now: float) -> bool:
        return now - self._confirmed_at < CONFIRMED_FOR_S

    async def _beat(self) -> None:
        """The lock holds though the disk takes nothing any more, and what needs no disk goes on."""
        while True:
            await self._clock.sleep(BEAT_S)
            with self._trouble.outlived((OSError,), _log, "lease.beat_not_written"):
                self._lock.beat()

    async def _confirm(self, database: "DatabaseLease") -> None:
        """Ask for the lease again and again. It is kept while the database is away, unless the setting is strict."""
        away = self._without_database
        while True:
            asked_at = self._clock.monotonic()
            left_s = self._confirmed_at + CONFIRMED_FOR_S - asked_at if self._strict else None
            try:
                async with asyncio.timeout(left_s):
                    answer = await database.ask()
            except TimeoutError:
                raise LeaseLost("the database has not confirmed it in time") from None
            if answer is answer.ANOTHERS:
                raise LeaseLost("another bridge has it")
            ours = answer is answer.OURS
            if ours:
                self._confirmed_at, self._without_database = asked_at, False
            if ours is away:
                away = not ours
                _log.warning("lease.unconfirmed" if away else "lease.confirmed")
            await self._clock.sleep(CONFIRM_EVERY_S if ours else ASK_AGAIN_S)


@asynccontextmanager
async def only_bridge(
    settings: BridgeSettings, clock: Clock, stopping: asyncio.Event, selector: WatchfulSelector | None = None
) -> AsyncIterator[Lease | None]:
    """The lease of the one active bridge, held from here on; None where the wait for it was ended by ``stopping``."""
    lease = await asyncio.to_thread(Lease, settings, clock)
    if selector is not None:
        selector.on_gap = lease.woken
    try:
        yield lease if await lease.take(stopping) else None
    finally:
        await lease.close()
