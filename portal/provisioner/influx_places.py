"""Places on one InfluxDB server: carries out the saga's steps with the operator token, one commit after each.

No database transaction is open while InfluxDB is asked: on SQLite it would hold everybody's writes. Only one
provisioner runs (``BrokerFolder.held``), so nobody else fills these columns in between.
"""

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, exists, select, update

from portal.provisioner import saga
from portal.provisioner.attempts import ERROR_LENGTH, KEYS, Attempts, Table
from portal.provisioner.backoff import Backoff
from portal.provisioner.making import Keeping, Making
from portal.provisioner.saga import InverterStep, OwnerStep
from schema.changes import registry_changed
from schema.database import Sessions, reading
from schema.models import Inverter, OwnerPlacement, Placement, PlacementState
from schema.sealing import Sealer
from schema.timeseries.management import StoreManager
from schema.timeseries.port import StoreUnavailable

_log = structlog.get_logger(__name__)

RowT = TypeVar("RowT", OwnerPlacement, Placement)

# User, organisation and bucket that InfluxDB's set-up asks for; nothing of ours is ever stored there.
OPERATOR = "operator"
_WHOLE_SERVER = "server"


class InfluxPlaces:
    """Owner by owner, inverter by inverter, of those whose place is on this ``server`` (``placing`` chose it).

    A server that does not answer holds back nobody's sign-in or pairing, and nobody who is elsewhere.
    """

    def __init__(
        self,
        sessions: Sessions,
        manager: StoreManager,
        sealer: Sealer,
        *,
        server: str,
        keeping: Keeping,
        now: Callable[[], datetime],
        backoff: Backoff,
    ) -> None:
        self._sessions = sessions
        self._manager = manager
        self._making = Making(manager, sealer, keeping)
        self._server = server
        self._now = now
        self._backoff = backoff
        self._attempts = Attempts(sessions, now=now, backoff=backoff)
        self._set_up_seen = False

    async def turn(self) -> float | None:
        """Bring every due place as far as it goes; seconds until the next retry."""
        if not self._backoff.is_due(_WHOLE_SERVER):
            return self._backoff.due_in_s(_WHOLE_SERVER)
        try:
            await self._set_up()
            owners = await self._pending_owners()
            for owner_id in owners:
                await self._attempts.attempt(OwnerPlacement, owner_id, self._owner)
            inverters = await self._pending_inverters()
            for inverter_id in inverters:
                await self._attempts.attempt(Placement, inverter_id, self._inverter)
            self._backoff.only({*owners, *inverters})
        except StoreUnavailable as away:
            delay = self._backoff.failed(_WHOLE_SERVER)
            _log.warning("influxdb.away", server=self._server, error=str(away), again_in_s=round(delay, 1))
            await self._note_on_all_pending(f"InfluxDB does not answer: {away}")
        else:
            self._backoff.succeeded(_WHOLE_SERVER)
        return self._backoff.next_due_s()

    async def _set_up(self) -> None:
        """Make a fresh server ours, once per process. Its first user's password is thrown away: the token suffices."""
        if self._set_up_seen:
            return
        if await self._manager.onboard(
            username=OPERATOR, password=secrets.token_urlsafe(32), organisation=OPERATOR, bucket=OPERATOR
        ):
            _log.info("influxdb.set_up", server=self._server)
        self._set_up_seen = True

    async def _owner(self, owner_id: UUID) -> None:
        """Organisation, read token, ready."""
        while row := await self._row(OwnerPlacement, owner_id):
            match saga.next_owner_step(row):
                case OwnerStep.ORGANISATION:
                    await self._store(OwnerPlacement, owner_id, org_id=await self._making.organisation(owner_id))
                case OwnerStep.READER:
                    made, sealed = await self._making.reader(row.org_id, owner_id)
                    await self._store(OwnerPlacement, owner_id, read_authorization_id=made, read_token_sealed=sealed)
                case OwnerStep.READY:
                    await self._ready(OwnerPlacement, owner_id)
                case OwnerStep.SERVER | None:
                    return

    async def _inverter(self, inverter_id: UUID) -> None:
        """Bucket, the bridge's token, the outsiders' token, ready."""
        org_id = await self._org_of(inverter_id)
        while row := await self._row(Placement, inverter_id):
            match saga.next_inverter_step(row):
                case InverterStep.BUCKET:
                    bucket_id, name = await self._making.bucket(org_id, inverter_id)
                    await self._store(Placement, inverter_id, bucket_id=bucket_id, bucket_name=name)
                case InverterStep.BRIDGE_WRITER:
                    made, sealed = await self._making.writer(org_id, inverter_id, row.bucket_id, "bridge")
                    await self._store(Placement, inverter_id, bridge_authorization_id=made, bridge_token_sealed=sealed)
                case InverterStep.EXTERNAL_WRITER:
                    made, sealed = await self._making.writer(org_id, inverter_id, row.bucket_id, "external")
                    await self._store(
                        Placement, inverter_id, external_authorization_id=made, external_token_sealed=sealed
                    )
                case InverterStep.READY:
                    await self._ready(Placement, inverter_id)
                case None:
                    return

    async def _pending_owners(self) -> Sequence[UUID]:
        statement = select(OwnerPlacement.owner_id).where(
            OwnerPlacement.server == self._server, OwnerPlacement.state == PlacementState.PENDING
        )
        async with reading(self._sessions) as session:
            return (await session.scalars(statement.order_by(OwnerPlacement.owner_id))).all()

    async def _pending_inverters(self) -> Sequence[UUID]:
        """Those whose owner has a place: a bucket needs its organisation."""
        statement = (
            select(Placement.inverter_id)
            .join(Inverter, Inverter.id == Placement.inverter_id)
            .join(OwnerPlacement, OwnerPlacement.owner_id == Inverter.owner_id)
            .where(
                OwnerPlacement.server == self._server,
                OwnerPlacement.state == PlacementState.READY,
                Placement.state == PlacementState.PENDING,
            )
            .order_by(Placement.inverter_id)
        )
        async with reading(self._sessions) as session:
            return (await session.scalars(statement)).all()

    async def _org_of(self, inverter_id: UUID) -> str:
        statement = (
            select(OwnerPlacement.org_id)
            .join(Inverter, Inverter.owner_id == OwnerPlacement.owner_id)
            .where(Inverter.id == inverter_id)
        )
        async with reading(self._sessions) as session:
            return await session.scalar(statement) or ""

    async def _row(self, table: type[RowT], key: UUID) -> RowT | None:
        """The row as the last commit left it, None where it has gone meanwhile, or its place is on another server."""
        async with reading(self._sessions) as session:
            return await session.scalar(select(table).where(KEYS[table] == key, self._here(table)))

    async def _store(self, table: Table, key: UUID, **columns: object) -> None:
        async with self._sessions.begin() as session:
            row = update(table).where(KEYS[table] == key, self._here(table))
            await session.execute(row.values(**columns, updated_at=self._now()))

    async def _ready(self, table: Table, key: UUID) -> None:
        """From now on it can be written and read: bridge and portal are told in the same transaction."""
        async with self._sessions.begin() as session:
            row = update(table).where(KEYS[table] == key, self._here(table))
            made = row.values(state=PlacementState.READY, last_error="", updated_at=self._now())
            if not (await session.execute(made.returning(KEYS[table]))).all():
                return
            whose = {"owner_id": key} if table is OwnerPlacement else {"inverter_id": key}
            version = await registry_changed(session, **whose)
        _log.info("placement.ready", kind=table.__tablename__, row=str(key), version=version)

    def _here(self, table: Table) -> ColumnElement[bool]:
        """Whether the row's place is on this server: an owner may be moved while InfluxDB is asked about it."""
        if table is OwnerPlacement:
            return OwnerPlacement.server == self._server
        return exists().where(
            Inverter.id == Placement.inverter_id,
            OwnerPlacement.owner_id == Inverter.owner_id,
            OwnerPlacement.server == self._server,
            OwnerPlacement.state == PlacementState.READY,
        )

    async def _note_on_all_pending(self, error: str) -> None:
        """What everybody waits for, where a person looks for it; written once, not at each try."""
        here = select(OwnerPlacement.owner_id).where(OwnerPlacement.server == self._server)
        inverters = select(Inverter.id).where(Inverter.owner_id.in_(here))
        for table, rows in (
            (OwnerPlacement, OwnerPlacement.owner_id.in_(here)),
            (Placement, Placement.inverter_id.in_(inverters)),
        ):
            async with self._sessions.begin() as session:
                await session.execute(
                    update(table)
                    .where(rows, table.state == PlacementState.PENDING, table.last_error != error[:ERROR_LENGTH])
                    .values(last_error=error[:ERROR_LENGTH], updated_at=self._now())
                )
