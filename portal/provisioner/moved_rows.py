"""What the database knows of owners on the move: whose turn it is, and how the two places change sides.

Each act that others must see whole first takes the registry's version: bridge, portal, erasing and moves follow each
other by its row lock. Nothing here talks to a store.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from portal import audit
from portal.audit import Action
from portal.provisioner import move
from schema import notices
from schema.changes import registry_changed
from schema.models import (
    AuditEntry,
    Inverter,
    InverterMove,
    MoveState,
    MoveWish,
    NoticeKind,
    OwnerMove,
    OwnerPlacement,
    Placement,
)
from schema.models import PlacementState as State

_HOME = ("server", "org_id", "read_authorization_id", "read_token_sealed")
_BOX = (
    "bucket_id",
    "bucket_name",
    "bridge_authorization_id",
    "bridge_token_sealed",
    "external_authorization_id",
    "external_token_sealed",
)


@dataclass(frozen=True, slots=True)
class Pair:
    """An inverter's two places; there is no second one yet where ``second`` is None."""

    first: Placement
    second: InverterMove | None


async def under_way(session: AsyncSession) -> Sequence[UUID]:
    """Owners whose move is not over, or has left a copy; those who leave for good are the erasing's."""
    leaving = exists().where(OwnerPlacement.owner_id == OwnerMove.owner_id, OwnerPlacement.state == State.ERASING)
    open_ = or_(OwnerMove.state.not_in(move.OVER), OwnerMove.org_id != "")
    statement = select(OwnerMove.owner_id).where(open_, ~leaving)
    return (await session.scalars(statement.order_by(OwnerMove.started_at, OwnerMove.owner_id))).all()


async def pairs(session: AsyncSession, owner_id: UUID) -> list[Pair]:
    """Places of the owner's inverters that are ready, deleted ones too until they are erased."""
    statement = (
        select(Placement, InverterMove)
        .join(Inverter, Inverter.id == Placement.inverter_id)
        .outerjoin(InverterMove, InverterMove.inverter_id == Placement.inverter_id)
        .where(Inverter.owner_id == owner_id, Placement.state == State.READY)
        .order_by(Placement.inverter_id)
    )
    return [Pair(first, second) for first, second in (await session.execute(statement)).all()]


async def seconds(session: AsyncSession, owner_id: UUID) -> Sequence[InverterMove]:
    """The second places of the owner's inverters; those of inverters that leave for good are the erasing's."""
    return (await session.scalars(select(InverterMove).where(_seconds(owner_id)))).all()


async def forget(session: AsyncSession, owner_id: UUID, server: str, now: datetime) -> None:
    """Nothing is left of the second place."""
    await session.execute(delete(InverterMove).where(_seconds(owner_id)))
    emptied = {"org_id": "", "read_authorization_id": "", "read_token_sealed": None, "last_error": ""}
    row = update(OwnerMove).where(OwnerMove.owner_id == owner_id, OwnerMove.org_id != "")
    if (await session.execute(row.values(**emptied, wish=MoveWish.NONE).returning(OwnerMove.owner_id))).all():
        await note(session, Action.SECOND_PLACE_REMOVED, owner_id, now, server=server)


def _seconds(owner_id: UUID) -> ColumnElement[bool]:
    mine = select(Placement.inverter_id).join(Inverter, Inverter.id == Placement.inverter_id)
    return InverterMove.inverter_id.in_(mine.where(Inverter.owner_id == owner_id, Placement.state != State.ERASING))


async def hold(session: AsyncSession, owner_id: UUID, now: datetime) -> bool:
    """From now on new readings wait in the spool; false where somebody wants otherwise, or one is being erased."""
    await registry_changed(session, owner_id=owner_id)
    if await _erasing(session, owner_id):
        return False
    row = await session.get(OwnerMove, owner_id)
    home = await session.get(OwnerPlacement, owner_id)
    if not row or not home or not wanted(row) or row.state != MoveState.COPYING or home.state != State.READY:
        return False
    row.state, row.updated_at, row.last_error = MoveState.FINISHING, now, ""
    home.state, home.updated_at = State.MOVING, now
    return True


async def let_go(session: AsyncSession, owner_id: UUID, now: datetime) -> None:
    """The first place is written again."""
    await registry_changed(session, owner_id=owner_id)
    home = update(OwnerPlacement).where(OwnerPlacement.owner_id == owner_id, OwnerPlacement.state == State.MOVING)
    await session.execute(home.values(state=State.READY, updated_at=now))
    row = update(OwnerMove).where(OwnerMove.owner_id == owner_id, OwnerMove.state == MoveState.FINISHING)
    await session.execute(row.values(state=MoveState.COPYING, updated_at=now))


