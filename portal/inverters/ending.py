"""Inverters that end: deleted, with days in which they can be brought back. What lies in the store goes afterwards, by
the provisioner. The account comes first in every question.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from portal import audit
from portal.audit import Action
from portal.dashboard.days import zone_named
from portal.inverters.grants import acts_for, owned_by
from portal.inverters.service import MOST_INVERTERS, AlreadyYours, Enough
from portal.serials.freeing import others_may_claim
from schema.changes import registry_changed
from schema.models import ClaimState, Feed, Inverter, Login, Owner

GRACE = timedelta(days=7)
# The provisioner may run on another computer whose clock is ahead: what it may have begun to erase does not come back.
_CLOCKS_APART = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Deleted:
    """An inverter that can still be brought back, until the day ``erased_on`` of its owner's calendar."""

    inverter_id: UUID
    name: str
    serial: str
    erased_on: date


async def remove(session: AsyncSession, account_id: UUID, inverter_id: UUID, now: datetime) -> bool:
    """Delete the inverter, free its serial, revoke the logins that spoke of nothing else; false where it may not.

    Row and placement stay until the grace is over, so that what lies in the store can be found and removed.
    """
    if await _owned(session, account_id, inverter_id, now) is None:
        return False
    # First the registry's version: its row lock makes two submits of the same form follow each other.
    version = await registry_changed(session, inverter_id=inverter_id)
    inverter = await _owned(session, account_id, inverter_id, now)
    if inverter is None:
        return False
    if inverter.active_serial is not None:
        await others_may_claim(session, inverter.active_serial, but=inverter_id)
    revoked = await stop_logins(session, inverter_id, version=version, now=now)
    claimed = Feed.claim_state.in_((ClaimState.ACTIVE, ClaimState.DISPUTED))
    await session.execute(
        update(Feed).where(Feed.inverter_id == inverter_id, claimed).values(claim_state=ClaimState.PENDING)
    )
    await session.execute(
        update(Inverter)
        .where(Inverter.id == inverter_id)
        .values(deleted_at=now, erase_after=now + GRACE, active_serial=None)
    )
    gone = {"serial": inverter.serial, "name": inverter.name, "logins": sorted(revoked)}
    await _note(session, Action.INVERTER_DELETED, inverter, account_id, now, **gone)
    return True


async def deleted(session: AsyncSession, account_id: UUID, now: datetime) -> Sequence[Deleted]:
    """What the account can bring back, the most urgent first."""
    statement = (
        select(Inverter, Owner.time_zone)
        .join(Owner, Owner.id == Inverter.owner_id)
        .where(_can_come_back(account_id, now))
        .order_by(Inverter.erase_after, Inverter.id)
    )
    return [
        Deleted(row.id, row.name, row.serial, row.erase_after.astimezone(zone_named(zone)).date())
        for row, zone in await session.execute(statement)
        if row.erase_after is not None
    ]


async def bring_back(session: AsyncSession, account_id: UUID, inverter_id: UUID, now: datetime) -> bool:
    """Undo a deletion: logins that it revoked work again, and the serial is claimed again by the next reading.

    False where there is nothing to bring back (any more). Raises ``AlreadyYours`` where the owner has added its serial
    anew meanwhile, and ``Enough``.
    """
    mine = select(Inverter).where(Inverter.id == inverter_id, _can_come_back(account_id, now))
    if (await session.scalars(mine)).one_or_none() is None:
        return False
    version = await registry_changed(session, inverter_id=inverter_id)
    inverter = (await session.scalars(mine.execution_options(populate_existing=True))).one_or_none()
    if inverter is None:
        return False
    await _check_place(session, inverter)
    deletions = select(Inverter.deleted_at).join(Feed, Feed.inverter_id == Inverter.id).where(Feed.login == Login.name)
    revived = await session.scalars(
        update(Login)
        .where(
            Login.name.in_(select(Feed.login).where(Feed.inverter_id == inverter_id)),
            # A login of several inverters went with the last of them, which may be another one.
            Login.revoked_at.in_(deletions.where(Inverter.deleted_at.is_not(None)).correlate(Login)),
        )
        .values(revoked_at=None, registry_version=version)
        .returning(Login.name)
    )
    # A claim that the bridge was making while it was deleted.
    claimed = Feed.claim_state.in_((ClaimState.ACTIVE, ClaimState.DISPUTED))
    await session.execute(
        update(Feed).where(Feed.inverter_id == inverter_id, claimed).values(claim_state=ClaimState.PENDING)
    )
    await session.execute(
        update(Inverter).where(Inverter.id == inverter_id).values(deleted_at=None, erase_after=None, active_serial=None)
    )
    back = {"serial": inverter.serial, "name": inverter.name, "logins": sorted(revived)}
    await _note(session, Action.INVERTER_RESTORED, inverter, account_id, now, **back)
    return True


async def stop_logins(session: AsyncSession, inverter_id: UUID, *, version: int, now: datetime) -> Sequence[str]:
    """Revoke the logins that speak of no other inverter in use; returns their names. The caller notes the act."""
    other = aliased(Inverter)
    in_use = select(Feed.login).join(other, other.id == Feed.inverter_id)
    in_use = in_use.where(other.id != inverter_id, other.deleted_at.is_(None), other.given_away_at.is_(None))
    revoked = await session.scalars(
        update(Login)
        .where(
            Login.name.in_(select(Feed.login).where(Feed.inverter_id == inverter_id)),
            Login.name.not_in(in_use),
            Login.revoked_at.is_(None),
        )
        .values(revoked_at=now, registry_version=version)
        .returning(Login.name)
    )
    return revoked.all()


async def _owned(session: AsyncSession, account_id: UUID, inverter_id: UUID, now: datetime) -> Inverter | None:
    statement = select(Inverter).where(owned_by(account_id, now), Inverter.id == inverter_id)
    return (await session.scalars(statement.execution_options(populate_existing=True))).one_or_none()


def _can_come_back(account_id: UUID, now: datetime) -> ColumnElement[bool]:
    return (
        acts_for(Inverter.owner_id, account_id, now)
        & Inverter.deleted_at.is_not(None)
        & (Inverter.erase_after > now + _CLOCKS_APART)
    )


async def _check_place(session: AsyncSession, inverter: Inverter) -> None:
    """Raises ``AlreadyYours`` and ``Enough``."""
    living = (Inverter.owner_id == inverter.owner_id, Inverter.deleted_at.is_(None))
    twin = select(Inverter.id).where(*living, Inverter.serial == inverter.serial)
    if (known := (await session.scalars(twin.limit(1))).first()) is not None:
        raise AlreadyYours(known)
    count = select(func.count()).select_from(Inverter).where(*living)
    if (await session.execute(count)).scalar_one() >= MOST_INVERTERS:
        raise Enough


async def _note(
    session: AsyncSession, action: Action, inverter: Inverter, account_id: UUID, now: datetime, **details: audit.Detail
) -> None:
    subject, owner_id = audit.inverter(inverter.id), inverter.owner_id
    await audit.record(session, action, subject=subject, actor=account_id, owner_id=owner_id, details=details, now=now)
