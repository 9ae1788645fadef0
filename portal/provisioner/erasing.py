"""Erases what is due: inverters whose grace is over, then owners without inverters and without anybody to act for them.

One for each InfluxDB server, and one for homes elsewhere (the embedded store, or no place yet). Each step is committed
by itself (``erasure``); a store that is away, or a bridge that has something to do first, is waited for.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

import structlog
from sqlalchemy import delete, select, update

from portal.provisioner import erased_rows, erasure
from portal.provisioner.attempts import Attempts, NotYet
from portal.provisioner.backoff import Backoff
from portal.provisioner.erased_rows import Here
from portal.provisioner.erasure import InverterErasure, OwnerErasure
from portal.provisioner.remains import Remains
from schema import live
from schema.changes import registry_version
from schema.database import Sessions, reading
from schema.models import Inverter, InverterMove, OwnerMove, OwnerPlacement, Placement
from schema.timeseries.management import ReadingsEraser
from schema.timeseries.port import StoreUnavailable

_log = structlog.get_logger(__name__)

LONGEST_WAIT_S = 60.0
LETTERS = "The bridge has not yet dropped the messages that it had set aside. It does so while it runs."
_WHOLE_SERVER = "server"
RowT = TypeVar("RowT", Placement, InverterMove, OwnerPlacement, OwnerMove)
_Buckets = type[Placement] | type[InverterMove]
_Organisations = type[OwnerPlacement] | type[OwnerMove]


class Erasing:
    """Looks after the homes that are ``here``; ``remains`` is what can be done about them."""

    def __init__(
        self,
        sessions: Sessions,
        remains: Remains,
        eraser: ReadingsEraser | None,
        *,
        here: Here,
        live_url: str,
        now: Callable[[], datetime],
        backoff: Backoff,
    ) -> None:
        """``eraser`` is of the embedded store's file, None where there is none; ``now`` is the wall clock (UTC)."""
        self._sessions = sessions
        self._remains = remains
        self._eraser = eraser
        self._here = here
        self._live_url = live_url
        self._now = now
        self._backoff = backoff
        self._attempts = Attempts(sessions, now=now, backoff=backoff)
        # Where nothing has changed since this version, there is nothing to do before this time.
        self._version = -1
        self._next_look: datetime | None = None

    async def turn(self) -> float | None:
        """Erase what is due as far as it goes; seconds until there may be more to do."""
        now = self._now()
        async with reading(self._sessions) as session:
            version = await registry_version(session)
        if version != self._version or self._next_look is None or now >= self._next_look:
            if self._backoff.is_due(_WHOLE_SERVER):
                await self._guarded(now)
            self._version = version
            self._next_look = now + timedelta(seconds=await self._rest_s(now))
        return (self._next_look - now).total_seconds()

    async def _guarded(self, now: datetime) -> None:
        try:
            await self._begin_inverters(now)
            await self._inverters()
            await self._begin_owners(now)
            await self._owners()
        except StoreUnavailable as away:
            delay = self._backoff.failed(_WHOLE_SERVER)
            _log.warning("erasing.waits", error=str(away), again_in_s=round(delay, 1))
            await self._note_on_all(f"The store does not answer: {away}")
        else:
            self._backoff.succeeded(_WHOLE_SERVER)

    async def _begin_inverters(self, now: datetime) -> None:
        async with reading(self._sessions) as session:
            due = await erased_rows.due_inverters(session, self._here, now)
        for inverter_id in due:
            async with self._sessions.begin() as session:
                began = await erased_rows.begin_inverter(session, inverter_id, now)
            if began:
                _log.info("erasing.began", inverter=str(inverter_id))

    async def _begin_owners(self, now: datetime) -> None:
        async with reading(self._sessions) as session:
            lonely = await erased_rows.lonely_owners(session, self._here)
        for owner_id in lonely:
            async with self._sessions.begin() as session:
                await erased_rows.begin_owner(session, owner_id, now)

    async def _inverters(self) -> None:
        async with reading(self._sessions) as session:
            guests, _ = await erased_rows.leaving_guests(session, self._here)
            leaving = await erased_rows.leaving_inverters(session, self._here)
        for inverter_id in guests:
            await self._attempts.attempt(Placement, inverter_id, self._guest)
        for inverter_id in leaving:
            await self._attempts.attempt(Placement, inverter_id, self._inverter)

    async def _owners(self) -> None:
        async with reading(self._sessions) as session:
            _, guests = await erased_rows.leaving_guests(session, self._here)
            leaving = await erased_rows.leaving_owners(session, self._here)
        for owner_id in guests:
            await self._attempts.attempt(OwnerPlacement, owner_id, self._guest_owner)
        for owner_id in leaving:
            await self._attempts.attempt(OwnerPlacement, owner_id, self._owner)

    async def _inverter(self, inverter_id: UUID) -> None:
        """Tokens, bucket, what the bridge has set aside, rows."""
        while place := await self._row(Placement, inverter_id):
            async with reading(self._sessions) as session:
                letters_gone = await erased_rows.letters_are_gone(session, inverter_id)
            match erasure.next_inverter_step(place, letters_gone=letters_gone):
                case InverterErasure.BEGIN:
                    return
                case InverterErasure.LETTERS:
                    async with self._sessions.begin() as session:
                        await erased_rows.ask_bridge(session, inverter_id, self._now())
                    raise NotYet(LETTERS)
                case InverterErasure.ROWS:
                    await self._inverter_rows(inverter_id)
                    return
                case step:
                    await self._bucket_step(Placement, inverter_id, place, step)

    async def _bucket_step(
        self, table: _Buckets, inverter_id: UUID, place: erasure.Bucket, step: InverterErasure
    ) -> None:
        emptied: dict[str, object] = {"bucket_id": "", "bucket_name": ""}
        if step is InverterErasure.BRIDGE_WRITER:
            await self._remains.delete_token(place.bridge_authorization_id)
            emptied = {"bridge_authorization_id": "", "bridge_token_sealed": None}
        elif step is InverterErasure.EXTERNAL_WRITER:
            await self._remains.delete_token(place.external_authorization_id)
            emptied = {"external_authorization_id": "", "external_token_sealed": None}
        else:
            await self._remains.delete_bucket(place.bucket_id)
        async with self._sessions.begin() as session:
            await session.execute(update(table).where(table.inverter_id == inverter_id).values(**emptied))

    async def _inverter_rows(self, inverter_id: UUID) -> None:
        """What stands in no column, and then nobody knows of it any more."""
        async with reading(self._sessions) as session:
            home = select(OwnerPlacement.org_id).join(Inverter, Inverter.owner_id == OwnerPlacement.owner_id)
            org_id = await session.scalar(home.where(Inverter.id == inverter_id)) or ""
            logins = await erased_rows.own_logins(session, inverter_id)
        await self._remains.delete_unstored_of_inverter(org_id, inverter_id)
        rows = await self._eraser.erase(inverter_id) if self._eraser else 0
        engine = await live.open_live(self._live_url)
        try:
            await live.forget(engine, inverter_id)
            await live.forget_logins(engine, logins)
        finally:
            await engine.dispose()
        async with self._sessions.begin() as session:
            await erased_rows.erase_inverter(session, inverter_id, self._now())
        _log.info("inverter.erased", inverter=str(inverter_id), readings=rows)

    async def _guest(self, inverter_id: UUID) -> None:
        """The second bucket of an inverter whose owner moves."""
        while place := await self._row(InverterMove, inverter_id):
            step = erasure.next_bucket_step(place)
            if step is not None:
                await self._bucket_step(InverterMove, inverter_id, place, step)
                continue
            async with reading(self._sessions) as session:
                home = select(OwnerMove.org_id).join(Inverter, Inverter.owner_id == OwnerMove.owner_id)
                org_id = await session.scalar(home.where(Inverter.id == inverter_id)) or ""
            await self._remains.delete_unstored_of_inverter(org_id, inverter_id)
            async with self._sessions.begin() as session:
                await session.execute(delete(InverterMove).where(InverterMove.inverter_id == inverter_id))

    async def _owner(self, owner_id: UUID) -> None:
        """Read token, organisation, rows."""
        while home := await self._row(OwnerPlacement, owner_id):
            match erasure.next_owner_step(home):
                case OwnerErasure.BEGIN:
                    return
                case OwnerErasure.ROWS:
                    await self._remains.delete_unstored_of_owner(owner_id)
                    async with self._sessions.begin() as session:
                        await erased_rows.erase_owner(session, owner_id, self._now())
                    _log.info("owner.erased", owner=str(owner_id))
                    return
                case step:
                    await self._organisation_step(OwnerPlacement, owner_id, home, step)

    async def _organisation_step(
        self, table: _Organisations, owner_id: UUID, home: erasure.Organisation, step: OwnerErasure
    ) -> None:
        emptied: dict[str, object] = {"org_id": ""}
        if step is OwnerErasure.READER:
            await self._remains.delete_token(home.read_authorization_id)
            emptied = {"read_authorization_id": "", "read_token_sealed": None}
        else:
            await self._remains.delete_organisation(home.org_id)
        async with self._sessions.begin() as session:
            await session.execute(update(table).where(table.owner_id == owner_id).values(**emptied))

    async def _guest_owner(self, owner_id: UUID) -> None:
        """The second organisation of an owner who was moving."""
        while home := await self._row(OwnerMove, owner_id):
            step = erasure.next_organisation_step(home)
            if step is not None:
                await self._organisation_step(OwnerMove, owner_id, home, step)
                continue
            await self._remains.delete_unstored_of_owner(owner_id)
            async with self._sessions.begin() as session:
                await session.execute(delete(OwnerMove).where(OwnerMove.owner_id == owner_id))

    async def _row(self, table: type[RowT], key: UUID) -> RowT | None:
        async with reading(self._sessions) as session:
            return await session.get(table, key)

    async def _note_on_all(self, error: str) -> None:
        async with reading(self._sessions) as session:
            inverters = await erased_rows.leaving_inverters(session, self._here)
            owners = await erased_rows.leaving_owners(session, self._here)
        for inverter_id in inverters:
            await self._attempts.note(Placement, inverter_id, error)
        for owner_id in owners:
            await self._attempts.note(OwnerPlacement, owner_id, error)

    async def _rest_s(self, now: datetime) -> float:
        """Until the next grace is over, a retry is due, or it is time to look anyway."""
        async with reading(self._sessions) as session:
            next_due = await erased_rows.next_due(session, self._here, now)
        waits = [LONGEST_WAIT_S]
        if (retry_s := self._backoff.next_due_s()) is not None:
            waits.append(retry_s)
        if next_due is not None:
            waits.append((next_due - now).total_seconds())
        return max(0.0, min(waits))
