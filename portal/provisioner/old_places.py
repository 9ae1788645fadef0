"""What is done about the place beside an owner's own: the old one after a move, or a second one that nobody wants.

Outsiders go on writing into an old place with tokens of theirs until they ask for them anew; what they wrote is
fetched until the old place is removed.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import update

from portal.provisioner import copying, moved_rows
from portal.provisioner.attempts import NotYet
from portal.provisioner.making import Making
from portal.provisioner.moved_rows import Pair
from portal.provisioner.remains import Remains
from portal.provisioner.ways import Ways
from schema.database import Sessions, reading
from schema.models import InverterMove, MoveState, OwnerMove, OwnerPlacement
from schema.timeseries.management import ReadingsCopier

_log = structlog.get_logger(__name__)

FOLLOW_EVERY = timedelta(hours=1)


class OldPlaces:
    """``making`` and ``remains`` by server.

    Every method raises ``StoreError``, or ``NotYet`` where a server is named nowhere.
    """

    def __init__(
        self,
        sessions: Sessions,
        making: Mapping[str, Making],
        remains: Mapping[str, Remains],
        copier: ReadingsCopier,
        ways: Ways,
        *,
        retention_s: int,
        now: Callable[[], datetime],
    ) -> None:
        self._sessions = sessions
        self._making = making
        self._remains = remains
        self._copier = copier
        self._ways = ways
        self._retention_s = retention_s
        self._now = now
        self._followed: dict[UUID, datetime] = {}

    async def settle(self, row: OwnerMove, home: OwnerPlacement) -> None:
        """The bridge's old tokens go; whatever was written with them before is in the old bucket and is fetched."""
        for pair in await self._pairs(row.owner_id):
            if pair.second is not None and pair.second.bridge_authorization_id:
                await self._rests(row.server).delete_token(pair.second.bridge_authorization_id)
                await self._tokenless(pair.first.inverter_id)
        await self._fetch_late(row, home)
        _log.info("move.done", owner=str(row.owner_id))

    async def follow(self, row: OwnerMove, home: OwnerPlacement) -> None:
        """Outsiders write into the old place until they have asked for their token anew."""
        last = self._followed.get(row.owner_id)
        if last is None or self._now() - last >= FOLLOW_EVERY:
            await self._fetch_late(row, home)
            self._followed[row.owner_id] = self._now()

    async def _fetch_late(self, row: OwnerMove, home: OwnerPlacement) -> None:
        late = 0
        there = [pair for pair in await self._pairs(row.owner_id) if await self._is_there(row, pair)]
        if there:
            row = await self._readable(row)
        for pair in there:
            way = self._ways.back(row, home, pair)
            extent = await self._copier.extent(way.old, copying.oldest(self._now(), self._retention_s))
            for span in copying.stretches(extent.first, extent.last) if extent else ():
                late += await copying.fetch_late(self._copier, way, span)
        if late:
            _log.info("move.latecomers", owner=str(row.owner_id), values=late)

    async def _is_there(self, row: OwnerMove, pair: Pair) -> bool:
        """Whether its old bucket is: one that somebody has deleted by hand has nothing to fetch any more."""
        bucket_id = pair.second.bucket_id if pair.second else ""
        return bool(bucket_id) and await self._rests(row.server).has_bucket(bucket_id)

    async def _readable(self, row: OwnerMove) -> OwnerMove:
        """The row with a token that reads the old buckets, made anew where somebody has taken the one it had."""
        if row.read_token_sealed and not await self._rests(row.server).reads(row.read_authorization_id):
            made, sealed = await self._making[row.server].reader(row.org_id, row.owner_id)
            anew = {"read_authorization_id": made, "read_token_sealed": sealed}
            async with self._sessions.begin() as session:
                mine = update(OwnerMove).where(OwnerMove.owner_id == row.owner_id)
                await session.execute(mine.values(**anew))
                return await session.get_one(OwnerMove, row.owner_id, populate_existing=True)
        return row

    async def remove(self, row: OwnerMove, home: OwnerPlacement) -> None:
        """What is left at the other server: first whoever may write there, then who may read, then all of it."""
        remains = self._rests(row.server)
        if row.read_token_sealed:
            async with reading(self._sessions) as session:
                seconds = await moved_rows.seconds(session, row.owner_id)
            for second in seconds:
                await remains.delete_token(second.bridge_authorization_id)
                await remains.delete_token(second.external_authorization_id)
            if row.state == MoveState.DONE and await remains.has_organisation(row.org_id):
                await self._fetch_late(row, home)
            async with self._sessions.begin() as session:
                mine = update(OwnerMove).where(OwnerMove.owner_id == row.owner_id)
                await session.execute(mine.values(read_authorization_id="", read_token_sealed=None))
            await remains.delete_token(row.read_authorization_id)
        await remains.delete_organisation(row.org_id)
        async with self._sessions.begin() as session:
            await moved_rows.forget(session, row.owner_id, row.server, self._now())
        _log.info("move.removed", owner=str(row.owner_id), server=row.server)

    def _rests(self, server: str) -> Remains:
        if server not in self._remains:
            raise NotYet(no_token(server))
        return self._remains[server]

    async def _pairs(self, owner_id: UUID) -> list[Pair]:
        async with reading(self._sessions) as session:
            return await moved_rows.pairs(session, owner_id)

    async def _tokenless(self, inverter_id: UUID) -> None:
        async with self._sessions.begin() as session:
            row = update(InverterMove).where(InverterMove.inverter_id == inverter_id)
            await session.execute(row.values(bridge_authorization_id="", bridge_token_sealed=None))


def no_token(server: str) -> str:
    """What an administrator reads where a move names a server that the settings do not."""
    return f"no operator token for the server {server}: name it in INFLUX_SERVERS (docs/capacity.md)"
