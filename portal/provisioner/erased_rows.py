"""What the database knows of inverters and owners that leave for good: which are due, and how their rows go.

Each act first takes the registry's version: its row lock makes it and whoever brings an inverter back, adds one or
gives somebody a grant follow each other. Nothing here talks to a store.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Select, delete, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from portal import audit
from portal.audit import Action
from portal.provisioner import erasure
from portal.provisioner.attempts import NotYet
from schema.changes import registry_changed
from schema.models import (
    DeadLetterRequest,
    Feed,
    FoundDevice,
    Grant,
    Inverter,
    InverterMove,
    Invitation,
    LetterAction,
    Login,
    Notice,
    Owner,
    OwnerMove,
    OwnerPlacement,
    Placement,
    PlacementState,
    RequestSource,
    RequestState,
)

SECOND_PLACE = "Its second place, on the server that its owner moves to or comes from, is not erased yet."

Here = Callable[[ColumnElement[str]], ColumnElement[bool]]
"""Whether a server's address is one that the asker looks after."""

_home = func.coalesce(OwnerPlacement.server, "")
_alone = ~exists().where(Inverter.owner_id == Owner.id) & ~exists().where(Grant.owner_id == Owner.id)


def at(server: str) -> Here:
    """Homes on one server."""
    return lambda column: column == server


def not_at(servers: Collection[str]) -> Here:
    """Homes on none of these, or nowhere."""
    return lambda column: column.not_in(servers)


def _due(now: datetime) -> ColumnElement[bool]:
    return Inverter.deleted_at.is_not(None) & (Inverter.erase_after <= now)


def _begun(place: type[Placement] | type[OwnerPlacement]) -> ColumnElement[bool]:
    return func.coalesce(place.state, "") == PlacementState.ERASING


def _inverters(here: Here) -> Select[UUID]:
    return (
        select(Inverter.id)
        .outerjoin(Placement, Placement.inverter_id == Inverter.id)
        .outerjoin(OwnerPlacement, OwnerPlacement.owner_id == Inverter.owner_id)
        .where(here(_home))
        .order_by(Inverter.erase_after, Inverter.id)
    )


async def due_inverters(session: AsyncSession, here: Here, now: datetime) -> Sequence[UUID]:
    """Those whose grace is over and whose erasing has not begun."""
    return (await session.scalars(_inverters(here).where(_due(now), ~_begun(Placement)))).all()


async def leaving_inverters(session: AsyncSession, here: Here) -> Sequence[UUID]:
    """Those whose erasing has begun."""
    return (await session.scalars(_inverters(here).where(_begun(Placement)))).all()


async def next_due(session: AsyncSession, here: Here, now: datetime) -> datetime | None:
    """When the next grace is over."""
    graces = _inverters(here).where(Inverter.deleted_at.is_not(None), Inverter.erase_after > now)
    return (await session.scalars(graces.with_only_columns(Inverter.erase_after).limit(1))).first()


async def lonely_owners(session: AsyncSession, here: Here) -> Sequence[UUID]:
    """Owners without an inverter and without anybody who may act for them, whose erasing has not begun."""
    statement = select(Owner.id).outerjoin(OwnerPlacement, OwnerPlacement.owner_id == Owner.id)
    return (await session.scalars(statement.where(here(_home), _alone, ~_begun(OwnerPlacement)))).all()


async def leaving_owners(session: AsyncSession, here: Here) -> Sequence[UUID]:
    """Those whose erasing has begun."""
    statement = select(OwnerPlacement.owner_id).where(here(_home), _begun(OwnerPlacement))
    return (await session.scalars(statement)).all()


async def leaving_guests(session: AsyncSession, here: Here) -> tuple[Sequence[UUID], Sequence[UUID]]:
    """Inverters and owners that leave and have a second place here, because their owner moves."""
    other = here(OwnerMove.server.expression)
    inverters = (
        select(InverterMove.inverter_id)
        .join(Placement, Placement.inverter_id == InverterMove.inverter_id)
        .join(Inverter, Inverter.id == InverterMove.inverter_id)
        .join(OwnerMove, OwnerMove.owner_id == Inverter.owner_id)
        .where(other, _begun(Placement))
    )
    owners = select(OwnerMove.owner_id).join(OwnerPlacement, OwnerPlacement.owner_id == OwnerMove.owner_id)
    owners = owners.where(other, _begun(OwnerPlacement))
    return (await session.scalars(inverters)).all(), (await session.scalars(owners)).all()


async def begin_inverter(session: AsyncSession, inverter_id: UUID, now: datetime) -> bool:
    """From now on nobody can bring it back; false where somebody has done so meanwhile."""
    await registry_changed(session, inverter_id=inverter_id)
    if (await session.execute(select(Inverter.id).where(Inverter.id == inverter_id, _due(now)))).first() is None:
        return False
    place = await session.get(Placement, inverter_id)
    if place is None:
        place = Placement(inverter_id=inverter_id)
        session.add(place)
    place.state, place.last_error, place.updated_at = PlacementState.ERASING, "", now
    return True


