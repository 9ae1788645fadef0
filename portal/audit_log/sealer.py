"""The task that seals entries of the audit log a few seconds after they were written. Its rule is in ``chain``.

Any number of portals may run it on one database: the next seal's number is its key, so of two that make the same one
the second is refused as a whole and looks again. A turn is one transaction: after a crash there is no half of one.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from portal.audit_log.chain import FIRST, linked
from schema.database import Sessions, reading
from schema.models import AuditEntry, AuditSeal

_log = structlog.get_logger(__name__)

LOOK_EVERY_S = 2.0
_AT_ONCE = 500
# PostgreSQL gives numbers when an entry is written and shows the entry when it is committed: later numbers may be
# sealed first. So many back are looked for at every turn, all of them now and then.
_LATE_AT_MOST = 5_000
_ALL_EVERY_TURNS = 1_800


class AuditSealer:
    """Seals what is not sealed yet, and notes the chain's head in the log once a day."""

    def __init__(self, sessions: Sessions, *, now: Callable[[], datetime]) -> None:
        self._sessions = sessions
        self._now = now
        self._turns = 0
        self._noted: datetime | None = None

    async def run(self) -> None:
        """Seal until cancelled; a turn that fails is logged and the next one tries again."""
        while True:
            sealed = 0
            try:
                sealed = await self.seal_waiting()
                await self.note_head()
            except Exception:  # noqa: BLE001  # one turn of a loop: logged, and the next one tries again
                _log.exception("audit.turn_failed")
            if sealed < _AT_ONCE:
                await asyncio.sleep(LOOK_EVERY_S)

    async def seal_waiting(self) -> int:
        """One turn; returns how many entries were sealed, at most 500. None where another sealer was faster."""
        everything = self._turns % _ALL_EVERY_TURNS == 0
        self._turns += 1
        async with reading(self._sessions) as session:
            if not await _waiting(session, everything=everything, most=1):
                return 0
        try:
            async with self._sessions.begin() as session:
                return await _seal(session, everything=everything)
        except IntegrityError:
            _log.info("audit.sealed_elsewhere")
            return 0

    async def note_head(self) -> None:
        """The newest hash into the log, once a day: a chain that is cut off or made anew does not contain it."""
        now = self._now()
        if self._noted is not None and self._noted.date() == now.date():
            return
        async with reading(self._sessions) as session:
            seal_id, head = await newest(session)
        _log.info("audit.head", seal=seal_id, hash=head)
        self._noted = now


async def newest(session: AsyncSession) -> tuple[int, str]:
    """Number and hash of the newest seal; 0 and zeros before the first."""
    row = (await session.scalars(select(AuditSeal).order_by(AuditSeal.id.desc()).limit(1))).first()
    return (row.id, row.hash) if row else (0, FIRST)


async def _seal(session: AsyncSession, *, everything: bool) -> int:
    seal_id, head = await newest(session)
    entries = await _waiting(session, everything=everything, most=_AT_ONCE)
    for entry in entries:
        seal_id, head = seal_id + 1, linked(head, entry)
        session.add(AuditSeal(id=seal_id, entry_id=entry.id, hash=head))
    return len(entries)


async def _waiting(session: AsyncSession, *, everything: bool, most: int) -> list[AuditEntry]:
    floor = 0
    if not everything:
        floor = ((await session.scalar(select(func.max(AuditSeal.entry_id)))) or 0) - _LATE_AT_MOST
    statement = (
        select(AuditEntry)
        .outerjoin(AuditSeal, AuditSeal.entry_id == AuditEntry.id)
        .where(AuditEntry.id > floor, AuditSeal.id.is_(None))
        .order_by(AuditEntry.id)
        .limit(most)
    )
    return list(await session.scalars(statement))
