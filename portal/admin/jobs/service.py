"""Places that are to be made or erased, and the wish to go on with one now. The provisioner alone does both."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, String, cast, func, literal, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.expression import Select

from portal import audit
from portal.admin.jobs.forms import JobSearch, Kind, Order, State
from portal.admin.search import PAGE_SIZE, Found
from portal.audit import Action
from schema.changes import registry_changed
from schema.models import Account, Grant, Inverter, OwnerPlacement, Placement, PlacementState, Role

UNFINISHED = (PlacementState.PENDING, PlacementState.ERASING)
"""What the provisioner still has to do something about."""
_STATES = {State.MAKING: PlacementState.PENDING, State.ERASING: PlacementState.ERASING}


@dataclass(frozen=True, slots=True)
class Job:
    """An organisation (of an owner) or bucket (of an inverter) that is not made yet or, ``erasing``, not gone yet;
    ``last_error`` says why, where something failed. ``since`` is when it came this far.
    """

    kind: Kind
    id: UUID
    erasing: bool
    email: str | None
    last_error: str
    since: datetime


async def listed(session: AsyncSession, search: JobSearch) -> Found[Job]:
    """A page of them; the caller has made sure that an administrator asks."""
    places = union_all(_unfinished(Kind.OWNER), _unfinished(Kind.INVERTER)).subquery()
    columns = places.c
    conditions = []
    if search.q:
        # SQLite keeps ids without hyphens.
        plain = func.replace(cast(columns.id, String), "-", "")
        by_id = plain.icontains(search.q.replace("-", ""), autoescape=True)
        conditions.append(or_(by_id, columns.last_error.icontains(search.q, autoescape=True)))
    if search.state is State.FAILED:
        conditions.append(columns.last_error != "")
    if search.state in _STATES:
        conditions.append(columns.state == _STATES[search.state])
    total = (await session.execute(select(func.count()).select_from(places).where(*conditions))).scalar_one()
    order = columns.since.asc() if search.sort is Order.OLDEST else columns.since.desc()
    rows = select(places).where(*conditions).order_by(order, columns.id).limit(PAGE_SIZE).offset(search.offset)
    found = (await session.execute(rows)).mappings()
    return Found([_job(row) for row in found], total)


async def retry(session: AsyncSession, kind: Kind, place_id: UUID, *, by: UUID, now: datetime) -> bool:
    """Ask the provisioner to go on now instead of after its pause; false where nothing is to be done by this id.

    An emptied error is what tells it so.
    """
    table: Any = OwnerPlacement if kind is Kind.OWNER else Placement
    place = await session.get(table, place_id, with_for_update=True)
    if place is None or place.state not in UNFINISHED:
        return False
    before, place.last_error = place.last_error, ""
    inverter = await session.get(Inverter, place_id) if kind is Kind.INVERTER else None
    owner_id = inverter.owner_id if inverter else place_id
    if inverter:
        await registry_changed(session, inverter_id=place_id)
    else:
        await registry_changed(session, owner_id=place_id)
    await audit.record(
        session,
        Action.PROVISIONING_RETRIED,
        subject=f"{kind.value}:{place_id}",
        actor=by,
        owner_id=owner_id,
        details={"error": before},
        now=now,
    )
    return True


def _job(row: RowMapping) -> Job:
    erasing = row["state"] == PlacementState.ERASING
    return Job(Kind(row["kind"]), row["id"], erasing, row["email"], row["last_error"], row["since"])


def _unfinished(kind: Kind) -> Select[Any]:
    """Kind, id, state, one owner's address, error and time of every place of a kind that is not as it should be."""
    table: Any = OwnerPlacement if kind is Kind.OWNER else Placement
    key = table.owner_id if kind is Kind.OWNER else table.inverter_id
    owner = table.owner_id if kind is Kind.OWNER else Inverter.owner_id
    email = (
        select(func.min(Account.email))
        .join(Grant, Grant.account_id == Account.id)
        .where(Grant.owner_id == owner, Grant.role == Role.OWNER)
        .scalar_subquery()
    )
    columns = (
        literal(kind.value, String).label("kind"),
        key.label("id"),
        table.state.label("state"),
        email.label("email"),
        table.last_error.label("last_error"),
        table.updated_at.label("since"),
    )
    statement = select(*columns).where(table.state.in_(UNFINISHED))
    return statement if kind is Kind.OWNER else statement.join(Inverter, Inverter.id == Placement.inverter_id)
