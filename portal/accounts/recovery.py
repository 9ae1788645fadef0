"""Ten one-time codes for somebody who has lost the second factor: shown once, kept as keyed hashes. No HTTP here."""

import secrets
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from portal.keys import keyed_hash
from schema.models import RecoveryCode
from schema.topics import LOGIN_ALPHABET

HOW_MANY = 10

# 12 of 30 characters: 58 bits, not to be guessed within any limit of tries.
_CHARACTERS = 12
_GROUP = 4


async def renew(session: AsyncSession, account_id: UUID, *, key: str) -> list[str]:
    """A new set, in groups of four; the old one works no more."""
    await drop(session, account_id)
    codes = ["".join(secrets.choice(LOGIN_ALPHABET) for _ in range(_CHARACTERS)) for _ in range(HOW_MANY)]
    for code in codes:
        session.add(RecoveryCode(id=uuid4(), account_id=account_id, code_hash=_hash(account_id, code, key)))
    await session.flush()
    return ["-".join(code[at : at + _GROUP] for at in range(0, _CHARACTERS, _GROUP)) for code in codes]


async def drop(session: AsyncSession, account_id: UUID) -> None:
    """No code of this account works any more."""
    await session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account_id))


async def redeem(session: AsyncSession, account_id: UUID, typed: str, *, key: str, now: datetime) -> bool:
    """Use a code up; of two at once exactly one succeeds. Spaces, hyphens and small letters do not matter."""
    code = "".join(character for character in typed.upper() if character in LOGIN_ALPHABET)
    if len(code) != _CHARACTERS:
        return False
    use = (
        update(RecoveryCode)
        .where(
            RecoveryCode.account_id == account_id,
            RecoveryCode.code_hash == _hash(account_id, code, key),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=now)
    )
    return (await session.execute(use.returning(RecoveryCode.id))).first() is not None


async def left(session: AsyncSession, account_id: UUID) -> int:
    """How many codes are not used yet."""
    unused = select(func.count()).where(RecoveryCode.account_id == account_id, RecoveryCode.used_at.is_(None))
    return (await session.execute(unused)).scalar_one()


async def newest_set(session: AsyncSession, account_id: UUID) -> str:
    """A name of the present set, which a form carries so that sending it twice renews once; empty without a set."""
    first = select(RecoveryCode.id).where(RecoveryCode.account_id == account_id).order_by(RecoveryCode.id).limit(1)
    return str((await session.execute(first)).scalar_one_or_none() or "")


def _hash(account_id: UUID, code: str, key: str) -> str:
    return keyed_hash(key, f"{account_id}:{code}")
