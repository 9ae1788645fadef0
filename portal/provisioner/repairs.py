"""Mends what ``differences`` found on one server. Each repair looks again first, for lists are some time old.

What is gone is made anew by the saga: the row is pending again, without what was lost, and a new bucket is empty. A new
token is stored before the old one goes, so nobody is without one; one that a killed process left is found as doubled.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from portal import audit
from portal.audit import Action
from portal.provisioner import differences, saga
from portal.provisioner.differences import Difference, Flaw, Rights
from schema import notices
from schema.changes import registry_changed
from schema.database import Sessions, reading
from schema.models import Inverter, NoticeKind, OwnerPlacement, Placement, PlacementState
from schema.sealing import Sealer
from schema.timeseries.management import StoreManager

_log = structlog.get_logger(__name__)

_NO_BUCKET: dict[str, object] = {
    "state": PlacementState.PENDING,
    "bucket_id": "",
    "bucket_name": "",
    "bridge_authorization_id": "",
    "bridge_token_sealed": None,
    "external_authorization_id": "",
    "external_token_sealed": None,
}


class Repairs:
    """With the operator token of ``server``; ``now`` is the wall clock (UTC). Every method raises ``StoreError``."""

    def __init__(
        self, sessions: Sessions, manager: StoreManager, sealer: Sealer, *, server: str, now: Callable[[], datetime]
    ) -> None:
        self._server = server
        self._sessions = sessions
        self._manager = manager
        self._sealer = sealer
        self._now = now
        self._of: dict[Flaw, Callable[[Difference], Awaitable[bool]]] = {
            Flaw.ORGANISATION_GONE: self._organisation_gone,
            Flaw.ORGANISATION_RENAMED: self._organisation_renamed,
            Flaw.READER_BROKEN: self._reader_broken,
            Flaw.BUCKET_GONE: self._bucket_gone,
            Flaw.BUCKET_RENAMED: self._bucket_renamed,
            Flaw.WRITER_BROKEN: self._writer_broken,
            Flaw.TOKEN_DOUBLED: self._token_doubled,
        }

    async def mend(self, difference: Difference) -> bool:
        """Whether there was something to mend, at a second look."""
        mended = await self._of[difference.flaw](difference)
        if mended:
            _log.warning("place.mended", flaw=difference.flaw.value, row=str(difference.row), who=difference.who)
        return mended

    async def _organisation_gone(self, difference: Difference) -> bool:
        home = await self._home(difference.row)
        if home is None or await self._manager.has_organisation(home.org_id):
            return False
        inverters = await self._inverters(home.owner_id)
        # Its tokens are in no list any more: only their ids still lead to them.
        await self._delete_tokens(home.read_authorization_id)
        for one in inverters:
            await self._delete_tokens(one.bridge_authorization_id, one.external_authorization_id)
        async with self._sessions.begin() as session:
            await registry_changed(session, owner_id=home.owner_id)
            anew = {"state": PlacementState.PENDING, "org_id": "", "last_error": "", "updated_at": self._now()}
            if not await self._changed(session, home, **anew, read_authorization_id="", read_token_sealed=None):
                return False
            for one in inverters:
                await self._bucket_anew(session, home.owner_id, one)
            details = {"organisation": home.org_id}
            await self._note(session, Action.PLACE_RENEWED, _owner(home), home.owner_id, **details)
        return True

    async def _bucket_gone(self, difference: Difference) -> bool:
        home, box = await self._box(difference.row)
        if home is None or box is None or await self._manager.has_bucket(box.bucket_id):
            return False
        await self._delete_tokens(box.bridge_authorization_id, box.external_authorization_id)
        async with self._sessions.begin() as session:
            await registry_changed(session, inverter_id=box.inverter_id)
            if not await self._bucket_anew(session, home.owner_id, box):
                return False
            subject, details = audit.inverter(box.inverter_id), {"bucket": box.bucket_id}
            await self._note(session, Action.PLACE_RENEWED, subject, home.owner_id, **details)
        return True

    async def _bucket_anew(self, session: AsyncSession, owner_id: UUID, box: Placement) -> bool:
        """Its owner reads that what was in the old one is gone, if anything can have been."""
        if not await self._changed(session, box, **_NO_BUCKET, last_error="", updated_at=self._now()):
            return False
        if box.state == PlacementState.READY:
            await notices.note(
                session, NoticeKind.BUCKET_RENEWED, owner_id=owner_id, inverter_id=box.inverter_id, now=self._now()
            )
        return True

    async def _organisation_renamed(self, difference: Difference) -> bool:
        home = await self._home(difference.row)
        if home is None:
            return False
        await self._manager.rename_organisation(home.org_id, saga.organisation_name(home.owner_id))
        await self._noted_name(_owner(home), home.owner_id, organisation=home.org_id)
        return True

    async def _bucket_renamed(self, difference: Difference) -> bool:
        home, box = await self._box(difference.row)
        if home is None or box is None:
            return False
        await self._manager.rename_bucket(box.bucket_id, saga.bucket_name(box.inverter_id))
        await self._noted_name(audit.inverter(box.inverter_id), home.owner_id, bucket=box.bucket_id)
        return True

    async def _noted_name(self, subject: str, owner_id: UUID, **details: str) -> None:
        async with self._sessions.begin() as session:
            await self._note(session, Action.NAME_GIVEN_BACK, subject, owner_id, **details)

    async def _reader_broken(self, difference: Difference) -> bool:
        home = await self._home(difference.row)
        if home is None or home.state != PlacementState.READY:
            return False
        if await self._works(home.read_authorization_id, differences.reader_rights()):
            return False
        description = saga.read_description(home.owner_id)
        made = await self._manager.create_token(home.org_id, description, read=True)
        sealed = self._sealer.seal(made.token, row=saga.read_row(home.owner_id))
        async with self._sessions.begin() as session:
            await registry_changed(session, owner_id=home.owner_id)
            anew = {"read_authorization_id": made.authorization_id, "read_token_sealed": sealed}
            if not await self._changed(session, home, **anew):
                return False
            await self._note(session, Action.TOKEN_RENEWED, _owner(home), home.owner_id, token=description)
        await self._delete_tokens(home.read_authorization_id)
        return True

    async def _writer_broken(self, difference: Difference) -> bool:
        home, box = await self._box(difference.row)
        if home is None or box is None or not home.state == box.state == PlacementState.READY:
            return False
        who = difference.who
        old: str = getattr(box, f"{who}_authorization_id")
        if await self._works(old, differences.writer_rights(box.bucket_id)):
            return False
        description = saga.write_description(box.inverter_id, who)
        made = await self._manager.create_token(home.org_id, description, bucket_id=box.bucket_id, write=True)
        sealed = self._sealer.seal(made.token, row=saga.write_row(box.inverter_id, who))
        async with self._sessions.begin() as session:
            await registry_changed(session, inverter_id=box.inverter_id)
            anew = {f"{who}_authorization_id": made.authorization_id, f"{who}_token_sealed": sealed}
            if not await self._changed(session, box, **anew):
                return False
            subject = audit.inverter(box.inverter_id)
            await self._note(session, Action.TOKEN_RENEWED, subject, home.owner_id, token=description)
        await self._delete_tokens(old)
        return True

    async def _token_doubled(self, difference: Difference) -> bool:
        """It is nobody's only while no row has taken it meanwhile."""
        async with reading(self._sessions) as session:
            home, box = await session.get(OwnerPlacement, difference.row), await session.get(Placement, difference.row)
        taken = {home.read_authorization_id} if home else set()
        taken |= {box.bridge_authorization_id, box.external_authorization_id} if box else set()
        if difference.token_id in taken:
            return False
        await self._delete_tokens(difference.token_id)
        return True

    async def _works(self, token_id: str, rights: Rights) -> bool:
        return differences.works(await self._manager.token(token_id) if token_id else None, rights)

    async def _delete_tokens(self, *authorization_ids: str) -> None:
        for one in authorization_ids:
            if one:
                await self._manager.delete_authorization(one)

    async def _home(self, owner_id: UUID) -> OwnerPlacement | None:
        """An owner's row, if his place is on this server, and neither moves nor leaves."""
        async with reading(self._sessions) as session:
            home = await session.get(OwnerPlacement, owner_id)
        return home if home and home.server == self._server and home.state in differences.JUDGED else None

    async def _box(self, inverter_id: UUID) -> tuple[OwnerPlacement | None, Placement | None]:
        """An inverter's row, and its owner's."""
        async with reading(self._sessions) as session:
            inverter, box = await session.get(Inverter, inverter_id), await session.get(Placement, inverter_id)
        home = await self._home(inverter.owner_id) if inverter else None
        return home, (box if box and box.state in differences.JUDGED else None)

    async def _inverters(self, owner_id: UUID) -> Sequence[Placement]:
        statement = select(Placement).join(Inverter, Inverter.id == Placement.inverter_id)
        statement = statement.where(Inverter.owner_id == owner_id, Placement.state.in_(differences.JUDGED))
        async with reading(self._sessions) as session:
            return (await session.scalars(statement)).all()

    async def _changed(self, session: AsyncSession, row: OwnerPlacement | Placement, **columns: object) -> bool:
        """Change the row; false where somebody else has done so since it was read."""
        if isinstance(row, OwnerPlacement):
            home = update(OwnerPlacement).where(
                OwnerPlacement.owner_id == row.owner_id,
                OwnerPlacement.server == row.server,
                OwnerPlacement.org_id == row.org_id,
                OwnerPlacement.state == row.state,
            )
            return bool((await session.execute(home.values(**columns).returning(OwnerPlacement.owner_id))).all())
        box = update(Placement).where(
            Placement.inverter_id == row.inverter_id,
            Placement.bucket_id == row.bucket_id,
            Placement.state == row.state,
        )
        return bool((await session.execute(box.values(**columns).returning(Placement.inverter_id))).all())

    async def _note(
        self, session: AsyncSession, action: Action, subject: str, owner_id: UUID, **details: audit.Detail
    ) -> None:
        await audit.record(
            session, action, subject=subject, actor=audit.SYSTEM, owner_id=owner_id, details=details, now=self._now()
        )


def _owner(home: OwnerPlacement) -> str:
    """An owner as a subject of the audit log."""
    return f"owner:{home.owner_id}"