async def switch(session: AsyncSession, owner_id: UUID, compared: Collection[UUID], now: datetime) -> bool:
    """The two places change sides; false where not everything was ``compared``, or somebody wants otherwise."""
    await registry_changed(session, owner_id=owner_id)
    if await _erasing(session, owner_id):
        return False
    row, home = await session.get(OwnerMove, owner_id), await session.get(OwnerPlacement, owner_id)
    if not row or not home or not wanted(row) or row.state != MoveState.FINISHING or home.state != State.MOVING:
        return False
    both = await pairs(session, owner_id)
    whole = [(pair.first, pair.second) for pair in both if pair.second is not None]
    if len(whole) < len(both) or {first.inverter_id for first, _ in whole} != set(compared):
        return False
    old, new = home.server, row.server
    _swapped(home, row, _HOME)
    for first, second in whole:
        _swapped(first, second, _BOX)
        first.updated_at = second.updated_at = now
    home.state, home.updated_at, home.last_error = State.READY, now, ""
    row.state, row.updated_at, row.last_error = MoveState.SWITCHED, now, ""
    await _forget_half_made(session, owner_id)
    await note(session, Action.OWNER_MOVED, owner_id, now, before=old, after=new)
    await _tell_of_outsiders(session, owner_id, now)
    return True


async def call_off(session: AsyncSession, owner_id: UUID, org_id: str, now: datetime) -> None:
    """The first place stays. ``org_id`` is the second one's, also where no row knew it."""
    await registry_changed(session, owner_id=owner_id)
    home = update(OwnerPlacement).where(OwnerPlacement.owner_id == owner_id, OwnerPlacement.state == State.MOVING)
    await session.execute(home.values(state=State.READY, updated_at=now))
    row = update(OwnerMove).where(OwnerMove.owner_id == owner_id, OwnerMove.state.in_(move.BEFORE_SWITCH))
    row = row.values(state=MoveState.CANCELLED, wish=MoveWish.NONE, org_id=org_id, last_error="", updated_at=now)
    if (await session.execute(row.returning(OwnerMove.owner_id))).all():
        await note(session, Action.OWNER_MOVE_CANCELLED, owner_id, now)


async def note(session: AsyncSession, action: Action, owner_id: UUID, now: datetime, **details: audit.Detail) -> None:
    """In the audit log."""
    subject = f"owner:{owner_id}"
    await audit.record(
        session, action, subject=subject, actor=audit.SYSTEM, owner_id=owner_id, details=details, now=now
    )


def wanted(row: OwnerMove | None) -> bool:
    """Whether the move goes on: nobody has called it off."""
    return row is not None and row.wish != MoveWish.CANCEL


async def _erasing(session: AsyncSession, owner_id: UUID) -> bool:
    """Whether one of his inverters is on its way out: whoever erases it knows it by where it lies."""
    statement = select(Placement.inverter_id).join(Inverter, Inverter.id == Placement.inverter_id)
    leaving = statement.where(Inverter.owner_id == owner_id, Placement.state == State.ERASING)
    return (await session.execute(leaving)).first() is not None


async def _tell_of_outsiders(session: AsyncSession, owner_id: UUID, now: datetime) -> None:
    """Programs that have fetched a write token go on writing into the old place: his inverters' notices say so."""
    read = select(AuditEntry.subject).where(AuditEntry.owner_id == owner_id, AuditEntry.action == Action.TOKEN_READ)
    subjects = set(await session.scalars(read.distinct()))
    in_use = select(Inverter.id).where(Inverter.owner_id == owner_id, Inverter.deleted_at.is_(None))
    for inverter_id in (await session.scalars(in_use.order_by(Inverter.id))).all():
        if audit.inverter(inverter_id) in subjects:
            await notices.note(
                session,
                NoticeKind.STORE_MOVED,
                owner_id=owner_id,
                inverter_id=inverter_id,
                now=now,
                details={"days": move.GRACE.days},
            )


async def _forget_half_made(session: AsyncSession, owner_id: UUID) -> None:
    """An inverter whose first place was still being made begins at the new server; nothing was ever in it."""
    mine = select(Inverter.id).where(Inverter.owner_id == owner_id)
    half = update(Placement).where(Placement.inverter_id.in_(mine), Placement.state == State.PENDING)
    emptied: dict[str, object] = {name: None if name.endswith("_sealed") else "" for name in _BOX}
    await session.execute(half.values(**emptied))


def _swapped(one: object, other: object, names: Sequence[str]) -> None:
    for name in names:
        mine, theirs = getattr(one, name), getattr(other, name)
        setattr(one, name, theirs)
        setattr(other, name, mine)
