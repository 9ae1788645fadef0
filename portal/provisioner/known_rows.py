"""What the database knows of one InfluxDB server: the rows as ``differences`` judges them."""

from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from portal.provisioner.differences import Box, Home, Rows
from schema.models import Inverter, MoveState, OwnerMove, OwnerPlacement, Placement, PlacementState

_OVER = (MoveState.DONE, MoveState.CANCELLED)


async def known_rows(session: AsyncSession, server: str) -> Rows:
    """Every place on the server, in three queries."""
    homes = {
        row.owner_id: Home(row.owner_id, row.org_id, row.read_authorization_id, PlacementState(row.state))
        for row in await session.execute(
            select(
                OwnerPlacement.owner_id,
                OwnerPlacement.org_id,
                OwnerPlacement.read_authorization_id,
                OwnerPlacement.state,
            ).where(OwnerPlacement.server == server)
        )
    }
    boxes = {
        row.inverter_id: Box(
            row.inverter_id,
            row.owner_id,
            row.org_id,
            row.bucket_id,
            {"bridge": row.bridge_authorization_id, "external": row.external_authorization_id},
            _state(PlacementState(row.state), homes[row.owner_id].state),
        )
        for row in await session.execute(
            select(
                Placement.inverter_id,
                Inverter.owner_id,
                OwnerPlacement.org_id,
                Placement.bucket_id,
                Placement.bridge_authorization_id,
                Placement.external_authorization_id,
                Placement.state,
            )
            .join(Inverter, Inverter.id == Placement.inverter_id)
            .join(OwnerPlacement, OwnerPlacement.owner_id == Inverter.owner_id)
            .where(OwnerPlacement.server == server)
        )
    }
    return Rows(homes, boxes, await _moving(session, server))


def _state(box: PlacementState, home: PlacementState) -> PlacementState:
    return home if box == PlacementState.READY else box


async def _moving(session: AsyncSession, server: str) -> set[UUID]:
    """Owners with a second place there, made or about to be, and their inverters."""
    second = or_(OwnerMove.org_id != "", OwnerMove.state.not_in(_OVER))
    owners = set(await session.scalars(select(OwnerMove.owner_id).where(OwnerMove.server == server, second)))
    inverters = select(Inverter.id).join(OwnerMove, OwnerMove.owner_id == Inverter.owner_id)
    return owners | set(await session.scalars(inverters.where(OwnerMove.server == server, second)))
