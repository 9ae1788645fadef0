"""The portal's task that frees a serial after a year of silence: its device is gone, and somebody else may have it.

Silence is believed only where everybody agrees: the live row, which is a cache and may have been lost, and the store,
which may be away. Whoever cannot be asked has heard something. A device that wakes up claims again.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import Select, exists, select, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from portal import audit
from portal.audit import Action
from portal.dashboard.stations import source_of
from portal.serials.freeing import others_may_claim
from portal.serials.service import remember
from portal.turns import again_and_again
from schema import live, notices
from schema.changes import registry_changed
from schema.database import Sessions, reading
from schema.models import ClaimState, Feed, Inverter, NoticeKind, OwnerPlacement, Placement, SerialEnd
from schema.sealing import Sealer
from schema.timeseries.port import SeriesReader, Source, StoreError

_log = structlog.get_logger(__name__)

SILENT_FOR = timedelta(days=365)
EVERY_S = 6 * 3600.0
# A fleet whose live rows were lost is asked about little by little; the store has other things to do.
_QUESTIONS_A_TURN = 50
_PAGE = 500


class Silence:
    """One per portal; of several on one database each serial is freed by one of them."""

    def __init__(
        self,
        sessions: Sessions,
        live_engine: AsyncEngine,
        reader: SeriesReader,
        sealer: Sealer,
        now: Callable[[], datetime],
    ) -> None:
        self._sessions = sessions
        self._live_engine = live_engine
        self._reader = reader
        self._sealer = sealer
        self._now = now
        # Where the next turn goes on; each turn looks at a page, so that none is always behind the others.
        self._after: UUID | None = None

    async def run(self) -> None:
        """Look until cancelled; a turn that fails is logged and the next one tries again."""
        await again_and_again(self.turn, every_s=EVERY_S, log=_log, failed="silence.turn_failed")

    async def turn(self) -> int:
        """Go once round all serials that are held for more than a year; returns how many were freed."""
        now, freed, questions = self._now(), 0, 0
        while questions < _QUESTIONS_A_TURN:
            page = await self._page(now)
            heard = await live.of(self._live_engine, [inverter.id for inverter, _source in page])
            for inverter, source in page:
                self._after = inverter.id
                row = heard.get(inverter.id)
                if row is not None and row.seen_at is not None and row.seen_at > now - SILENT_FOR:
                    continue
                questions += 1
                if source is not None and await self._is_silent(source, now):
                    freed += await self._free(inverter.id, now)
                if questions >= _QUESTIONS_A_TURN:
                    return freed
            if len(page) < _PAGE:
                self._after = None
                return freed
        return freed

    async def _page(self, now: datetime) -> Sequence[tuple[Inverter, Source | None]]:
        statement = _held(now).order_by(Inverter.id).limit(_PAGE)
        if self._after is not None:
            statement = statement.where(Inverter.id > self._after)
        async with reading(self._sessions) as session:
            rows = (await session.execute(statement)).all()
        return [(inverter, source_of(inverter, place, home, self._sealer)) for inverter, place, home in rows]

    async def _is_silent(self, source: Source, now: datetime) -> bool:
        try:
            return not await self._reader.latest(source, now - SILENT_FOR)
        except StoreError as error:
            _log.info("silence.not_known", inverter_id=str(source.inverter_id), error=type(error).__name__)
            return False

    async def _free(self, inverter_id: UUID, now: datetime) -> bool:
        async with self._sessions.begin() as session:
            await registry_changed(session, inverter_id=inverter_id)
            statement = _held(now).where(Inverter.id == inverter_id).with_only_columns(Inverter)
            inverter = (await session.scalars(statement)).one_or_none()
            if inverter is None or inverter.active_serial is None:
                return False
            await self._let_go(session, inverter, inverter.active_serial, now)
        _log.info("serial.freed", inverter_id=str(inverter_id))
        return True

    async def _let_go(self, session: AsyncSession, inverter: Inverter, serial: str, now: datetime) -> None:
        await others_may_claim(session, serial, but=inverter.id)
        await session.execute(
            update(Feed)
            .where(Feed.inverter_id == inverter.id, Feed.claim_state == ClaimState.ACTIVE)
            .values(claim_state=ClaimState.PENDING, activated_at=None)
        )
        remember(session, inverter, SerialEnd.SILENT, now)
        inverter.active_serial = None
        await notices.note(
            session,
            NoticeKind.SERIAL_FREED,
            owner_id=inverter.owner_id,
            inverter_id=inverter.id,
            now=now,
            details={"serial": serial},
        )
        await audit.record(
            session,
            Action.SERIAL_FREED,
            subject=audit.inverter(inverter.id),
            actor=audit.SYSTEM,
            owner_id=inverter.owner_id,
            details={"serial": serial},
            now=now,
        )


def _held(now: datetime) -> Select[Inverter, Placement | None, OwnerPlacement | None]:
    """Inverters that hold a serial, which no feed of theirs has claimed within the year."""
    lately = exists().where(Feed.inverter_id == Inverter.id, Feed.activated_at > now - SILENT_FOR)
    return (
        select(Inverter, Placement, OwnerPlacement)
        .outerjoin(Placement, Placement.inverter_id == Inverter.id)
        .outerjoin(OwnerPlacement, OwnerPlacement.owner_id == Inverter.owner_id)
        .where(
            Inverter.active_serial.is_not(None),
            Inverter.deleted_at.is_(None),
            Inverter.created_at < now - SILENT_FOR,
            ~lately,
        )
    )
