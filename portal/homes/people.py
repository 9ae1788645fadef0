"""Who is written to about a home. The caller has found that it is the home's business."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from portal.inverters.grants import holds, in_progress
from schema.models import Account, Grant, Owner, Role


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody's account, and the language of its mails."""

    account_id: UUID
    email: str
    language: str


async def owners(session: AsyncSession, owner_id: UUID, now: datetime) -> Sequence[Person]:
    """Everybody who is an owner there."""
    return await _people(session, owner_id, Role.OWNER, now)


async def in_charge(session: AsyncSession, owner_id: UUID, now: datetime) -> Sequence[Person]:
    """Its owners, or the installers of a site that nobody owns yet, as long as they are installers at all."""
    site = select(Owner.id).where(Owner.id == owner_id, in_progress())
    able = Account.is_installer.is_(True) & site.exists()
    return await owners(session, owner_id, now) or await _people(session, owner_id, Role.INSTALLER, now, able)


async def _people(
    session: AsyncSession, owner_id: UUID, role: Role, now: datetime, *more: ColumnElement[bool]
) -> Sequence[Person]:
    statement = (
        select(Account.id, Account.email, Account.language)
        .join(Grant, Grant.account_id == Account.id)
        .where(Grant.owner_id == owner_id, Grant.role == role, holds(now), Account.disabled_at.is_(None), *more)
        .order_by(Account.email_key)
    )
    return [Person(row.id, row.email, row.language) for row in await session.execute(statement)]
