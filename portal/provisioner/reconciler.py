"""Brings one InfluxDB server back to what the rows say, whatever was done to it by hand or left half-way by a crash.

A sweep lists everything on the server (a request for a hundred organisations or buckets, one for all tokens) and then
reads the rows: what was in the list has its row by then, and what has none is nobody's. It runs at the start, now and
then, and after changes, but never for more than a twentieth of the time.
"""

from collections.abc import Callable
from datetime import datetime

import structlog

from portal.provisioner import differences, orphans
from portal.provisioner.backoff import Backoff
from portal.provisioner.differences import Difference, Inventory
from portal.provisioner.known_rows import known_rows
from portal.provisioner.repairs import Repairs
from schema.changes import registry_version
from schema.database import Sessions, reading
from schema.timeseries.management import StoreManager
from schema.timeseries.port import StoreError, StoreUnavailable

_log = structlog.get_logger(__name__)

_SHORTEST_REST_S = 5.0
_REST = 19
_SWEEP = "sweep"


class Reconciler:
    """``every_s`` is how long at most until the next sweep; ``clock`` is monotonic seconds, ``dice`` gives 0 to 1."""

    def __init__(
        self,
        sessions: Sessions,
        manager: StoreManager,
        repairs: Repairs,
        *,
        server: str,
        every_s: float,
        clock: Callable[[], float],
        dice: Callable[[], float],
        now: Callable[[], datetime],
        backoff: Backoff,
    ) -> None:
        """``now`` is the wall clock (UTC)."""
        self._sessions = sessions
        self._manager = manager
        self._repairs = repairs
        self._server = server
        self._every_s = every_s
        self._clock = clock
        self._dice = dice
        self._now = now
        self._backoff = backoff
        self._version = -1
        self._due = self._due_after_change = clock()

    async def turn(self) -> float | None:
        """Sweep if it is time to; seconds until it is."""
        if not self._backoff.is_due(_SWEEP):
            return self._backoff.due_in_s(_SWEEP)
        async with reading(self._sessions) as session:
            version = await registry_version(session)
        changed = version != self._version
        began = self._clock()
        if began >= self._due or (changed and began >= self._due_after_change):
            if not await self._guarded():
                return self._backoff.due_in_s(_SWEEP)
            self._version, changed = version, False
            ended = self._clock()
            # Several provisioners that start together do not march together.
            self._due = ended + self._every_s * (0.75 + self._dice() / 4)
            self._due_after_change = ended + min(self._every_s, max(_SHORTEST_REST_S, _REST * (ended - began)))
        return max(0.0, (self._due_after_change if changed else self._due) - self._clock())

    async def _guarded(self) -> bool:
        try:
            await self.sweep()
        except StoreError as error:
            delay = self._backoff.failed(_SWEEP)
            _log.warning("reconciling.failed", server=self._server, error=str(error), again_in_s=round(delay, 1))
            return False
        self._backoff.succeeded(_SWEEP)
        return True

    async def sweep(self) -> int:
        """One look at everything; how much was mended. Raises ``StoreError``."""
        found = Inventory(
            await self._manager.organisations(), await self._manager.buckets(), await self._manager.tokens()
        )
        async with reading(self._sessions) as session:
            rows = await known_rows(session, self._server)
        mended = 0
        for difference in differences.differences(rows, found):
            mended += await self._mended(difference)
        async with self._sessions.begin() as session:
            new = await orphans.keep_list(session, self._server, differences.strangers(rows, found), self._now())
        for stranger in new:
            _log.warning("orphan.found", server=self._server, kind=stranger.kind.value, name=stranger.name)
        return mended

    async def _mended(self, difference: Difference) -> bool:
        """One place's trouble holds back nobody else's. Raises ``StoreUnavailable``."""
        try:
            return await self._repairs.mend(difference)
        except StoreUnavailable:
            raise
        except StoreError as error:
            flaw, row = difference.flaw.value, str(difference.row)
            _log.error("place.not_mended", flaw=flaw, row=row, server=self._server, error=str(error))
            return False
