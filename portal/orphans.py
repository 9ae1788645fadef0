"""Things on an InfluxDB server that bear a name of ours and that no row knows: why each is one, for page and command.

The provisioner keeps the list (``portal.provisioner.orphans``); nothing leaves it by itself but what is gone or known
again. No HTTP, no InfluxDB.
"""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from schema.models import Inverter, Orphan, Owner

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


class Why(StrEnum):
    """Why no row knows it."""

    UNKNOWN = "unknown"
    ANOTHER = "another"


SENTENCES: Mapping[Why, str] = {
    Why.UNKNOWN: "Its id is in no row: deleted by hand, or newer than the backup that was restored.",
    Why.ANOTHER: "Whose name it bears is in the database, and has another one or another server.",
}
"""For operators, so in English."""


async def reasons(session: AsyncSession, orphans: Iterable[Orphan]) -> dict[str, Why]:
    """Why each of them is one, by ``external_id``, in two queries."""
    named = {one.external_id: UUID(match[0]) for one in orphans if (match := _ID.search(one.name))}
    known: set[UUID] = set()
    for column in (Owner.id, Inverter.id):
        known.update(await session.scalars(select(column).where(column.in_(named.values()))))
    return {key: Why.ANOTHER if one in known else Why.UNKNOWN for key, one in named.items()}
