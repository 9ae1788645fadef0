"""Signed-in devices: one row per token, so that ending a session is one DELETE. No HTTP, no tokens here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from schema.models import Account, Audience, LoginSession

LIFETIME = timedelta(days=2)

SEEN_EVERY = timedelta(minutes=5)

_USER_AGENT_MAX = 200
_OF_ACCOUNT = (
    *(Account.email, Account.is_admin, Account.is_installer, Account.display_name, Account.language),
    Account.delete_after,
)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is asking, as the database says it at this request: never what the token says.

    ``proved_at`` is when this session's person last gave the password (see ``fresh``), ``seen_at`` when the device was
    last noted to have been here, ``delete_after`` when the account goes, where its deletion was asked for.
    """

    account_id: UUID
    session_id: UUID
    email: str
    is_admin: bool
    proved_at: datetime | None = None
    is_installer: bool = False
    display_name: str = ""
    language: str = ""
    delete_after: datetime | None = None
    seen_at: datetime | None = None

    @property
    def called(self) -> str:
        """The name a person gave, else the address."""
        return self.display_name or self.email


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
        proved_at=now,
        seen_at=now,
        expires_at=now + LIFETIME,
    )
    session.add(row)
    return row


async def visitor(
    session: AsyncSession, account_id: UUID, session_id: UUID, *, audience: Audience, now: datetime
) -> Visitor | None:
    """The account behind a living session of this audience, in one query."""
    statement = (
        select(*_OF_ACCOUNT, LoginSession.proved_at, LoginSession.seen_at)
        .join(LoginSession, LoginSession.account_id == Account.id)
        .where(
            Account.id == account_id,
            Account.verified_at.is_not(None),
            Account.disabled_at.is_(None),
            LoginSession.id == session_id,
            LoginSession.audience == audience,
            LoginSession.expires_at > now,
        )
    )
    row = (await session.execute(statement)).mappings().one_or_none()
    return None if row is None else Visitor(account_id=account_id, session_id=session_id, **row)


def is_due(seen_at: datetime | None, now: datetime) -> bool:
    """Whether it is time to note again that a device was here: a write per request would be dear."""
    return seen_at is None or now - seen_at >= SEEN_EVERY


async def note_seen(session: AsyncSession, session_id: UUID, *, now: datetime) -> None:
    """The device was here; of many requests at once one writes."""
    await session.execute(
        update(LoginSession)
        .where(LoginSession.id == session_id, (LoginSession.seen_at.is_(None)) | (LoginSession.seen_at < now))
        .values(seen_at=now)
    )


async def renew(
    session: AsyncSession, account_id: UUID, session_id: UUID, *, now: datetime, proved: bool = False
) -> LoginSession | None:
    """The device goes on under another id, so that a copy of its token opens nothing any more; its end stays.

    ``proved``: the person at it has just given the password. None where the session has ended meanwhile, or has
    another id already: of two at once one gets it.
    """
    values: dict[str, object] = {"id": uuid4(), **({"proved_at": now} if proved else {})}
    statement = update(LoginSession).where(LoginSession.account_id == account_id, LoginSession.id == session_id)
    statement = statement.values(values).execution_options(synchronize_session=False)
    return (await session.scalars(statement.returning(LoginSession))).one_or_none()


async def end(session: AsyncSession, account_id: UUID, session_id: UUID) -> bool:
    """Log one device out; false where the account has no such session (any more)."""
    statement = delete(LoginSession).where(LoginSession.account_id == account_id, LoginSession.id == session_id)
    return (await session.execute(statement.returning(LoginSession.id))).first() is not None


async def end_all(session: AsyncSession, account_id: UUID) -> None:
    """Log every device out."""
    await session.execute(delete(LoginSession).where(LoginSession.account_id == account_id))


async def end_others(session: AsyncSession, account_id: UUID, session_id: UUID) -> int:
    """Log every device out but this one; returns how many were."""
    statement = delete(LoginSession).where(LoginSession.account_id == account_id, LoginSession.id != session_id)
    return len((await session.execute(statement.returning(LoginSession.id))).all())


async def living(session: AsyncSession, account_id: UUID, *, now: datetime) -> Sequence[LoginSession]:
    """The account's signed-in devices and programs, the newest log-in first."""
    statement = (
        select(LoginSession)
        .where(LoginSession.account_id == account_id, LoginSession.expires_at > now)
        .order_by(LoginSession.created_at.desc(), LoginSession.id)
    )
    return (await session.scalars(statement)).all()
