"""One-time secrets sent by mail: 256 random bits, kept as a keyed hash, used by one UPDATE. No mail, no HTTP here."""

import secrets
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from portal.keys import keyed_hash
from schema.models import EmailToken, TokenPurpose

LIFETIMES = {TokenPurpose.VERIFY: timedelta(hours=24), TokenPurpose.RESET: timedelta(hours=1)}

_RANDOM_BYTES = 32


class TokenSpent(Exception):
    """The token is unknown, used or too old: offer a new one, and do not say which."""


async def issue(session: AsyncSession, account_id: UUID, *, purpose: TokenPurpose, key: str, now: datetime) -> str:
    """A new token; older ones of this purpose no longer work."""
    await withdraw(session, account_id, purpose=purpose)
    token = secrets.token_urlsafe(_RANDOM_BYTES)
    session.add(
        EmailToken(
            id=uuid4(),
            account_id=account_id,
            purpose=purpose,
            token_hash=keyed_hash(key, token),
            created_at=now,
            expires_at=now + LIFETIMES[purpose],
        )
    )
    return token


async def withdraw(session: AsyncSession, account_id: UUID, *, purpose: TokenPurpose) -> None:
    """The account's tokens of this purpose no longer work."""
    await session.execute(delete(EmailToken).where(EmailToken.account_id == account_id, EmailToken.purpose == purpose))


async def is_good(session: AsyncSession, token: str, *, purpose: TokenPurpose, key: str, now: datetime) -> bool:
    """Whether ``redeem`` would take it; nothing is used up, so mail scanners may look as often as they like."""
    statement = select(EmailToken.id).where(
        EmailToken.token_hash == keyed_hash(key, token),
        EmailToken.purpose == purpose,
        EmailToken.used_at.is_(None),
        EmailToken.expires_at > now,
    )
    return (await session.execute(statement)).first() is not None


async def redeem(session: AsyncSession, token: str, *, purpose: TokenPurpose, key: str, now: datetime) -> UUID:
    """Use the token up and return its account. Raises ``TokenSpent``; of two at once exactly one succeeds."""
    statement = (
        update(EmailToken)
        .where(
            EmailToken.token_hash == keyed_hash(key, token),
            EmailToken.purpose == purpose,
            EmailToken.used_at.is_(None),
            EmailToken.expires_at > now,
        )
        .values(used_at=now)
        .returning(EmailToken.account_id)
    )
    account_id = (await session.execute(statement)).scalar_one_or_none()
    if account_id is None:
        raise TokenSpent
    return account_id
