"""Writes what the tripwires found into the table ``notice``, and puts a login into quarantine where the case is
clear-cut. Best effort: gathered in memory, written now and then, never waited for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from bridge.clock import Clock
from bridge.counters import Counters
from bridge.routes import Directory
from bridge.seldom import Seldom
from bridge.tripwires import Trip, Wire
from schema import notices
from schema.changes import registry_changed
from schema.database import Sessions
from schema.database_faults import database_faults
from schema.models import Login, Notice, NoticeKind

_log = structlog.get_logger(__name__)

FLUSH_S = 1.0
# The first time at once, then counted and written now and then.
AGAIN_S = 60.0
_MOST_IN_MEMORY = 10_000

_Key = tuple[Wire, str, UUID | None]


@dataclass(slots=True)
class _Told:
    """``trip`` is what has not been written yet, its ``times`` those since ``written``. ``acted`` is when a quarantine
    was last asked for. Both are monotonic seconds.
    """

    trip: Trip | None = None
    written: float = float("-inf")
    acted: float = float("-inf")

    def due(self, now: float) -> bool:
        """Whether to write: a clear case does not wait for the rest of a notice that was written before."""
        clear = self.trip is not None and self.trip.quarantine and now - self.acted >= AGAIN_S
        return clear or now - self.written >= AGAIN_S


class NoticeRows:
    """``run`` writes."""

    def __init__(
        self, sessions: Sessions, directory: Callable[[], Directory], url: str, clock: Clock, counters: Counters
    ) -> None:
        self._sessions = sessions
        self._directory = directory
        self._faults = database_faults(url)
        self._clock = clock
        self._counters = counters
        self._trouble = Seldom(clock.monotonic)
        self._told: dict[_Key, _Told] = {}

    def note(self, trip: Trip | None) -> None:
        """A wire has tripped, or not."""
        if trip is None:
            return
        key = (trip.wire, trip.login, trip.inverter_id)
        told = self._told.get(key)
        if told is None:
            if len(self._told) >= _MOST_IN_MEMORY:
                return
            told = self._told[key] = _Told()
            _log.warning("tripwire", wire=trip.wire, login=trip.login, **trip.details)
        before = told.trip
        if before is not None:
            trip = trip._replace(times=before.times + trip.times, quarantine=before.quarantine or trip.quarantine)
        told.trip = trip

    async def run(self) -> None:
        """Write, for ever."""
        while True:
            await self._clock.sleep(FLUSH_S)
            with self._trouble.outlived(self._faults, _log, "notices.not_written"):
                await self.flush()

    async def flush(self) -> None:
        """Write what is due, each by itself. Raises what keeps the database away."""
        now = self._clock.monotonic()
        due = [key for key, told in self._told.items() if told.due(now)]
        for key in due:
            told = self._told[key]
            if (trip := told.trip) is None:
                del self._told[key]
                continue
            # To the end, until it is written: one that no table takes must not keep the others waiting.
            self._told[key] = self._told.pop(key)
            await self._write(trip)
            told.written = now
            told.acted = now if trip.quarantine else told.acted
            # What came while it was written is counted the next time.
            if (newer := told.trip) is not None:
                left = newer.times - trip.times
                told.trip = newer._replace(times=left) if left > 0 else None

    async def _write(self, trip: Trip) -> None:
        owner_id = self._owner(trip)
        if owner_id is None:
            return
        try:
            async with self._sessions() as session, session.begin():
                await notices.note(
                    session,
                    NoticeKind(trip.wire),
                    owner_id=owner_id,
                    inverter_id=trip.inverter_id,
                    login=trip.login,
                    details=trip.details,
                    times=trip.times,
                    now=trip.at,
                )
                self._counters.notices_written += 1
                if trip.quarantine and await _quarantine(session, trip, owner_id, self._clock.now()):
                    _log.warning("login.quarantined", login=trip.login, why=trip.wire)
        except IntegrityError:
            # The owner or the inverter has gone meanwhile: nobody is to be told.
            _log.info("notice.nobody", wire=trip.wire, login=trip.login)

    def _owner(self, trip: Trip) -> UUID | None:
        """Whose login it is now; None where it speaks of nothing any more."""
        entry = self._directory().login(trip.login)
        if entry is None or entry.revoked:
            return None
        return next((route.owner_id for route in entry.routes.values()), None)


async def _quarantine(session: AsyncSession, trip: Trip, owner_id: UUID, now: datetime) -> bool:
    """Set aside what the login sends from the next version of the registry on; false where that is so already, or where
    it is not the owner's any more.
    """
    speaking = (
        Login.name == trip.login,
        Login.owner_id == owner_id,
        Login.revoked_at.is_(None),
        Login.quarantined_at.is_(None),
    )
    if (await session.scalars(select(Login.name).where(*speaking))).first() is None:
        return False
    # The version's row before the login's, as wherever a login is changed: of two that meet one waits for the other.
    await registry_changed(session, owner_id=owner_id)
    stop = update(Login).where(*speaking).values(quarantined_at=now, quarantine_why=trip.wire)
    if (await session.execute(stop.returning(Login.name))).first() is None:
        return False
    kind = NoticeKind.QUARANTINED
    await notices.note(session, kind, owner_id=owner_id, login=trip.login, details={"why": trip.wire}, now=now)
    # One that was read and ended is another one now.
    key = notices.key(kind, owner_id=owner_id, inverter_id=None, login=trip.login)
    await session.execute(update(Notice).where(Notice.key == key).values(hidden_at=None))
    return True