async def begin_owner(session: AsyncSession, owner_id: UUID, now: datetime) -> bool:
    """From now on nobody can be given a grant; false where somebody has one, or an inverter was added meanwhile."""
    await registry_changed(session, owner_id=owner_id)
    if not await _is_alone(session, owner_id):
        return False
    await session.execute(delete(Invitation).where(Invitation.owner_id == owner_id))
    home = await session.get(OwnerPlacement, owner_id)
    if home is None:
        home = OwnerPlacement(owner_id=owner_id)
        session.add(home)
    home.state, home.last_error, home.updated_at = PlacementState.ERASING, "", now
    return True


async def letters_are_gone(session: AsyncSession, inverter_id: UUID) -> bool:
    """Whether the bridge has done what ``ask_bridge`` asked for."""
    done = await session.scalars(_asked(inverter_id).where(DeadLetterRequest.state == RequestState.DONE))
    return done.first() is not None


async def ask_bridge(session: AsyncSession, inverter_id: UUID, now: datetime) -> None:
    """Ask the bridge once to drop for good what it has set aside of the inverter and of logins that were its alone."""
    under_way = DeadLetterRequest.state.in_((RequestState.WAITING, RequestState.RUNNING))
    if (await session.scalars(_asked(inverter_id).where(under_way))).first() is not None:
        return
    for login in await own_logins(session, inverter_id):
        session.add(_wish(now, login=login))
    # Requests are carried out in their order: when this one is done they all are.
    session.add(_wish(now + timedelta(milliseconds=1), inverter_id=inverter_id))


async def erase_inverter(session: AsyncSession, inverter_id: UUID, now: datetime) -> None:
    """The last step: its rows and whatever points at them. Its logins stay, revoked and without a name.

    Raises ``NotYet`` where something of it is still in a store.
    """
    version = await registry_changed(session, inverter_id=inverter_id)
    inverter, place = await session.get(Inverter, inverter_id), await session.get(Placement, inverter_id)
    if inverter is None or place is None:
        return
    if erasure.next_bucket_step(place) is not None or await session.get(InverterMove, inverter_id) is not None:
        raise NotYet(SECOND_PLACE)
    logins = await own_logins(session, inverter_id)
    own = Login.name.in_(logins)
    living = update(Login).where(own, Login.revoked_at.is_(None))
    await session.execute(living.values(revoked_at=now, registry_version=version))
    await session.execute(update(Login).where(own).values(label="", made_by=None))
    await session.execute(delete(FoundDevice).where(FoundDevice.login.in_(logins)))
    await session.execute(delete(Notice).where(Notice.login.in_(logins)))
    # Place, feeds, aliases, former serials, dead letters and the like go with it (ON DELETE CASCADE).
    await session.execute(delete(Inverter).where(Inverter.id == inverter_id))
    subject, owner_id = audit.inverter(inverter_id), inverter.owner_id
    details = {"logins": logins}
    await audit.record(
        session,
        Action.INVERTER_ERASED,
        subject=subject,
        actor=audit.SYSTEM,
        owner_id=owner_id,
        details=details,
        now=now,
    )


async def erase_owner(session: AsyncSession, owner_id: UUID, now: datetime) -> None:
    """The last step of an owner; one who is somebody's again gets a new place instead.

    Raises ``NotYet`` where something of him is still in a store.
    """
    await registry_changed(session, owner_id=owner_id)
    home = await session.get(OwnerPlacement, owner_id)
    if home is None:
        return
    if not await _is_alone(session, owner_id):
        home.state, home.updated_at = PlacementState.PENDING, now
        return
    if erasure.next_organisation_step(home) is not None or await session.get(OwnerMove, owner_id) is not None:
        raise NotYet(SECOND_PLACE)
    await session.execute(delete(Owner).where(Owner.id == owner_id))
    subject = f"owner:{owner_id}"
    await audit.record(session, Action.OWNER_ERASED, subject=subject, actor=audit.SYSTEM, owner_id=owner_id, now=now)


async def _is_alone(session: AsyncSession, owner_id: UUID) -> bool:
    return (await session.execute(select(Owner.id).where(Owner.id == owner_id, _alone))).first() is not None


async def own_logins(session: AsyncSession, inverter_id: UUID) -> list[str]:
    """Logins that speak of nothing else, and never will: another inverter's stays as it is."""
    mine, theirs = aliased(Feed), aliased(Feed)
    others = select(theirs.login).where(theirs.inverter_id != inverter_id)
    statement = select(mine.login).where(mine.inverter_id == inverter_id, mine.login.not_in(others)).distinct()
    return sorted((await session.scalars(statement)).all())


def _asked(inverter_id: UUID) -> Select[UUID]:
    return select(DeadLetterRequest.id).where(
        DeadLetterRequest.inverter_id == inverter_id,
        DeadLetterRequest.source == RequestSource.SYSTEM,
        DeadLetterRequest.action == LetterAction.PURGE,
    )


def _wish(now: datetime, *, login: str = "", inverter_id: UUID | None = None) -> DeadLetterRequest:
    return DeadLetterRequest(
        id=uuid4(),
        action=LetterAction.PURGE,
        login=login,
        inverter_id=inverter_id,
        source=RequestSource.SYSTEM,
        requested_at=now,
    )
