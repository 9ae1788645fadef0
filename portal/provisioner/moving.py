"""Moves owners from one InfluxDB server to another, one after the other (``move`` has the steps).

Each step is committed by itself and each stretch of a copy is noted, so a provisioner that is killed goes on where it
was. No database transaction is open while InfluxDB is asked. Readings are copied with the owner's own tokens.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import update

from portal.provisioner import copying, move, moved_rows, saga
from portal.provisioner.attempts import ERROR_LENGTH, NotYet
from portal.provisioner.backoff import Backoff
from portal.provisioner.making import Making
from portal.provisioner.move import MoveStep
from portal.provisioner.moved_rows import Pair
from portal.provisioner.old_places import OldPlaces, no_token
from portal.provisioner.remains import Remains
from portal.provisioner.ways import Ways
from schema.database import Sessions, reading
from schema.models import InverterMove, MoveState, OwnerMove, OwnerPlacement
from schema.sealing import CannotUnseal, Sealer
from schema.timeseries.management import ReadingsCopier
from schema.timeseries.port import StoreError

_log = structlog.get_logger(__name__)

_LONGEST_WAIT_S = 60.0
_LEAVING = "One of his inverters is being erased, or his place is not ready: the move goes on afterwards."


class CalledOff(Exception):
    """Somebody wants the move no more."""


class Moving:
    """``making`` and ``remains`` by server; ``retention_s`` 0 keeps for ever; ``now`` is the wall clock (UTC)."""

    def __init__(
        self,
        sessions: Sessions,
        making: Mapping[str, Making],
        remains: Mapping[str, Remains],
        copier: ReadingsCopier,
        sealer: Sealer,
        *,
        retention_s: int,
        now: Callable[[], datetime],
        backoff: Backoff,
    ) -> None:
        self._sessions = sessions
        self._making = making
        self._copier = copier
        self._ways = Ways(sealer)
        self._retention_s = retention_s
        self._old = OldPlaces(sessions, making, remains, copier, self._ways, retention_s=retention_s, now=now)
        self._now = now
        self._backoff = backoff

    async def turn(self) -> float | None:
        """Bring every move as far as it goes; seconds until there may be more to do, None where nobody moves."""
        async with reading(self._sessions) as session:
            owners = await moved_rows.under_way(session)
        for owner_id in owners:
            if self._backoff.is_due(owner_id) or await self._called_off(owner_id):
                await self._guarded(owner_id)
        self._backoff.only(set(owners))
        if not owners:
            return None
        retry_s = self._backoff.next_due_s()
        return _LONGEST_WAIT_S if retry_s is None else min(retry_s, _LONGEST_WAIT_S)

    async def _called_off(self, owner_id: UUID) -> bool:
        row = await self._row(owner_id)
        return row is not None and not moved_rows.wanted(row)

    async def _guarded(self, owner_id: UUID) -> None:
        """One owner's trouble is noted, waited out, and holds back nobody else."""
        try:
            while await self._step(owner_id):
                pass
        except CalledOff:
            await self._guarded(owner_id)
        except (StoreError, NotYet, CannotUnseal) as trouble:
            delay = self._backoff.failed(owner_id)
            _log.warning("move.waits", owner=str(owner_id), error=str(trouble), again_in_s=round(delay, 1))
            async with self._sessions.begin() as session:
                # Not ``updated_at``: that says since when a state lasts.
                row = update(OwnerMove).where(OwnerMove.owner_id == owner_id)
                await session.execute(row.values(last_error=str(trouble)[:ERROR_LENGTH]))
        else:
            self._backoff.succeeded(owner_id)

    async def _step(self, owner_id: UUID) -> bool:
        """Take the next step; whether there may be another one now. Raises ``StoreError``."""
        row, home = await self._row(owner_id), await self._home(owner_id)
        step = move.next_step(row, self._now()) if row and home else None
        if not row or not home or not step:
            return False
        match step:
            case MoveStep.CALL_OFF:
                await self._call_off(row)
            case MoveStep.ORGANISATION:
                await self._store(owner_id, org_id=await self._makes(row.server).organisation(owner_id))
            case MoveStep.READER:
                made, sealed = await self._makes(row.server).reader(row.org_id, owner_id)
                await self._store(owner_id, read_authorization_id=made, read_token_sealed=sealed)
            case MoveStep.COPY:
                await self._copy(row, home)
            case MoveStep.SWITCH:
                await self._switch(row, home)
            case MoveStep.SETTLE:
                await self._old.settle(row, home)
                await self._store(owner_id, state=MoveState.DONE)
            case MoveStep.FOLLOW:
                await self._old.follow(row, home)
                return False
            case MoveStep.REMOVE:
                await self._old.remove(row, home)
        return True

    async def _call_off(self, row: OwnerMove) -> None:
        org_id = row.org_id or await self._makes(row.server).known_organisation(row.owner_id)
        async with self._sessions.begin() as session:
            await moved_rows.call_off(session, row.owner_id, org_id, self._now())
        _log.info("move.called_off", owner=str(row.owner_id))

    async def _copy(self, row: OwnerMove, home: OwnerPlacement) -> None:
        """Second buckets, and in them what the first ones have. New readings go on into the first ones."""
        await self._store(row.owner_id, state=MoveState.COPYING)
        for pair in await self._pairs(row.owner_id):
            await self._copy_inverter(row, home, pair, await self._second(row, pair))
        async with self._sessions.begin() as session:
            held = await moved_rows.hold(session, row.owner_id, self._now())
        await self._goes_on(row.owner_id)
        if not held:
            raise NotYet(_LEAVING)

    async def _second(self, row: OwnerMove, pair: Pair) -> InverterMove:
        """The inverter's place at the new server, whole."""
        inverter_id, makes = pair.first.inverter_id, self._makes(row.server)
        async with self._sessions.begin() as session:
            second = await session.get(InverterMove, inverter_id)
            if second is None:
                second = InverterMove(inverter_id=inverter_id, updated_at=self._now())
                session.add(second)
        if not second.bucket_id:
            bucket_id, name = await makes.bucket(row.org_id, inverter_id)
            second = await self._store_second(inverter_id, bucket_id=bucket_id, bucket_name=name)
        for who in saga.WRITERS:
            if not getattr(second, f"{who}_token_sealed"):
                made, sealed = await makes.writer(row.org_id, inverter_id, second.bucket_id, who)
                columns = {f"{who}_authorization_id": made, f"{who}_token_sealed": sealed}
                second = await self._store_second(inverter_id, **columns)
        return second

    async def _copy_inverter(self, row: OwnerMove, home: OwnerPlacement, pair: Pair, second: InverterMove) -> None:
        way, inverter_id = self._ways.forth(row, home, Pair(pair.first, second)), pair.first.inverter_id
        extent = await self._copier.extent(way.old, copying.oldest(self._now(), self._retention_s))
        if extent is None:
            return
        until, points = second.copied_until, second.points
        first = extent.first if until is None else max(extent.first, until)
        for span in copying.stretches(first, extent.last):
            await self._goes_on(row.owner_id)
            points += await copying.even(self._copier, way, span, insist=span[1] <= extent.last)
            total, points = extent.values, min(points, extent.values)
            # Of the last day more is to come.
            done = min(span[1], copying.midnight(extent.last))
            await self._store_second(inverter_id, copied_until=done, points=points, total=total)

    async def _switch(self, row: OwnerMove, home: OwnerPlacement) -> None:
        """Compare everything once more while nobody writes, and change sides; else new readings wait no longer."""
        try:
            switched = await self._compared_and_switched(row, home)
        except (StoreError, NotYet, CalledOff, CannotUnseal):
            await self._let_go(row.owner_id)
            raise
        if switched:
            _log.info("move.switched", owner=str(row.owner_id), origin=home.server, target=row.server)
        else:
            await self._let_go(row.owner_id)

    async def _compared_and_switched(self, row: OwnerMove, home: OwnerPlacement) -> bool:
        pairs = await self._pairs(row.owner_id)
        if not all(pair.second is not None and pair.second.external_token_sealed for pair in pairs):
            return False
        for pair in pairs:
            await self._compare(row, home, pair)
        async with self._sessions.begin() as session:
            compared = [pair.first.inverter_id for pair in pairs]
            return await moved_rows.switch(session, row.owner_id, compared, self._now())

    async def _let_go(self, owner_id: UUID) -> None:
        async with self._sessions.begin() as session:
            await moved_rows.let_go(session, owner_id, self._now())

    async def _compare(self, row: OwnerMove, home: OwnerPlacement, pair: Pair) -> None:
        way = self._ways.forth(row, home, pair)
        extent = await self._copier.extent(way.old, copying.oldest(self._now(), self._retention_s))
        if extent is None:
            return
        for span in copying.stretches(extent.first, extent.last):
            await self._goes_on(row.owner_id)
            await copying.even(self._copier, way, span)
        columns = {"copied_until": extent.last, "points": extent.values, "total": extent.values}
        await self._store_second(pair.first.inverter_id, **columns)

    def _makes(self, server: str) -> Making:
        if server not in self._making:
            raise NotYet(no_token(server))
        return self._making[server]

    async def _goes_on(self, owner_id: UUID) -> None:
        """Raises ``CalledOff``."""
        if await self._called_off(owner_id):
            raise CalledOff

    async def _row(self, owner_id: UUID) -> OwnerMove | None:
        async with reading(self._sessions) as session:
            return await session.get(OwnerMove, owner_id)

    async def _home(self, owner_id: UUID) -> OwnerPlacement | None:
        async with reading(self._sessions) as session:
            return await session.get(OwnerPlacement, owner_id)

    async def _pairs(self, owner_id: UUID) -> list[Pair]:
        async with reading(self._sessions) as session:
            return await moved_rows.pairs(session, owner_id)

    async def _store(self, owner_id: UUID, **columns: object) -> None:
        async with self._sessions.begin() as session:
            row = update(OwnerMove).where(OwnerMove.owner_id == owner_id)
            await session.execute(row.values(**columns, last_error="", updated_at=self._now()))

    async def _store_second(self, inverter_id: UUID, **columns: object) -> InverterMove:
        """The row with what is new. Raises ``NotYet`` where it has gone meanwhile."""
        async with self._sessions.begin() as session:
            row = await session.get(InverterMove, inverter_id)
            if row is None:
                raise NotYet(_LEAVING)
            for name, value in (columns | {"updated_at": self._now()}).items():
                setattr(row, name, value)
        return row
