"""Where a serial stands: what the bridge would have made of it, and what the tables say."""

from uuid import UUID

from sqlalchemy import func, select, update

from portal.serials.desk import SerialDesk
from schema.models import ClaimState, Feed, Inverter, Login, SerialRequest
from tests.people import Cast


async def has_spoken(cast: Cast, inverter_id: UUID, state: ClaimState = ClaimState.ACTIVE) -> None:
    """A reading of it has come: it holds its serial, or somebody else does."""
    async with cast.portal.parts.sessions.begin() as session:
        await session.execute(
            update(Feed).where(Feed.inverter_id == inverter_id).values(claim_state=state, device_key="DEVICE0001")
        )
        if state is ClaimState.ACTIVE:
            taken = update(Inverter).where(Inverter.id == inverter_id).values(active_serial=Inverter.serial)
            await session.execute(taken)


async def state_of(cast: Cast, inverter_id: UUID) -> tuple[str | None, list[ClaimState], bool]:
    """The serial it holds, its feeds' states, and whether it has a login that works."""
    async with cast.portal.parts.sessions() as session:
        inverter = await session.get_one(Inverter, inverter_id)
        feeds = (await session.scalars(select(Feed).where(Feed.inverter_id == inverter_id))).all()
        living = select(func.count()).where(Login.name.in_([feed.login for feed in feeds]), Login.revoked_at.is_(None))
        return inverter.active_serial, [feed.claim_state for feed in feeds], bool(await session.scalar(living))


async def desk(cast: Cast) -> None:
    """What the portal does about requests beside its pages."""
    parts = cast.portal.parts
    await SerialDesk(parts.sessions, parts.links, parts.mailer, parts.tries, parts.now).turn()
    while await parts.mailer.send_due():
        pass


async def request_of(cast: Cast) -> SerialRequest:
    """The only one."""
    async with cast.portal.parts.sessions() as session:
        return (await session.scalars(select(SerialRequest))).one()
