"""How full the InfluxDB servers are: the buckets that are there or about to be, by server. No HTTP, no InfluxDB.

What somebody else keeps on a server counts too, once the provisioner has seen it there.

An owner without inverters counts as one: his first one is about to come. An owner on the move counts on both servers,
for his copy is there until it is cleaned away.
"""

from collections import Counter
from uuid import UUID

from sqlalchemy import Select, case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from schema.models import Inverter, MoveState, OwnerMove, OwnerPlacement, Placement, StoreServer

NEARLY_FULL = 0.8
"""From here on an operator is told to think of another server: owners who are there go on adding inverters."""

_FILES_PER_BUCKET, _FILES_PER_SHARD = 8, 9


def open_files(*, buckets: int, shards: int) -> int:
    """The descriptors that a server needs, which it does not tell itself (exact on 2.9.1: docs/capacity.md)."""
    return _FILES_PER_BUCKET * buckets + _FILES_PER_SHARD * shards


async def used_buckets(session: AsyncSession) -> Counter[str]:
    """Buckets by server, those about to come included."""
    size = _size().subquery()
    buckets = func.sum(case((size.c.buckets.is_(None), 1), else_=size.c.buckets))
    used: Counter[str] = Counter()
    for table in (OwnerPlacement, OwnerMove):
        by_server = (
            select(table.server, buckets)
            .outerjoin(size, size.c.owner_id == table.owner_id)
            .where(table.server != "")
            .group_by(table.server)
        )
        if table is OwnerMove:
            under_way = OwnerMove.state == MoveState.PREPARING
            by_server = by_server.where(or_(under_way, OwnerMove.org_id != ""))
        used.update({server: int(count) for server, count in (await session.execute(by_server)).all()})
    for server, seen in (await session.execute(select(StoreServer.url, StoreServer.buckets))).all():
        used[server] = max(used[server], seen)
    return used


async def buckets_of(session: AsyncSession, owner_id: UUID) -> int:
    """How many buckets this owner has or is about to have, at least one."""
    size = _size().where(Inverter.owner_id == owner_id).subquery()
    return int(await session.scalar(select(size.c.buckets)) or 1)


def _size() -> Select[UUID, int]:
    """Placements by owner: of deleted inverters too, as long as there is something in the store."""
    return (
        select(Inverter.owner_id, func.count().label("buckets"))
        .join(Placement, Placement.inverter_id == Inverter.id)
        .group_by(Inverter.owner_id)
    )
