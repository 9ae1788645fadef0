"""Inverters of all owners, for an administrator. No readings: what people use and make is theirs alone.

When an inverter was last heard is told, for without it nobody can be helped; what it said is not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from portal.accounts.forms import email_key
from portal.admin.inverters.forms import InverterSearch, Order, State
from portal.admin.search import PAGE_SIZE, Found
from schema import live
from schema.models import (
    Account,
    ClaimState,
    Feed,
    Grant,
    Inverter,
    Login,
    OwnerPlacement,
    Placement,
    PlacementState,
    Role,
)

_ORDERS: dict[Order, ColumnElement[Any]] = {
    Order.NEWEST: Inverter.created_at.desc(),
    Order.OLDEST: Inverter.created_at.asc(),
    Order.NAME: func.lower(Inverter.name).asc(),
    Order.SERIAL: Inverter.serial.asc(),
}


@dataclass(frozen=True, slots=True)
class Person:
    """An owner of the inverter."""

    account_id: UUID
    email: str


@dataclass(frozen=True, slots=True)
class Seen:
    """An inverter in the list. ``proved``: it holds its serial; ``disputed``: others claim it or it claims theirs."""

    id: UUID
    name: str
    serial: str
    proved: bool
    disputed: bool
    ready: bool
    last_error: str
    created_at: datetime
    seen_at: datetime | None
    people: Sequence[Person]
    logins: Sequence[str]


_disputing = select(Feed.id).where(Feed.inverter_id == Inverter.id, Feed.claim_state == ClaimState.DISPUTED).exists()


async def listed(session: AsyncSession, live_engine: AsyncEngine, search: InverterSearch) -> Found[Seen]:
    """A page of inverters, deleted ones left out; the caller has made sure that an administrator asks."""
    conditions = _conditions(search)
    there = OwnerPlacement.state.in_((PlacementState.READY, PlacementState.MOVING))
    ready = (Placement.state == PlacementState.READY) & there
    joined = (
        select(Inverter, ready.label("ready"), Placement.last_error, _disputing.label("disputed"))
        .outerjoin(Placement, Placement.inverter_id == Inverter.id)
        .outerjoin(OwnerPlacement, OwnerPlacement.owner_id == Inverter.owner_id)
        .where(*conditions)
    )
    total = (await session.execute(select(func.count()).select_from(joined.subquery()))).scalar_one()
    wanted = joined.order_by(_ORDERS[search.sort], Inverter.id).limit(PAGE_SIZE).offset(search.offset)
    rows = (await session.execute(wanted)).all()
    people = await _people(session, {row.Inverter.owner_id for row in rows})
    ids = [row.Inverter.id for row in rows]
    logins, heard = await _logins(session, ids), await live.of(live_engine, ids)
    return Found(
        [
            Seen(
                id=row.Inverter.id,
                name=row.Inverter.name,
                serial=row.Inverter.serial,
                proved=row.Inverter.active_serial is not None,
                disputed=bool(row.disputed),
                ready=bool(row.ready),
                last_error=row.last_error or "",
                created_at=row.Inverter.created_at,
                seen_at=heard[row.Inverter.id].seen_at if row.Inverter.id in heard else None,
                people=people.get(row.Inverter.owner_id, ()),
                logins=logins.get(row.Inverter.id, ()),
            )
            for row in rows
        ],
        total,
    )


def _conditions(search: InverterSearch) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [Inverter.deleted_at.is_(None)]
    if search.q:
        of_people = (
            select(Grant.owner_id)
            .join(Account, Account.id == Grant.account_id)
            .where(Grant.role == Role.OWNER, Account.email_key.contains(email_key(search.q), autoescape=True))
        )
        by_login = select(Feed.inverter_id).where(Feed.login == search.q.upper())
        conditions.append(
            or_(
                Inverter.serial.icontains(search.q, autoescape=True),
                Inverter.name.icontains(search.q, autoescape=True),
                Inverter.owner_id.in_(of_people),
                Inverter.id.in_(by_login),
            )
        )
    states: dict[State, ColumnElement[bool]] = {
        State.UNPROVED: Inverter.active_serial.is_(None),
        State.DISPUTED: _disputing,
        State.PENDING: or_(Placement.state == PlacementState.PENDING, OwnerPlacement.state == PlacementState.PENDING),
    }
    if search.state is not State.ANY:
        conditions.append(states[search.state])
    return conditions


async def _people(session: AsyncSession, owners: set[UUID]) -> dict[UUID, list[Person]]:
    statement = (
        select(Grant.owner_id, Account.id, Account.email)
        .join(Account, Account.id == Grant.account_id)
        .where(Grant.owner_id.in_(owners), Grant.role == Role.OWNER)
        .order_by(Account.email_key)
    )
    found: dict[UUID, list[Person]] = {}
    for owner_id, account_id, email in await session.execute(statement):
        found.setdefault(owner_id, []).append(Person(account_id, email))
    return found


async def _logins(session: AsyncSession, inverters: Sequence[UUID]) -> dict[UUID, list[str]]:
    statement = (
        select(Feed.inverter_id, Feed.login)
        .join(Login, Login.name == Feed.login)
        .where(Feed.inverter_id.in_(inverters), Login.revoked_at.is_(None))
        .order_by(Login.created_at, Login.name)
    )
    found: dict[UUID, list[str]] = {}
    for inverter_id, login in await session.execute(statement):
        found.setdefault(inverter_id, []).append(login)
    return found
