"""A serial gets free: whoever claimed it in vain may claim it again. Nothing here tells anybody that it was taken.

Rows are locked in one order everywhere, in the bridge's claims too: the registry's version, feeds, inverters. So of a
claim and a change that meet on PostgreSQL one waits for the other, and never each for the other.
"""

from uuid import UUID

from sqlalchemy import exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from schema.changes import registry_changed
from schema.models import ClaimState, Feed, Inverter

_NAMED_AT_MOST = 50
"""Of more claimants than this the bridge reads everything: each name is a row in the list of changes."""


async def others_may_claim(session: AsyncSession, serial: str, *, but: UUID) -> None:
    """Disputed feeds of other inverters under ``serial`` claim it with their next reading; the first one gets it.

    Call it before the holder's own row is changed, in the transaction that frees the serial.
    """
    waiting = select(Inverter.id).where(
        Inverter.serial == serial,
        Inverter.id != but,
        Inverter.deleted_at.is_(None),
        exists().where(Feed.inverter_id == Inverter.id, Feed.claim_state == ClaimState.DISPUTED),
    )
    claimants = (await session.scalars(waiting)).all()
    if not claimants:
        return
    if len(claimants) > _NAMED_AT_MOST:
        await registry_changed(session)
    else:
        for inverter_id in claimants:
            await registry_changed(session, inverter_id=inverter_id)
    await session.execute(
        update(Feed)
        .where(Feed.inverter_id.in_(claimants), Feed.claim_state == ClaimState.DISPUTED)
        .values(claim_state=ClaimState.PENDING)
    )
