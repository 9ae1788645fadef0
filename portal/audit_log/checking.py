"""Checks the audit log as it stands in the database: every link, what has none, and a head that was noted elsewhere."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from portal.audit_log.chain import Fault, FaultKind, Link, Walk
from schema.database import Sessions, reading
from schema.models import AuditEntry, AuditSeal

_AT_ONCE = 1_000
# An entry that has no seal while one so much younger has one was not there when that was sealed.
_SEALED_WITHIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the whole log looks like. ``waiting`` entries are not sealed yet, which is nothing bad in itself."""

    links: int
    head: str
    waiting: int
    faults: tuple[Fault, ...]


async def verify(sessions: Sessions, *, head: str = "") -> Verdict:
    """Look at everything. ``head`` is a hash noted earlier: the chain has to contain it."""
    faults: list[Fault] = []
    walk, known = Walk(), not head
    async with reading(sessions) as session:
        async for link in _links(session):
            faults.extend(walk.step(link))
            known = known or link.hash == head
        faults.extend(walk.end())
        waiting, added = await _unsealed(session)
    faults.extend(added)
    if not known:
        faults.append(
            Fault(
                FaultKind.HEAD_UNKNOWN,
                f"No link has the hash {head}: the chain was cut off before it, or made anew.",
            )
        )
    return Verdict(walk.links, walk.head, waiting, tuple(faults))


async def _links(session: AsyncSession) -> AsyncIterator[Link]:
    last = 0
    while True:
        statement = (
            select(AuditSeal, AuditEntry)
            .outerjoin(AuditEntry, AuditEntry.id == AuditSeal.entry_id)
            .where(AuditSeal.id > last)
            .order_by(AuditSeal.id)
            .limit(_AT_ONCE)
        )
        rows = (await session.execute(statement)).all()
        for seal, entry in rows:
            yield Link(seal.id, seal.entry_id, seal.hash, entry)
        if len(rows) < _AT_ONCE:
            return
        last = rows[-1][0].id
        session.expunge_all()


async def _unsealed(session: AsyncSession) -> tuple[int, list[Fault]]:
    none = ~select(AuditSeal.id).where(AuditSeal.entry_id == AuditEntry.id).exists()
    waiting = await session.scalar(select(func.count()).select_from(AuditEntry).where(none)) or 0
    youngest = await session.scalar(
        select(AuditEntry.at)
        .join(AuditSeal, AuditSeal.entry_id == AuditEntry.id)
        .order_by(AuditSeal.id.desc())
        .limit(1)
    )
    if not waiting or youngest is None:
        return waiting, []
    overdue = select(AuditEntry).where(none, AuditEntry.at < youngest - _SEALED_WITHIN).order_by(AuditEntry.id)
    rows = (await session.scalars(overdue.limit(_AT_ONCE))).all()
    return waiting, [
        Fault(FaultKind.ENTRY_ADDED, f"Entry {row.id} was added afterwards, or its seal was removed: it has none.")
        for row in rows
    ]
