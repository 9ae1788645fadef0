"""For whom an account may act, and in what role. No HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from portal.inverters.grants import holds, looks_at
from schema.models import Grant, Owner, Role


@dataclass(frozen=True, slots=True)
class ActsFor:
    """One owner and the account's role there, `until` an instant or null without end."""

    owner_id: UUID
    role: Role
    time_zone: str
    until: datetime | None


async def acts_for(session: AsyncSession, account_id: UUID, now: datetime) -> Sequence[ActsFor]:
    """Every grant of the account that holds at ``now`` and is worth something, the oldest first."""
    statement = (
        select(Owner.id, Grant.role, Owner.time_zone, Grant.until)
        .join(Grant, Grant.owner_id == Owner.id)
        .where(Grant.account_id == account_id, holds(now), Owner.id.in_(looks_at(account_id, now)))
        .order_by(Grant.created_at, Grant.id)
    )
    return [ActsFor(row.id, Role(row.role), row.time_zone, row.until) for row in await session.execute(statement)]
