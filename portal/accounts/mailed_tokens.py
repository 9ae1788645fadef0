"""One-time secrets sent by mail: 256 random bits, kept as a keyed hash, used by one UPDATE. No mail, no HTTP here."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from portal.keys import keyed_hash
from portal.mail import SAME_SUBMIT
from schema.models import Account, EmailToken, TokenPurpose

LIFETIMES = {
    TokenPurpose.VERIFY: timedelta(hours=24),
    TokenPurpose.RESET: timedelta(hours=1),
    TokenPurpose.CHANGE_EMAIL: timedelta(hours=24),
    TokenPurpose.UNDO_EMAIL: timedelta(days=7),
    TokenPurpose.CANCEL_DELETION: timedelta(days=7),
}

_RANDOM_BYTES = 32


class TokenSpent(Exception):
    """The token is unknown, used or too old: offer a new one, and do not say which."""


@dataclass(frozen=True, slots=True)
class Redeemed:
    """What a used-up token was about: ``new_email`` is empty except for changes of address."""

    account_id: UUID
    new_email: str
    issued_at: datetime


async def issue(
    session: AsyncSession,
    account_id: UUID,
    *,
    purpose: TokenPurpose,
    key: str,
    now: datetime,
    new_email: str = "",
    older_stay: bool = False,
) -> str:
    """A new token; older ones of this purpose no longer work, unless ``older_stay``."""
    if not older_stay:
        await withdraw(session, account_id, purpose=purpose)
    token = secrets.token_urlsafe(_RANDOM_BYTES)
    session.add(
        EmailToken(
            id=uuid4(),
            account_id=account_id,
            purpose=purpose,
            token_hash=keyed_hash(key, token),
            new_email=new_email,
            created_at=now,
            expires_at=now + LIFETIMES[purpose],
        )
    )
    return token


async def issued_just_now(
    session: AsyncSession, account_id: UUID, *, purpose: TokenPurpose, now: datetime, new_email: str = ""
) -> bool:
    """Whether such a token is on its way already, so that a form sent twice is one mail.

    Other transactions of this account wait from here on until the caller's ends.
    """
    await session.execute(select(Account.id).where(Account.id == account_id).with_for_update())
    statement = select(EmailToken.id).where(
        EmailToken.account_id == account_id,
        EmailToken.purpose == purpose,
        EmailToken.new_email == new_email,
        EmailToken.used_at.is_(None),
        EmailToken.created_at > now - SAME_SUBMIT,
    )
    return (await session.execute(statement)).first() is not None


async def withdraw(session: AsyncSession, account_id: UUID, *, purpose: TokenPurpose) -> None:
    """The account's tokens of this purpose no longer work."""
    await session.execute(delete(EmailToken).where(EmailToken.account_id == account_id, EmailToken.purpose == purpose))


async def withdraw_since(session: AsyncSession, account_id: UUID, since: datetime, *, purpose: TokenPurpose) -> None:
    """The account's tokens of this purpose that were issued at ``since`` or later no longer work."""
    await session.execute(
        delete(EmailToken).where(
            EmailToken.account_id == account_id, EmailToken.purpose == purpose, EmailToken.created_at >= since
        )
    )


async def is_good(
    session: AsyncSession,
    token: str,
    *,
    purpose: TokenPurpose,
    key: str,
    now: datetime,
    account_id: UUID | None = None,
) -> bool:
    """Whether ``redeem`` would take it; nothing is used up, so mail scanners may look as often as they like."""
    statement = select(EmailToken.id).where(*_good(token, purpose, key, now, account_id))
    return (await session.execute(statement)).first() is not None


async def redeem(session: AsyncSession, token: str, *, purpose: TokenPurpose, key: str, now: datetime) -> UUID:
    """Use the token up and return its account. Raises ``TokenSpent``; of two at once exactly one succeeds."""
    return (await redeemed(session, token, purpose=purpose, key=key, now=now)).account_id


async def redeemed(
    session: AsyncSession,
    token: str,
    *,
    purpose: TokenPurpose,
    key: str,
    now: datetime,
    account_id: UUID | None = None,
) -> Redeemed:
    """``redeem`` with all that the token was about. With ``account_id`` another account's token is as good as none."""
    statement = (
        update(EmailToken)
        .where(*_good(token, purpose, key, now, account_id))
        .values(used_at=now)
        .returning(EmailToken.account_id, EmailToken.new_email, EmailToken.created_at)
    )
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        raise TokenSpent
    return Redeemed(row.account_id, row.new_email, row.created_at)


def _good(
    token: str, purpose: TokenPurpose, key: str, now: datetime, account_id: UUID | None
) -> list[ColumnElement[bool]]:
    conditions = [
        EmailToken.token_hash == keyed_hash(key, token),
        EmailToken.purpose == purpose,
        EmailToken.used_at.is_(None),
        EmailToken.expires_at > now,
    ]
    return conditions if account_id is None else [*conditions, EmailToken.account_id == account_id]
