"""API keys: an owner's programs read with them what the owner may see, until they expire or are revoked. No HTTP here.

A key is shown once and kept as a keyed hash. It outlives a change of the password, as its page says, and does not
outlive the account; while a deletion is pending it opens nothing.
"""

import base64
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from portal.accounts.sessions import Visitor
from portal.keys import keyed_hash
from schema.models import Account, ApiKey

PREFIX = "deye_"
SCOPE = "read"
MOST_KEYS = 20
USED_EVERY = timedelta(minutes=5)
LISTED_FOR = timedelta(days=30)

_RANDOM_BYTES = 20
_HINT_CHARACTERS = 4
_SHAPE = re.compile(rf"{PREFIX}[A-Z2-7]{{32}}")


class NameTaken(Exception):
    """The account has a living key of this name: nothing was made."""


class TooManyKeys(Exception):
    """The account has as many living keys as one may have."""


@dataclass(frozen=True, slots=True)
class Made:
    """A new key, in clear this once."""

    id: UUID
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyVisitor(Visitor):
    """A program with a key: it reads as its account and is nobody's administrator. ``session_id`` is the key's id."""

    last_used_at: datetime | None = None


def looks_like_a_key(text: str) -> bool:
    """Whether this bearer token is meant as a key rather than as a token of a log-in."""
    return text.startswith(PREFIX)


async def make(session: AsyncSession, account_id: UUID, *, name: str, days: int, key: str, now: datetime) -> Made:
    """A new key. Raises ``NameTaken`` (also for the second of two identical forms) and ``TooManyKeys``."""
    # An expired key frees its name.
    expired = update(ApiKey).where(ApiKey.account_id == account_id, ApiKey.name == name, ApiKey.revoked_at.is_(None))
    await session.execute(expired.where(ApiKey.expires_at <= now).values(revoked_at=ApiKey.expires_at))
    living = select(ApiKey.id).where(
        ApiKey.account_id == account_id, ApiKey.revoked_at.is_(None), ApiKey.expires_at > now
    )
    if len((await session.scalars(living.limit(MOST_KEYS))).all()) >= MOST_KEYS:
        raise TooManyKeys
    secret = PREFIX + base64.b32encode(secrets.token_bytes(_RANDOM_BYTES)).decode()
    row = ApiKey(
        id=uuid4(),
        account_id=account_id,
        name=name,
        scope=SCOPE,
        hint=secret[: len(PREFIX) + _HINT_CHARACTERS],
        key_hash=keyed_hash(key, secret),
        created_at=now,
        expires_at=now + timedelta(days=days),
    )
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError:
        raise NameTaken from None
    return Made(row.id, secret)


async def listed(session: AsyncSession, account_id: UUID, *, now: datetime) -> Sequence[ApiKey]:
    """The account's keys, the newest first; those that ended are shown for a month."""
    since = now - LISTED_FOR
    statement = select(ApiKey).where(
        ApiKey.account_id == account_id,
        ApiKey.expires_at > since,
        or_(ApiKey.revoked_at.is_(None), ApiKey.revoked_at > since),
    )
    return (await session.scalars(statement.order_by(ApiKey.created_at.desc(), ApiKey.id))).all()


async def revoke(session: AsyncSession, account_id: UUID, key_id: UUID, *, now: datetime) -> bool:
    """End a key at once; False where the account has no living key of this id."""
    end = update(ApiKey).where(ApiKey.account_id == account_id, ApiKey.id == key_id, ApiKey.revoked_at.is_(None))
    return (await session.execute(end.values(revoked_at=now).returning(ApiKey.id))).first() is not None


async def exists(session: AsyncSession, account_id: UUID, key_id: UUID) -> bool:
    """Whether the account has, or had, a key of this id."""
    found = select(ApiKey.id).where(ApiKey.account_id == account_id, ApiKey.id == key_id)
    return (await session.execute(found)).first() is not None


async def visitor(session: AsyncSession, presented: str, *, key: str, now: datetime) -> KeyVisitor | None:
    """The account behind a living key, as the database says it now; None for everything else."""
    if not _SHAPE.fullmatch(presented):
        return None
    statement = (
        select(ApiKey.id, ApiKey.account_id, ApiKey.last_used_at, Account.email, Account.language)
        .join(Account, Account.id == ApiKey.account_id)
        .where(
            ApiKey.key_hash == keyed_hash(key, presented),
            ApiKey.scope == SCOPE,
            ApiKey.revoked_at.is_(None),
            ApiKey.expires_at > now,
            Account.verified_at.is_not(None),
            Account.disabled_at.is_(None),
            Account.delete_after.is_(None),
        )
    )
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        return None
    return KeyVisitor(
        account_id=row.account_id,
        session_id=row.id,
        email=row.email,
        is_admin=False,
        language=row.language,
        last_used_at=row.last_used_at,
    )


def is_due(last_used_at: datetime | None, now: datetime) -> bool:
    """Whether it is time to note again that the key was used: a write per request would be dear."""
    return last_used_at is None or now - last_used_at >= USED_EVERY


async def note_used(session: AsyncSession, key_id: UUID, *, now: datetime) -> None:
    """The key was used just now."""
    due = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at <= now - USED_EVERY)
    await session.execute(update(ApiKey).where(ApiKey.id == key_id, due).values(last_used_at=now))
