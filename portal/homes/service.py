"""Which homes an account has to do with, and what an owner may set about one. The account comes first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from portal.accounts.service import OWNER_NAME
from portal.dashboard.days import zone_named
from portal.inverters.grants import homes_of
from portal.words import _
from schema.models import Grant, Owner, Role


@dataclass(frozen=True, slots=True)
class Home:
    """A home by its id and what its owner calls it."""

    id: UUID
    name: str
    time_zone: str

    @property
    def called(self) -> str:
        """Its name; one that nobody has named yet is simply home, in the reader's language."""
        return called(self.name)


def called(name: str) -> str:
    """What a home of this name is called on a page."""
    return _("Home") if name == OWNER_NAME else name


async def owned(session: AsyncSession, account_id: UUID, now: datetime) -> Sequence[Home]:
    """The homes that the account is an owner of, the oldest first."""
    statement = (
        select(Owner.id, Owner.name, Owner.time_zone)
        .join(Grant, Grant.owner_id == Owner.id)
        .where(Grant.account_id == account_id, Grant.role == Role.OWNER, Owner.id.in_(homes_of(account_id, now)))
        .order_by(Grant.created_at, Owner.id)
    )
    return [Home(*row) for row in await session.execute(statement)]


async def zone_of(session: AsyncSession, owner_id: UUID) -> ZoneInfo:
    """The home's time zone; the caller has found the home to be the account's business."""
    return zone_named((await session.get_one(Owner, owner_id)).time_zone)
