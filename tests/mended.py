"""What the reconciler's tests ask: how much one sweep mends, what it tells, and whether one of each is there."""

from uuid import UUID

from sqlalchemy import select

from schema.database import reading
from schema.models import AuditEntry, Notice, NoticeKind, PlacementState
from tests.estate import Estate, Held, InInflux


async def mended(place: Estate) -> int:
    """One sweep, what the saga makes of it, and a second sweep; how much the first one mended."""
    mended = await place.reconciler().sweep()
    await place.provisioner().turn()
    assert await place.reconciler().sweep() == 0
    return mended


async def acts(place: Estate) -> list[str]:
    """What the audit log has, all of it the system's own."""
    async with reading(place.sessions) as session:
        entries = (await session.scalars(select(AuditEntry).order_by(AuditEntry.id))).all()
    assert {entry.actor for entry in entries} <= {"system"}
    return [entry.action for entry in entries]


async def told(place: Estate) -> set[UUID | None]:
    """Inverters whose owners read that a bucket is a new one."""
    async with reading(place.sessions) as session:
        return set(await session.scalars(select(Notice.inverter_id).where(Notice.kind == NoticeKind.BUCKET_RENEWED)))


async def one_of_each(place: Estate, held: Held) -> None:
    """In the store as in the rows, and it works."""
    home, row = await place.rows(held)
    assert home is not None
    assert row is not None
    tokens = [home.read_authorization_id, row.bridge_authorization_id, row.external_authorization_id]
    assert await place.in_influx(held) == InInflux([home.org_id], [row.bucket_id], sorted(tokens))
    assert (home.state, row.state) == (PlacementState.READY, PlacementState.READY)
