"""Places in the embedded store: the inverter's id is all it takes, so a place is ready as soon as it is asked for."""

from collections.abc import Callable
from datetime import datetime

import structlog
from sqlalchemy import func, select, update

from schema.changes import registry_changed
from schema.database import Sessions, reading
from schema.models import OwnerPlacement, Placement, PlacementState

_log = structlog.get_logger(__name__)


class EmbeddedPlaces:
    """``now`` is the wall clock (UTC)."""

    def __init__(self, sessions: Sessions, *, now: Callable[[], datetime]) -> None:
        self._sessions = sessions
        self._now = now

    async def turn(self) -> float | None:
        """Make every pending place ready; never waits for a retry."""
        if not await self._pending():
            return None
        ready = {"state": PlacementState.READY, "last_error": "", "updated_at": self._now()}
        async with self._sessions.begin() as session:
            for table in (OwnerPlacement, Placement):
                await session.execute(update(table).where(table.state == PlacementState.PENDING).values(**ready))
            await session.execute(
                update(OwnerPlacement).where(OwnerPlacement.server != "", OwnerPlacement.org_id == "").values(server="")
            )
            version = await registry_changed(session)
        _log.info("placements.ready", version=version)
        return None

    async def _pending(self) -> int:
        async with reading(self._sessions) as session:
            counts = [
                await session.scalar(select(func.count()).where(table.state == PlacementState.PENDING))
                for table in (OwnerPlacement, Placement)
            ]
        return sum(count or 0 for count in counts)
