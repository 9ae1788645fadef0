"""What a feed's first reading, a new device or a new serial changes in the database."""

from datetime import datetime

import structlog
from sqlalchemy import exists, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from bridge.routes import Claim, Route
from schema.database import Sessions
from schema.models import ClaimState, Feed, Inverter, RegistryVersion, SerialAlias

_log = structlog.get_logger(__name__)


async def activate(sessions: Sessions, route: Route, now: datetime) -> Claim:
    """Take the inverter's serial for it, unless another one holds it: the unique index decides (DESIGN 4.1).

    A feed that claims nothing any more (released, deleted meanwhile) takes nothing. Its row comes first, as wherever
    the portal changes feeds and inverters: of a claim and a change that meet one waits for the other.
    """
    claimant = (Inverter.id == route.inverter_id, Inverter.owner_id == route.owner_id, Inverter.deleted_at.is_(None))
    activated = (
        update(Feed)
        .where(Feed.id == route.feed_id, Feed.claim_state == ClaimState.PENDING, exists(Inverter.id).where(*claimant))
        .values(claim_state=ClaimState.ACTIVE, activated_at=now)
    )
    take = update(Inverter).where(*claimant).values(active_serial=Inverter.serial)
    try:
        async with sessions() as session, session.begin():
            if (await session.execute(activated.returning(Feed.id))).first() is None:
                state = (await session.scalars(select(Feed.claim_state).where(Feed.id == route.feed_id))).one_or_none()
                return Claim(state) if state is not None else route.claim
            await session.execute(take)
    except IntegrityError:
        return Claim.DISPUTED
    return Claim.ACTIVE


async def contest(session: AsyncSession, route: Route) -> Claim:
    """Note that another one holds the serial. Where that one has let it go meanwhile, the feed stays as it is: what it
    says next claims again.

    The registry's version comes first, as wherever a serial is freed (``portal.serials.freeing``): of the two one waits
    for the other, so a feed is never left contesting what nobody holds.
    """
    await session.execute(select(RegistryVersion.version).with_for_update(read=True))
    holder = aliased(Inverter)
    serial = select(Inverter.serial).where(Inverter.id == route.inverter_id).scalar_subquery()
    held = exists(holder.id).where(holder.active_serial == serial, holder.id != route.inverter_id)
    noted = update(Feed).where(Feed.id == route.feed_id, Feed.claim_state == ClaimState.PENDING, held)
    await session.execute(noted.values(claim_state=ClaimState.DISPUTED))
    state = (await session.scalars(select(Feed.claim_state).where(Feed.id == route.feed_id))).one_or_none()
    return Claim(state) if state is not None else route.claim


async def learn(session: AsyncSession, route: Route, *, device_key: str, alias: str, now: datetime) -> None:
    """Bind the device, record the alias; each only where it is not so already."""
    if device_key:
        bind = update(Feed).where(Feed.id == route.feed_id, Feed.device_key == "").values(device_key=device_key)
        await session.execute(bind)
    if alias:
        known = select(SerialAlias).where(SerialAlias.inverter_id == route.inverter_id, SerialAlias.serial == alias)
        if (await session.execute(known)).first() is None:
            session.add(SerialAlias(inverter_id=route.inverter_id, serial=alias, first_seen_at=now))


async def own(session: AsyncSession, route: Route, alias: str) -> str:
    """The alias, or nothing where that serial is active for another owner: what he has proved names nobody else."""
    if alias:
        held = select(Inverter.id).where(Inverter.active_serial == alias, Inverter.owner_id != route.owner_id)
        if (await session.execute(held)).first() is not None:
            _log.warning("alias.withheld", login=route.login, inverter_id=str(route.inverter_id))
            return ""
    return alias
