"""Writing down what an owner should know: bridge, provisioner and portal call it, the portal's pages and mails tell it.

Equal trouble is one row that is counted. How it is told, and when it no longer is, is the portal's business. Sentences
take these ``details``, and do without where one is missing:

| kind | names | details |
|---|---|---|
| flapping | login | ``times`` thrown out within ``minutes`` |
| impossible_power | login, inverter | ``quantity`` (a name of the catalogue) and its ``value`` |
| clock_skew | login, inverter | ``seconds`` the device's clock is ahead; below 0 it is behind |
| failed_log_ins | login | ``times``, and the ``address`` where the broker tells it |
| quarantined | login | ``why``: the kind of notice it came from |
| serial_freed | inverter | ``serial`` |
| bucket_renewed, token_renewed | inverter | |
| store_moved | inverter | ``days`` the old place stays |
| handed_over | | |
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import case, or_
from sqlalchemy.ext.asyncio import AsyncSession

from schema.database import insert_or_update
from schema.models import Notice, NoticeKind

TOLD_AGAIN_AFTER = timedelta(days=1)
"""What was hidden comes back when it happens again so much later; after so long a rest it begins anew."""

Detail = str | int | float
"""A number or a name for the sentence; never a secret."""


async def note(
    session: AsyncSession,
    kind: NoticeKind,
    *,
    owner_id: UUID,
    now: datetime,
    inverter_id: UUID | None = None,
    login: str = "",
    details: Mapping[str, Detail] | None = None,
    times: int = 1,
) -> None:
    """It has happened, ``times`` times since it was last noted; the caller's transaction keeps it.

    What is equal: kind, login, and the inverter, or the owner where none is named. Name the same things each time, as
    the table above says. The newest ``details`` stand.

    Raises ``IntegrityError`` where the owner or the inverter is gone by now: then there is nobody to be told.
    """
    values = {
        "id": uuid4(),
        "key": key(kind, owner_id=owner_id, inverter_id=inverter_id, login=login),
        "owner_id": owner_id,
        "inverter_id": inverter_id,
        "login": login,
        "kind": kind,
        "details": dict(details or {}),
        "first_at": now,
        "last_at": now,
        "count": times,
    }
    statement: Any = insert_or_update(session.get_bind().dialect.name, Notice).values(**values)
    new = statement.excluded
    rested = Notice.last_at <= now - TOLD_AGAIN_AFTER
    again = or_(rested, Notice.hidden_at <= now - TOLD_AGAIN_AFTER)
    # Two that note it at once follow each other at this row, and each is counted.
    counted = {
        "details": new.details,
        "first_at": case((rested, new.first_at), else_=Notice.first_at),
        "last_at": case((Notice.last_at < new.last_at, new.last_at), else_=Notice.last_at),
        "count": case((rested, new.count), else_=Notice.count + new.count),
        "hidden_at": case((again, None), else_=Notice.hidden_at),
    }
    await session.execute(statement.on_conflict_do_update(index_elements=["key"], set_=counted))


def key(kind: NoticeKind, *, owner_id: UUID, inverter_id: UUID | None, login: str) -> str:
    """What equal trouble has in common."""
    return f"{kind}:{login}:{inverter_id or owner_id}"
