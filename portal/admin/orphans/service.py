"""Orphans for an administrator: what, where, since when and why. The portal has no right to touch one."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from portal import orphans
from portal.admin.orphans.forms import Kind, OrphanSearch
from portal.admin.search import PAGE_SIZE, Found
from schema.models import Orphan, OrphanKind


@dataclass(frozen=True, slots=True)
class Listed:
    """One of them. ``org_id`` is the organisation that it is in, empty for an organisation itself."""

    kind: OrphanKind
    external_id: str
    name: str
    org_id: str
    server: str
    why: str
    first_seen_at: datetime
    last_seen_at: datetime


async def listed(session: AsyncSession, search: OrphanSearch) -> Found[Listed]:
    """A page of them, the oldest first; the caller has made sure that an administrator asks."""
    conditions: list[ColumnElement[bool]] = []
    if search.kind is not Kind.ANY:
        conditions.append(Orphan.kind == OrphanKind(search.kind))
    if search.q:
        columns = (Orphan.external_id, Orphan.name, Orphan.org_id, Orphan.server)
        conditions.append(or_(*(column.icontains(search.q, autoescape=True) for column in columns)))
    total = (await session.execute(select(func.count()).select_from(Orphan).where(*conditions))).scalar_one()
    statement = (
        select(Orphan)
        .where(*conditions)
        .order_by(Orphan.first_seen_at, Orphan.server, Orphan.kind, Orphan.external_id)
        .limit(PAGE_SIZE)
        .offset(search.offset)
    )
    rows = (await session.scalars(statement)).all()
    why = await orphans.reasons(session, rows)
    return Found([_shown(row, why.get(row.external_id, orphans.Why.UNKNOWN)) for row in rows], total)


def _shown(row: Orphan, why: orphans.Why) -> Listed:
    return Listed(
        kind=row.kind,
        external_id=row.external_id,
        name=row.name,
        org_id=row.org_id,
        server=row.server,
        why=orphans.SENTENCES[why],
        first_seen_at=row.first_seen_at,
        last_seen_at=row.last_seen_at,
    )
