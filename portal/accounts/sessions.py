"""Signed-in devices: one row per token, so that ending a session is one DELETE. No HTTP, no tokens here."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from schema.models import Account, Audience, LoginSession

LIFETIME = timedelta(days=2)

_USER_AGENT_MAX = 200


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is asking, as the database says it at this request: never what the token says."""

    account_id: UUID
    session_id: UUID
    email: str
    is_admin: bool


async def begin(
    session: AsyncSession, account_id: UUID, *, audience: Audience, user_agent: str, now: datetime
) -> LoginSession:
    """Sign a device in; the account's sessions that have run out are swept away."""
    await session.execute(
        delete(LoginSession).where(LoginSession.account_id == account_id, LoginSession.expires_at <= now)
    )
    row = LoginSession(
        id=uuid4(),
        account_id=account_id,
        audience=audience,
        user_agent=user_agent[:_USER_AGENT_MAX],
        created_at=now,
        expires_at=now + LIFETIME,
    )
    session.add(row)
    return row


async def visitor(
    session: AsyncSession, account_id: UUID, session_id: UUID, *, audience: Audience, now: datetime
) -> Visitor | None:
    """The account behind a living session of this audience, in one query."""
    statement = (
        select(Account.email, Account.is_admin)
        .join(LoginSession, LoginSession.account_id == Account.id)
        .where(
            Account.id == account_id,
            Account.verified_at.is_not(None),
            LoginSession.id == session_id,
            LoginSession.audience == audience,
            LoginSession.expires_at > now,
        )
    )
    row = (await session.execute(statement)).one_or_none()
    return row and Visitor(account_id=account_id, session_id=session_id, email=row.email, is_admin=row.is_admin)


async def end(session: AsyncSession, account_id: UUID, session_id: UUID) -> None:
    """Log one device out; ending twice is fine."""
    await session.execute(
        delete(LoginSession).where(LoginSession.account_id == account_id, LoginSession.id == session_id)
    )


async def end_all(session: AsyncSession, account_id: UUID) -> None:
    """Log every device out."""
    await session.execute(delete(LoginSession).where(LoginSession.account_id == account_id))
