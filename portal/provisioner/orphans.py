"""The table of things on an InfluxDB server that bear a name of ours and that no row knows. They are listed, nothing
more: whoever may run commands deletes them one by one, after a look at what they are.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from portal.provisioner.differences import Stranger
from schema.models import Orphan

_NAME_LENGTH = 200


async def keep_list(session: AsyncSession, server: str, found: Sequence[Stranger], now: datetime) -> list[Stranger]:
    """What was found stands in the table, and nothing else of this server; returns what is new in it."""
    known = {(row.kind, row.external_id): row for row in await _of(session, server)}
    new = []
    for one in found:
        row = known.pop((one.kind, one.id), None)
        if row is None:
            new.append(one)
            row = Orphan(server=server, kind=one.kind, external_id=one.id, first_seen_at=now)
            session.add(row)
        row.name, row.org_id, row.last_seen_at = one.name[:_NAME_LENGTH], one.org_id, now
    for kind, external_id in known:
        await session.execute(
            delete(Orphan).where(Orphan.server == server, Orphan.kind == kind, Orphan.external_id == external_id)
        )
    return new


async def _of(session: AsyncSession, server: str) -> Sequence[Orphan]:
    return (await session.scalars(select(Orphan).where(Orphan.server == server))).all()
