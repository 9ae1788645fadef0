"""Serials that several claim: the list, and the evidence about one of them.

A serial identifies and never proves (DESIGN 4.1): of two who claim one, both go on seeing their own watts; only who may
be found by the serial is open until an administrator decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from portal.accounts.forms import email_key
from portal.admin.claims.evidence import TOTAL_ENERGY, Person, Side
from portal.admin.claims.forms import ClaimSearch, Order, State
from portal.admin.search import PAGE_SIZE, Found, Search
from schema import live
from schema.models import Account, ClaimState, Feed, Grant, Inverter, LiveRow, Login, Role, SerialAlias

SPOKEN = (ClaimState.ACTIVE, ClaimState.DISPUTED, ClaimState.RELEASED)
"""States of a feed that has spoken: before that a claim is only words."""

_STATES = {State.OPEN: ClaimState.DISPUTED, State.SETTLED: ClaimState.RELEASED}


@dataclass(frozen=True, slots=True)
class Contested:
    """A serial in the list. ``claimants`` are inverters, the holder not counted; ``since`` the youngest one's."""

    serial: str
    holder: str
    claimants: int
    since: datetime


async def listed(session: AsyncSession, search: ClaimSearch) -> Found[Contested]:
    """A page of serials; the caller has made sure that an administrator asks."""
    claims = select(Feed.id).where(Feed.inverter_id == Inverter.id, Feed.claim_state == _STATES[search.state]).exists()
    conditions: list[ColumnElement[bool]] = [Inverter.deleted_at.is_(None), Inverter.given_away_at.is_(None), claims]
    if search.q:
        # Whoever holds it may be looked for as well as whoever claims it.
        of_people = (
            select(Inverter.serial)
            .join(Grant, Grant.owner_id == Inverter.owner_id)
            .join(Account, Account.id == Grant.account_id)
            .where(Grant.role == Role.OWNER, Account.email_key.contains(email_key(search.q), autoescape=True))
        )
        by_serial = Inverter.serial.icontains(search.q, autoescape=True)
        conditions.append(or_(by_serial, Inverter.serial.in_(of_people)))
    youngest = func.max(Inverter.created_at)
    serials = (
        select(Inverter.serial, func.count().label("claimants"), youngest.label("since"))
        .where(*conditions)
        .group_by(Inverter.serial)
    )
    total = (await session.execute(select(func.count()).select_from(serials.subquery()))).scalar_one()
    order: ColumnElement[Any] = youngest.desc() if search.sort is Order.NEWEST else Inverter.serial.asc()
    rows = (
        await session.execute(serials.order_by(order, Inverter.serial).limit(PAGE_SIZE).offset(search.offset))
    ).all()
    holders = await _holders(session, [row.serial for row in rows])
    return Found([Contested(row.serial, holders.get(row.serial, ""), row.claimants, row.since) for row in rows], total)


async def sides(session: AsyncSession, live_engine: AsyncEngine, serial: str, search: Search) -> Found[Side]:
    """A page of those whose inverter has spoken under this serial, the first one first; none where there is no
    question.
    """
    spoken = _spoken(serial)
    contested = select(Feed.id).join(Inverter, Inverter.id == Feed.inverter_id).where(*spoken)
    if (await session.scalars(contested.where(Feed.claim_state != ClaimState.ACTIVE).limit(1))).first() is None:
        return Found((), 0)
    proved = func.min(Feed.activated_at)
    ids = select(Inverter.id).join(Feed, Feed.inverter_id == Inverter.id).where(*spoken).group_by(Inverter.id)
    total = (await session.execute(select(func.count()).select_from(ids.subquery()))).scalar_one()
    order = ids.order_by(proved.is_(None), func.coalesce(proved, Inverter.created_at), Inverter.id)
    chosen = (await session.scalars(order.limit(PAGE_SIZE).offset(search.offset))).all()
    inverters = {inverter.id: (inverter, states) for inverter, states in await claimants(session, serial, chosen)}
    rows = await live.of(live_engine, chosen)
    return Found([await _side(session, *inverters[one], rows.get(one)) for one in chosen if one in inverters], total)


