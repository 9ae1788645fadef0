"""How full the InfluxDB servers are and what an operator should do about it; and owners who move. No HTTP, no InfluxDB:
the provisioner keeps the figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from portal.capacity import NEARLY_FULL, open_files, used_buckets
from schema.models import (
    Account,
    Grant,
    Inverter,
    InverterMove,
    MoveState,
    OwnerMove,
    OwnerPlacement,
    Role,
    StoreServer,
)

PACE = timedelta(days=30)
"""New inverters of so long say how soon the room is gone."""
STALE = timedelta(minutes=15)
"""Older figures mean that the provisioner does not run."""
_MOST_MOVES = 50
_UNDER_WAY = (MoveState.PREPARING, MoveState.COPYING, MoveState.FINISHING, MoveState.SWITCHED)


class Trouble(StrEnum):
    """Why a server needs somebody."""

    SILENT = "silent"
    STALE = "stale"
    FULL = "full"
    NEARLY_FULL = "nearly_full"
    FILES = "files"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class Server:
    """``used`` buckets are there or about to be, of ``capacity``. ``buckets`` and ``shards`` are its own counts,
    ``files`` the descriptors that follow from those. None is what nobody has said.
    """

    url: str
    open: bool
    version: str
    used: int
    capacity: int
    buckets: int
    shards: int | None
    files: int | None
    files_limit: int
    memory_bytes: int | None
    memory_limit_bytes: int | None
    checked_at: datetime | None
    last_error: str

    @property
    def left(self) -> int:
        """How many more buckets it is meant for."""
        return max(0, self.capacity - self.used)

    @property
    def share(self) -> float:
        """How much of what it is meant for is used; more than 1 where it has more."""
        return self.used / self.capacity if self.capacity else 1.0

    def troubles(self, now: datetime) -> Sequence[Trouble]:
        """What an operator should look at, the most urgent first."""
        reasons = {
            Trouble.SILENT: bool(self.last_error),
            Trouble.STALE: not self.last_error and (self.checked_at is None or now - self.checked_at > STALE),
            Trouble.FULL: self.share >= 1.0,
            Trouble.NEARLY_FULL: NEARLY_FULL <= self.share < 1.0,
            Trouble.FILES: self.files is not None and self.files >= NEARLY_FULL * self.files_limit,
            Trouble.MEMORY: _nearly(self.memory_bytes, self.memory_limit_bytes),
        }
        return [trouble for trouble, there in reasons.items() if there]


@dataclass(frozen=True, slots=True)
class Move:
    """An owner's way from one server to another. ``copied`` is between 0 and 1; ``copy_left`` says that what he had
    before (or was to have) is still to be removed.
    """

    owner_id: UUID
    email: str | None
    state: MoveState
    origin: str
    target: str
    copied: float
    copy_left: bool
    last_error: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """All servers, and how many inverters came within ``PACE``."""

    servers: Sequence[Server]
    moves: Sequence[Move]
    newcomers: int

    @property
    def left(self) -> int:
        """Room for newcomers, on all open servers."""
        return sum(server.left for server in self.servers if server.open)

    @property
    def days_left(self) -> int | None:
        """When there is no room any more at the present pace; None where nobody came lately."""
        return round(self.left * PACE.days / self.newcomers) if self.newcomers else None


async def standing(session: AsyncSession, now: datetime) -> Standing:
    """Everything the page shows; the caller has made sure that an administrator asks."""
    used = await used_buckets(session)
    rows = (await session.scalars(select(StoreServer).order_by(StoreServer.url))).all()
    newcomers = select(func.count()).select_from(Inverter).where(Inverter.created_at > now - PACE)
    return Standing(
        servers=[_server(row, used[row.url]) for row in rows],
        moves=[_move(row) for row in (await session.execute(_moves())).mappings()],
        newcomers=(await session.execute(newcomers)).scalar_one(),
    )


async def needing_somebody(session: AsyncSession, now: datetime) -> int:
    """How many servers and moves an administrator should look at."""
    found = await standing(session, now)
    return sum(bool(one.troubles(now)) for one in found.servers) + sum(bool(one.last_error) for one in found.moves)


def _server(row: StoreServer, used: int) -> Server:
    return Server(
        url=row.url,
        open=row.open,
        version=row.version,
        used=used,
        capacity=row.capacity_buckets,
        buckets=row.buckets,
        shards=row.shards,
        files=None if row.shards is None else open_files(buckets=row.buckets, shards=row.shards),
        files_limit=row.files_limit,
        memory_bytes=row.memory_bytes,
        memory_limit_bytes=row.memory_limit_bytes,
        checked_at=row.checked_at,
        last_error=row.last_error,
    )


def _nearly(held: int | None, limit: int | None) -> bool:
    return held is not None and limit is not None and held >= NEARLY_FULL * limit


def _moves() -> Any:
    """Moves under way, and those that have left a copy, the newest first."""
    email = (
        select(func.min(Account.email))
        .join(Grant, Grant.account_id == Account.id)
        .where(Grant.owner_id == OwnerMove.owner_id, Grant.role == Role.OWNER)
        .scalar_subquery()
    )
    mine = (
        select(
            Inverter.owner_id,
            func.sum(InverterMove.points).label("points"),
            func.sum(InverterMove.total).label("total"),
        )
        .join(InverterMove, InverterMove.inverter_id == Inverter.id)
        .group_by(Inverter.owner_id)
        .subquery()
    )
    columns = (OwnerMove, OwnerPlacement.server.label("here"), email.label("email"), mine.c.points, mine.c.total)
    return (
        select(*columns)
        .join(OwnerPlacement, OwnerPlacement.owner_id == OwnerMove.owner_id)
        .outerjoin(mine, mine.c.owner_id == OwnerMove.owner_id)
        .where(or_(OwnerMove.state.in_(_UNDER_WAY), OwnerMove.org_id != ""))
        .order_by(OwnerMove.started_at.desc(), OwnerMove.owner_id)
        .limit(_MOST_MOVES)
    )


def _move(row: Any) -> Move:
    move, here = row["OwnerMove"], row["here"]
    switched = move.state in (MoveState.SWITCHED, MoveState.DONE)
    points, total = int(row["points"] or 0), int(row["total"] or 0)
    return Move(
        owner_id=move.owner_id,
        email=row["email"],
        state=move.state,
        origin=move.server if switched else here,
        target=here if switched else move.server,
        copied=1.0 if switched else min(1.0, points / total) if total else 0.0,
        copy_left=move.state in (MoveState.DONE, MoveState.CANCELLED),
        last_error=move.last_error,
        updated_at=move.updated_at,
    )
