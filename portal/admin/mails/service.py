"""Mails that are owed, for an administrator: to whom and how often tried. What they say is nobody else's business:
it may hold a link that opens an account.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from portal.accounts.forms import email_key
from portal.admin.search import PAGE_SIZE, Found, Search
from schema.models import OutboxMail


@dataclass(frozen=True, slots=True)
class Waiting:
    """A mail that has not gone out yet."""

    recipient: str
    subject: str
    created_at: datetime
    next_attempt_at: datetime
    attempts: int


async def listed(session: AsyncSession, search: Search) -> Found[Waiting]:
    """A page of them, the oldest first; the caller has made sure that an administrator asks."""
    conditions: list[ColumnElement[bool]] = [OutboxMail.sent_at.is_(None)]
    if search.q:
        conditions.append(func.lower(OutboxMail.recipient).contains(email_key(search.q), autoescape=True))
    total = (await session.execute(select(func.count()).select_from(OutboxMail).where(*conditions))).scalar_one()
    columns = (
        OutboxMail.recipient, OutboxMail.subject, OutboxMail.created_at, OutboxMail.next_attempt_at,
        OutboxMail.attempts,
    )  # fmt: skip
    rows = (
        select(*columns)
        .where(*conditions)
        .order_by(OutboxMail.created_at, OutboxMail.id)
        .limit(PAGE_SIZE)
        .offset(search.offset)
    )
    return Found([Waiting(**row) for row in (await session.execute(rows)).mappings()], total)
