"""That somebody can always administer: who counts, and that acts which could leave nobody wait for one another."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from schema.models import Account


async def locked(session: AsyncSession) -> Sequence[UUID]:
    """Every administrator, locked until the commit: of two who end each other's administration one is refused.

    Lock them before any single account, so that nobody waits crosswise.
    """
    admins = select(Account.id).where(Account.is_admin.is_(True)).order_by(Account.id).with_for_update()
    return (await session.scalars(admins)).all()


async def another_stays(session: AsyncSession, account_id: UUID) -> bool:
    """Whether anybody else can log in and administer, and is not waiting for his deletion."""
    others = select(Account.id).where(
        Account.id != account_id,
        Account.is_admin.is_(True),
        Account.verified_at.is_not(None),
        Account.disabled_at.is_(None),
        Account.delete_after.is_(None),
    )
    return (await session.execute(others.limit(1))).first() is not None
