"""The inverters an account may see, with their owner's time zone and where their readings lie. The only SQL here."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from portal.dashboard.days import zone_named
from portal.dashboard.history import Device
from portal.inverters.grants import owned_by, visible_to
from schema.models import (
    FormerSerial,
    Inverter,
    LoginSession,
    Owner,
    OwnerPlacement,
    Placement,
    PlacementState,
    SerialEnd,
)
from schema.sealing import CannotUnseal, Sealer
from schema.timeseries.port import Source


@dataclass(frozen=True, slots=True)
class Station:
    """One visible inverter. ``source`` is None while its place is not ready, or its token cannot be opened; ``mine``
    says that the account may change it, not only look. One that was given away has only its past.
    """

    id: UUID
    name: str
    serial: str
    zone: ZoneInfo
    device: Device
    given_away_at: datetime | None
    mine: bool
    source: Source | None = field(repr=False)


async def visible(session: AsyncSession, account_id: UUID, now: datetime, sealer: Sealer) -> Sequence[Station]:
    """All inverters the account may see at ``now``, by name."""
    wanted = _with_places(account_id, now).order_by(Inverter.name, Inverter.id)
    rows = (await session.execute(wanted)).all()
    replaced = await _replaced(session, visible_to(account_id, now))
    return [_station(*row, sealer=sealer, replaced=replaced) for row in rows]


async def one_visible(
    session: AsyncSession, account_id: UUID, inverter_id: UUID, now: datetime, sealer: Sealer
) -> Station | None:
    """One inverter, or None where there is none or it is none of the account's business."""
    wanted = _with_places(account_id, now).where(Inverter.id == inverter_id)
    row = (await session.execute(wanted)).one_or_none()
    if row is None:
        return None
    return _station(*row, sealer=sealer, replaced=await _replaced(session, Inverter.id == inverter_id))


async def _replaced(session: AsyncSession, which: ColumnElement[bool]) -> dict[UUID, list[datetime]]:
    """When devices of these inverters were replaced, the earliest first."""
    statement = (
        select(FormerSerial.inverter_id, FormerSerial.ended_at)
        .join(Inverter, Inverter.id == FormerSerial.inverter_id)
        .where(which, FormerSerial.why == SerialEnd.REPLACED)
        .order_by(FormerSerial.ended_at)
    )
    found: dict[UUID, list[datetime]] = {}
    for inverter_id, ended_at in await session.execute(statement):
        found.setdefault(inverter_id, []).append(ended_at)
    return found


@dataclass(frozen=True, slots=True)
class Sight:
    """What an open stream may show at this moment: names and zones by inverter, and when one was given away."""

    names: dict[UUID, str]
    zones: dict[UUID, ZoneInfo]
    given_away: dict[UUID, datetime]


async def sight_of(
    session: AsyncSession, account_id: UUID, session_id: UUID, now: datetime, only: Collection[UUID] = ()
) -> Sight | None:
    """What the signed-in device may see now, or ``only`` these of it; None where its session is over, whatever its
    cookie says.
    """
    alive = select(LoginSession.id).where(
        LoginSession.id == session_id, LoginSession.account_id == account_id, LoginSession.expires_at > now
    )
    if (await session.execute(alive)).first() is None:
        return None
    mine = select(Inverter.id, Inverter.name, Owner.time_zone, Inverter.given_away_at)
    mine = mine.join(Owner, Owner.id == Inverter.owner_id).where(visible_to(account_id, now))
    if only:
        mine = mine.where(Inverter.id.in_(only))
    rows = (await session.execute(mine)).all()
    return Sight(
        {row.id: row.name for row in rows},
        {row.id: zone_named(row.time_zone) for row in rows},
        {row.id: row.given_away_at for row in rows if row.given_away_at is not None},
    )


def _with_places(
    account_id: UUID, now: datetime
) -> Select[Inverter, Owner, Placement | None, OwnerPlacement | None, bool]:
    return (
        select(Inverter, Owner, Placement, OwnerPlacement, owned_by(account_id, now))
        .join(Owner, Owner.id == Inverter.owner_id)
        .outerjoin(Placement, Placement.inverter_id == Inverter.id)
        .outerjoin(OwnerPlacement, OwnerPlacement.owner_id == Inverter.owner_id)
        .where(visible_to(account_id, now))
    )


def _station(
    inverter: Inverter,
    owner: Owner,
    placement: Placement | None,
    home: OwnerPlacement | None,
    mine: bool,  # noqa: FBT001  # the last column of the row
    *,
    sealer: Sealer,
    replaced: dict[UUID, list[datetime]],
) -> Station:
    return Station(
        id=inverter.id,
        name=inverter.name,
        serial=inverter.serial,
        zone=zone_named(owner.time_zone),
        device=Device(inverter.rated_power_w, replaced.get(inverter.id, ())),
        given_away_at=inverter.given_away_at,
        mine=mine,
        source=source_of(inverter, placement, home, sealer),
    )


def source_of(
    inverter: Inverter, placement: Placement | None, home: OwnerPlacement | None, sealer: Sealer
) -> Source | None:
    """Where to read; the embedded store needs no token, an owner's organisation needs the owner's."""
    if placement is None or placement.state != PlacementState.READY:
        return None
    if home is None or not home.server:
        return Source(inverter.owner_id, inverter.id)
    # An owner who moves is read where he was until the very switch.
    if home.state not in (PlacementState.READY, PlacementState.MOVING) or home.read_token_sealed is None:
        return None
    try:
        token = sealer.open(home.read_token_sealed, row=f"owner:{inverter.owner_id}:read")
    except CannotUnseal:
        return None
    return Source(inverter.owner_id, inverter.id, home.server, home.org_id, placement.bucket_name, token)
