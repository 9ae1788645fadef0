"""The portal's task that finds out who is to be asked for a serial, and writes to them. No page waits for it: how long
one takes tells nothing.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from portal import letters
from portal.accounts.links import MailedLinks
from portal.homes import people
from portal.mail import Mailer, owe
from portal.tries import NO_WAIT, Limit, Tries
from portal.turns import again_and_again
from schema.database import Sessions, reading
from schema.models import Inverter, SerialRequest

_log = structlog.get_logger(__name__)

EVERY_S = 20.0
MAILS_ABOUT_ONE = Limit("serial.asked", 1, timedelta(days=7))
"""However many ask: whoever holds a serial is not written to more often about it."""
_AT_ONCE = 100


class SerialDesk:
    """One per portal; of several on one database each question is put by one of them."""

    def __init__(
        self, sessions: Sessions, links: MailedLinks, mailer: Mailer, tries: Tries, now: Callable[[], datetime]
    ) -> None:
        self._sessions = sessions
        self._links = links
        self._mailer = mailer
        self._tries = tries
        self._now = now

    async def run(self) -> None:
        """Look until cancelled; a turn that fails is logged and the next one tries again."""
        await again_and_again(self.turn, every_s=EVERY_S, log=_log, failed="serials.turn_failed")

    async def turn(self) -> int:
        """Put the questions whose holder is another one than was known; returns how many mails are owed by that."""
        now, owed = self._now(), 0
        async with reading(self._sessions) as session:
            due = [(row.id, holder) for row, holder in await self._due(session, now)]
        for request_id, holder_id in due:
            async with self._sessions.begin() as session:
                owed += await self._put(session, request_id, holder_id, now)
        if owed:
            self._mailer.wake()
        return owed

    async def _due(self, session: AsyncSession, now: datetime) -> list[tuple[SerialRequest, UUID | None]]:
        """Open requests beside whoever holds their serial now, where that is not who is being asked."""
        claimant, holder = Inverter.__table__.alias("claimant"), Inverter.__table__.alias("holder")
        holds = (
            (holder.c.active_serial == SerialRequest.serial)
            & (holder.c.owner_id != claimant.c.owner_id)
            & holder.c.deleted_at.is_(None)
        )
        statement = (
            select(SerialRequest, holder.c.id)
            .join(claimant, claimant.c.id == SerialRequest.claimant_id)
            .outerjoin(holder, holds)
            .where(
                SerialRequest.answered_at.is_(None),
                SerialRequest.expires_at > now,
                SerialRequest.holder_id.is_distinct_from(holder.c.id),
            )
            .order_by(SerialRequest.asked_at, SerialRequest.id)
            .limit(_AT_ONCE)
        )
        return [(row, holder_id) for row, holder_id in await session.execute(statement)]

    async def _put(self, session: AsyncSession, request_id: UUID, holder_id: UUID | None, now: datetime) -> int:
        taken = (
            update(SerialRequest)
            .where(
                SerialRequest.id == request_id,
                SerialRequest.answered_at.is_(None),
                SerialRequest.holder_id.is_distinct_from(holder_id),
            )
            .values(holder_id=holder_id)
        )
        if (await session.execute(taken.returning(SerialRequest.id))).first() is None or holder_id is None:
            return 0
        holder = await session.get_one(Inverter, holder_id)
        if await self._tries.counted(session, MAILS_ABOUT_ONE, holder.serial, now=now) > NO_WAIT:
            return 0
        readers = await people.in_charge(session, holder.owner_id, now)
        for person in readers:
            letter = letters.serial_asked(
                self._links.base_url, holder.id, holder.serial, holder.name, language=person.language
            )
            await owe(session, person.email, letter, sealer=self._links.sealer, now=now, always=True)
        return len(readers)
