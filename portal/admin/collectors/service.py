"""Collectors as an administrator finds them: never a key or its hash."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from portal.admin.collectors.forms import CollectorSearch, Order, State
from portal.admin.search import PAGE_SIZE, Found
from portal.audit import Action
from portal.audit_log import reading
from portal.audit_log.reading import Entry, Wanted
from schema.models import Account, Collector, CollectorSerial

ALARMS_SHOWN_FOR = timedelta(days=30)

_ORDERS: dict[Order, tuple[ColumnElement[Any], ...]] = {
    Order.NAME: (func.lower(Collector.name),),
    Order.NEWEST: (Collector.created_at.desc(),),
    # Where nothing was used the databases disagree on which side of a date that is.
    Order.USED: (Collector.last_used_at.is_(None), Collector.last_used_at.desc()),
}


class Standing(StrEnum):
    """How it is with an identity."""

    WORKS = "works"
    STOPPED = "stopped"
    RAN_OUT = "ran out"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Known:
    """A collector in the list. ``inverters`` are those it has asked for and got an answer, ``missed`` other serials."""

    id: UUID
    name: str
    hint: str
    networks: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    last_from: str
    refused_at: datetime | None
    refused_from: str
    stopped_at: datetime | None
    fleet_until: datetime | None
    former_until: datetime | None
    former_used_at: datetime | None
    revoked_at: datetime | None
    inverters: int
    missed: int
    standing: Standing


@dataclass(frozen=True, slots=True)
class Detail:
    """Everything an administrator sees of one collector. ``made_by`` is an address, empty where a command made it."""

    known: Known
    made_by: str
    alarms: Sequence[Entry]


def _asked(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
    mine = CollectorSerial.collector_id == Collector.id
    return select(func.count()).select_from(CollectorSerial).where(mine, *conditions).scalar_subquery()


_COLUMNS = (
    Collector.id, Collector.name, Collector.hint, Collector.networks, Collector.created_at, Collector.expires_at,
    Collector.last_used_at, Collector.last_from, Collector.refused_at, Collector.refused_from, Collector.stopped_at,
    Collector.fleet_until, Collector.former_until, Collector.former_used_at, Collector.revoked_at,
    _asked(CollectorSerial.inverter_id.is_not(None)).label("inverters"),
    _asked(CollectorSerial.inverter_id.is_(None)).label("missed"),
)  # fmt: skip


async def listed(session: AsyncSession, search: CollectorSearch, *, now: datetime) -> Found[Known]:
    """A page of collectors; the caller has made sure that an administrator asks."""
    conditions = _conditions(search, now)
    total = (await session.execute(select(func.count()).select_from(Collector).where(*conditions))).scalar_one()
    rows = (
        select(*_COLUMNS)
        .where(*conditions)
        .order_by(*_ORDERS[search.sort], Collector.id)
        .limit(PAGE_SIZE)
        .offset(search.offset)
    )
    return Found([_known(row, now) for row in (await session.execute(rows)).mappings()], total)


async def detail(session: AsyncSession, collector_id: UUID, *, now: datetime) -> Detail | None:
    """One collector; the caller has made sure that an administrator asks."""
    statement = (
        select(*_COLUMNS, Account.email.label("made_by"))
        .outerjoin(Account, Account.id == Collector.made_by)
        .where(Collector.id == collector_id)
    )
    row = (await session.execute(statement)).mappings().one_or_none()
    if row is None:
        return None
    wanted = Wanted(action=Action.COLLECTOR_SWEEP, subject=str(collector_id))
    return Detail(_known(row, now), row["made_by"] or "", (await reading.found(session, wanted)).entries)


async def alarms(session: AsyncSession, *, now: datetime) -> Sequence[Entry]:
    """Alarms of the last month, the newest first: of collectors, and of administrators' own programs."""
    wanted = Wanted(action=Action.COLLECTOR_SWEEP, since=now - ALARMS_SHOWN_FOR)
    return (await reading.found(session, wanted)).entries


def stopped() -> ColumnElement[bool]:
    """Collectors that somebody has to decide about."""
    return and_(Collector.stopped_at.is_not(None), Collector.revoked_at.is_(None))


def _conditions(search: CollectorSearch, now: datetime) -> list[ColumnElement[bool]]:
    living = and_(Collector.revoked_at.is_(None), Collector.expires_at > now)
    states: dict[State, ColumnElement[bool]] = {
        State.LIVING: living,
        State.STOPPED: stopped(),
        State.UNUSED: and_(living, Collector.last_used_at.is_(None)),
        State.ENDED: ~living,
    }
    conditions = [states[search.state]] if search.state in states else []
    if search.q:
        by_name = Collector.name.icontains(search.q, autoescape=True)
        # A whole key is found by its beginning; nobody should have to paste one here, but somebody will.
        conditions.append(or_(by_name, Collector.hint == search.q[:10]))
    return conditions


def _known(row: Any, now: datetime) -> Known:
    told = {name: row[name] for name in Known.__dataclass_fields__ if name != "standing"}
    return Known(**told, standing=_standing(row, now))


def _standing(row: Any, now: datetime) -> Standing:
    if row["revoked_at"] is not None and row["revoked_at"] < row["expires_at"]:
        return Standing.REVOKED
    if row["expires_at"] <= now:
        return Standing.RAN_OUT
    return Standing.STOPPED if row["stopped_at"] is not None else Standing.WORKS
