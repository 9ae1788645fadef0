"""The notices that an account should see, and hiding one. Who acts for a home is told; a reader could do nothing.

What is over by itself is not told any more: a login that was revoked, an inverter that is gone, trouble that has not
come back for some days.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from portal import audit
from portal.audit import Action
from portal.dashboard.days import zone_named
from portal.inverters.grants import acts_for
from portal.notices import sentences
from schema.models import Feed, Grant, Inverter, Login, Notice, NoticeKind, Owner, Role

TOLD_FOR = timedelta(days=14)
"""Trouble that has not come back for so long is over."""
FLAPPING_FOR = timedelta(minutes=15)
"""So long after it was last noted two programs are taken to be at it still."""
_MOST = 20
# These stand until their owner has read them, or until the quarantine ends: they happen once.
_LASTING = (
    *(NoticeKind.QUARANTINED, NoticeKind.SERIAL_FREED, NoticeKind.BUCKET_RENEWED, NoticeKind.TOKEN_RENEWED),
    *(NoticeKind.HANDED_OVER, NoticeKind.STORE_MOVED),
)
_LOGINS_PAGE = (NoticeKind.FLAPPING, NoticeKind.FAILED_LOG_INS, NoticeKind.QUARANTINED)


@dataclass(frozen=True, slots=True)
class Telling:
    """One notice as a page or a mail tells it, in the reader's words. ``link`` leads to where something can be done."""

    id: UUID
    title: str
    about: str
    text: str
    advice: str
    link: str
    first_at: datetime
    last_at: datetime
    count: int
    zone: ZoneInfo


async def told(
    session: AsyncSession, account_id: UUID, now: datetime, *, inverter_id: UUID | None = None
) -> Sequence[Telling]:
    """What the account should know, the newest first; of one inverter and its logins, or of all."""
    statement = standing(now).where(acts_for(Notice.owner_id, account_id, now))
    if inverter_id is not None:
        spoken = select(Feed.login).where(Feed.inverter_id == inverter_id)
        statement = statement.where(or_(Notice.inverter_id == inverter_id, Notice.login.in_(spoken)))
    statement = statement.order_by(Notice.last_at.desc(), Notice.id).limit(_MOST)
    return [telling(*row) for row in await session.execute(statement)]


def standing(now: datetime) -> Select[Notice, UUID, str, str]:
    """Rows of ``telling`` for what is to be told at ``now``; the caller says to whom."""
    named = func.coalesce(Notice.inverter_id, _an_inverter_of_the_login())
    recent = or_(Notice.kind.in_(_LASTING), Notice.last_at > now - TOLD_FOR)
    return (
        select(Notice, Inverter.id, Inverter.name, Owner.time_zone)
        .join(Owner, Owner.id == Notice.owner_id)
        .outerjoin(Inverter, Inverter.id == named)
        .where(Notice.hidden_at.is_(None), recent, _in_use(), _secrets_known())
    )


def telling(notice: Notice, inverter_id: UUID | None, name: str | None, zone: str) -> Telling:
    """The notice in the words of whoever reads."""
    link = f"/inverters/{inverter_id}" if inverter_id else "/inverters"
    if inverter_id and notice.kind in _LOGINS_PAGE:
        link += "/logins"
    if notice.kind == NoticeKind.HANDED_OVER:
        link = f"/homes/{notice.owner_id}/people#secrets"
    return Telling(
        id=notice.id,
        title=sentences.title(notice.kind),
        about=name or "",
        text=sentences.text(notice.kind, login=notice.login, details=notice.details),
        advice=sentences.advice(notice.kind),
        link=link,
        first_at=notice.first_at,
        last_at=notice.last_at,
        count=notice.count,
        zone=zone_named(zone),
    )


async def hide(session: AsyncSession, account_id: UUID, notice_id: UUID, now: datetime) -> bool:
    """The account has read it; false where it is none of its business, or hidden already."""
    mine = (Notice.id == notice_id, acts_for(Notice.owner_id, account_id, now))
    hidden = update(Notice).where(*mine, Notice.hidden_at.is_(None)).values(hidden_at=now)
    row = (await session.execute(hidden.returning(Notice.owner_id, Notice.kind))).one_or_none()
    if row is None:
        return False
    await audit.record(
        session,
        Action.NOTICE_HIDDEN,
        subject=f"notice:{notice_id}",
        actor=account_id,
        owner_id=row.owner_id,
        details={"kind": row.kind},
        now=now,
    )
    return True


async def flapping(session: AsyncSession, logins: Sequence[str], now: datetime) -> set[str]:
    """Those of the logins on which two programs throw each other out right now, read or not."""
    statement = select(Notice.login).where(
        Notice.login.in_(logins), Notice.kind == NoticeKind.FLAPPING, Notice.last_at > now - FLAPPING_FOR
    )
    return set((await session.scalars(statement)).all())


def _in_use() -> ColumnElement[bool]:
    """The inverter is not deleted, and the login not revoked, where the notice names one."""
    gone = select(Inverter.id).where(Inverter.deleted_at.is_not(None))
    ended = select(Login.name).where(Login.revoked_at.is_not(None))
    return and_(
        or_(Notice.inverter_id.is_(None), Notice.inverter_id.not_in(gone)),
        or_(Notice.login == "", Notice.login.not_in(ended)),
    )


def _secrets_known() -> ColumnElement[bool]:
    """Of a hand-over: a login is in use whose secret was shown to somebody who is no owner there."""
    owners = select(Grant.account_id).where(Grant.owner_id == Notice.owner_id, Grant.role == Role.OWNER)
    known = exists().where(
        Login.owner_id == Notice.owner_id,
        Login.revoked_at.is_(None),
        Login.made_by.is_not(None),
        Login.made_by.not_in(owners.correlate(Notice)),
    )
    return or_(Notice.kind != NoticeKind.HANDED_OVER, known)


def _an_inverter_of_the_login() -> Any:
    """For a notice that names a login alone: where its page leads to."""
    spoken_of = aliased(Inverter)
    return (
        select(Feed.inverter_id)
        .join(spoken_of, spoken_of.id == Feed.inverter_id)
        .where(Feed.login == Notice.login, spoken_of.deleted_at.is_(None))
        .order_by(spoken_of.created_at, spoken_of.id)
        .limit(1)
        .correlate(Notice)
        .scalar_subquery()
    )
