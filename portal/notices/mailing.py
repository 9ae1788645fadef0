"""The portal's task that mails notices: to whoever is in charge of a home, each kind at most once a day."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Select, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from portal import letters
from portal.accounts.links import MailedLinks
from portal.homes import people
from portal.mail import Mailer, owe
from portal.notices.service import standing, telling
from portal.turns import again_and_again
from portal.words import reader_of, speaking
from schema.database import Sessions, reading
from schema.models import Notice, NoticeKind, Owner

_log = structlog.get_logger(__name__)

EVERY_S = 60.0
AGAIN_AFTER = timedelta(days=1)
# A key of the store that was replaced is our own business; the page tells it, nobody has to be fetched. Who took a home
# over was told by a mail of its own.
_NOT_MAILED = (NoticeKind.TOKEN_RENEWED, NoticeKind.HANDED_OVER)
_HOMES_A_TURN = 100


class NoticeMails:
    """One per portal; of several on one database each mail is owed by one of them."""

    def __init__(self, sessions: Sessions, links: MailedLinks, mailer: Mailer, now: Callable[[], datetime]) -> None:
        self._sessions = sessions
        self._links = links
        self._mailer = mailer
        self._now = now

    async def run(self) -> None:
        """Look until cancelled; a turn that fails is logged and the next one tries again."""
        await again_and_again(self.turn, every_s=EVERY_S, log=_log, failed="notices.turn_failed")

    async def turn(self) -> int:
        """Owe what is due; returns how many mails that was."""
        now = self._now()
        async with reading(self._sessions) as session:
            homes = await session.execute(
                _due(now).with_only_columns(Notice.owner_id, Notice.kind).distinct().limit(_HOMES_A_TURN)
            )
            due = [(owner_id, NoticeKind(kind)) for owner_id, kind in homes]
        owed = 0
        for owner_id, kind in due:
            async with self._sessions.begin() as session:
                owed += await self._tell(session, owner_id, kind, now)
        if owed:
            self._mailer.wake()
        return owed

    async def _tell(self, session: AsyncSession, owner_id: UUID, kind: NoticeKind, now: datetime) -> int:
        # Of two portals the second waits here, and then finds that the first one has told it. Not a lock that would
        # hold up whoever notes something for this owner meanwhile.
        await session.execute(select(Owner.id).where(Owner.id == owner_id).with_for_update(key_share=True))
        due = _due(now).where(Notice.owner_id == owner_id, Notice.kind == kind).order_by(Notice.last_at.desc())
        rows = (await session.execute(due)).all()
        if not rows:
            return 0
        told = [row[0].id for row in rows]
        await session.execute(update(Notice).where(Notice.id.in_(told)).values(mailed_at=now))
        readers = await people.in_charge(session, owner_id, now)
        for person in readers:
            letter = self._letter(rows, person.language)
            await owe(session, person.email, letter, sealer=self._links.sealer, now=now, always=True)
        return len(readers)

    def _letter(self, rows: Sequence[Any], language: str) -> letters.Letter:
        with speaking(reader_of(language)):
            tellings = [telling(*row) for row in rows]
            return letters.noticed(self._links.base_url, tellings[0].title, tellings, language=language)


def _due(now: datetime) -> Select[Notice, UUID, str, str]:
    """What has happened since it was last mailed, where no mail about the same kind went to that home within a day."""
    other = aliased(Notice)
    lately = exists().where(
        other.owner_id == Notice.owner_id, other.kind == Notice.kind, other.mailed_at > now - AGAIN_AFTER
    )
    return standing(now).where(
        Notice.kind.not_in(_NOT_MAILED),
        or_(Notice.mailed_at.is_(None), Notice.last_at > Notice.mailed_at),
        ~lately,
    )