async def claimants(
    session: AsyncSession, serial: str, among: Sequence[UUID] | None = None
) -> Sequence[tuple[Inverter, Sequence[ClaimState]]]:
    """Inverters under this serial that are in use and have spoken, each with its feeds' states; only some, or all."""
    statement = (
        select(Inverter, Feed.claim_state)
        .join(Feed, Feed.inverter_id == Inverter.id)
        .where(*_spoken(serial))
        .order_by(Inverter.created_at, Inverter.id)
        .execution_options(populate_existing=True)
    )
    if among is not None:
        statement = statement.where(Inverter.id.in_(among))
    found: dict[UUID, tuple[Inverter, list[ClaimState]]] = {}
    for inverter, state in await session.execute(statement):
        found.setdefault(inverter.id, (inverter, []))[1].append(ClaimState(state))
    return list(found.values())


async def people(session: AsyncSession, owner_id: UUID) -> Sequence[Person]:
    """Everybody who is an owner there; of a site that nobody owns yet, whoever installs it."""
    installs = and_(Grant.role == Role.INSTALLER, Account.is_installer.is_(True))
    statement = (
        select(Account.id, Account.email, Account.language, Grant.role)
        .join(Grant, Grant.account_id == Account.id)
        .where(Grant.owner_id == owner_id, or_(Grant.role == Role.OWNER, installs))
        .order_by(Account.email_key)
    )
    rows = (await session.execute(statement)).all()
    owners = [row for row in rows if row.role == Role.OWNER]
    return [Person(row.id, row.email, row.language) for row in owners or rows]


def _spoken(serial: str) -> Sequence[ColumnElement[bool]]:
    return (
        Inverter.serial == serial,
        Inverter.deleted_at.is_(None),
        Inverter.given_away_at.is_(None),
        Feed.claim_state.in_(SPOKEN),
    )


async def _side(session: AsyncSession, inverter: Inverter, states: Sequence[ClaimState], row: LiveRow | None) -> Side:
    feeds = (await session.scalars(select(Feed).where(Feed.inverter_id == inverter.id))).all()
    living = select(Login.name).where(Login.name.in_([feed.login for feed in feeds]), Login.revoked_at.is_(None))
    aliases = select(SerialAlias.serial).where(SerialAlias.inverter_id == inverter.id).order_by(SerialAlias.serial)
    proved = [feed.activated_at for feed in feeds if feed.activated_at is not None]
    counter = row.values.get(TOTAL_ENERGY) if row else None
    return Side(
        inverter_id=inverter.id,
        owner_id=inverter.owner_id,
        name=inverter.name,
        people=await people(session, inverter.owner_id),
        holds=inverter.active_serial is not None,
        states=states,
        logins=(await session.scalars(living.order_by(Login.name))).all(),
        added_at=inverter.created_at,
        first_active_at=min(proved, default=None),
        seen_at=row.seen_at if row else None,
        counter_kwh=counter,
        counted_at=row.reading_at if row and counter is not None else None,
        serials=(await session.scalars(aliases)).all(),
        devices=sorted({feed.device_key for feed in feeds if feed.device_key}),
    )


async def _holders(session: AsyncSession, serials: Sequence[str]) -> dict[str, str]:
    statement = (
        select(Inverter.active_serial, func.min(Account.email))
        .join(Grant, Grant.owner_id == Inverter.owner_id)
        .join(Account, Account.id == Grant.account_id)
        .where(Inverter.active_serial.in_(serials), Grant.role == Role.OWNER)
        .group_by(Inverter.active_serial)
    )
    return {serial: email for serial, email in await session.execute(statement) if serial is not None}
