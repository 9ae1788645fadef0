"""The registry on the application database: all feeds in memory, kept up to date, and the claims of the bridge.

The database being away never stops anything: what is known goes on, and what needs an answer is told
``RegistryUnavailable``. One thing at a time reads the database into the directory, so nothing older ever replaces
what is newer: a withdrawn login does not come back by a look-up that began before.
"""

import asyncio
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from bridge.clock import Clock
from bridge.edges.claiming import activate, contest, learn, own
from bridge.edges.registry_rows import Records, every_login, every_name, names_touched, some_logins
from bridge.edges.snapshot import SnapshotFile, State
from bridge.ports import RegistryUnavailable
from bridge.records import RecordUnreadable
from bridge.routes import Claim, Directory, OpenToken, Route
from schema.changes import SWEEP_S, Changes, Channel, Touched, registry_state, registry_touched
from schema.database import Sessions, reading
from schema.database_faults import database_faults
from schema.models import Inverter, Placement, PlacementState
from schema.sealing import CannotUnseal, Sealer

_log = structlog.get_logger(__name__)

_RETRY_S = 1.0
_SAVE_AGAIN_S = 30.0
# More changes than this at once are read as everything.
_MOST_CHANGES = 500


class SqlRegistry:
    """A ``Registry``. ``run`` keeps it up to date."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        url: str,
        sealer: Sealer,
        snapshot: SnapshotFile,
        clock: Clock,
        sweep_s: float = SWEEP_S,
    ) -> None:
        self._sessions = sessions
        self._url = url
        self._faults = database_faults(url)
        self._snapshot = snapshot
        self._clock = clock
        self._sweep_s = sweep_s
        self._directory = Directory(_opener(sealer))
        self._reading = asyncio.Lock()
        self._mark: UUID | None = None
        self._everything = False
        self._suspects: set[UUID] = set()
        self._wanted = asyncio.Event()
        self._unsaved: Records = {}
        self._unsaved_gone: set[str] = set()
        self._saved = State()
        self._save_after = 0.0
        self._away = False

    @property
    def directory(self) -> Directory:
        """All routes as known now."""
        return self._directory

    def refetch(self, inverter_id: UUID | None = None) -> None:
        """Read this inverter's rows again soon, or everything, whatever the version."""
        if inverter_id is None:
            self._everything = True
        else:
            self._suspects.add(inverter_id)
        self._wanted.set()

    async def start(self) -> None:
        """The last snapshot and what has changed since, else everything, else the snapshot alone; without one messages
        are kept as they come. After a start from the snapshot everything is read once more behind it.
        """
        records, state = await asyncio.to_thread(self._snapshot.load)
        for name, record in records.items():
            self._put(name, record)
        self._unsaved.clear()
        self._saved = state
        if state.mark is not None:
            self._directory.version, self._mark = state
        from_snapshot = self._directory.version
        try:
            await self._look()
        except self._faults as fault:
            _log.warning("registry.from_snapshot", logins=len(self._directory), detail=type(fault).__name__)
        if from_snapshot >= 0 or self._directory.version < 0:
            self.refetch()

    async def run(self) -> None:
        """Follow the registry's version, for ever."""
        async with Changes(self._url, Channel.REGISTRY, sweep_s=self._sweep_s) as changes:
            while True:
                await self._save()
                await self._change_or_wish(changes)
                try:
                    await self._look()
                    self._told(away="")
                except self._faults as fault:
                    self._told(away=type(fault).__name__)
                    await self._clock.sleep(_RETRY_S)
                    self._wanted.set()

    def _told(self, *, away: str) -> None:
        """Say it once when the database goes and once when it is back."""
        if bool(away) != self._away:
            self._away = bool(away)
            _log.warning("registry.away" if away else "registry.back", detail=away)

    async def _change_or_wish(self, changes: Changes) -> None:
        """Wait for either. A change that is announced while the other one ends the wait is found all the same: after
        both the version is asked for.
        """
        waits = [
            asyncio.create_task(changes.wait(), name="registry.changed"),
            asyncio.create_task(self._wanted.wait(), name="registry.wanted"),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        self._wanted.clear()

    async def look_up(self, logins: Collection[str]) -> None:
        """See ``Registry.look_up``."""
        try:
            async with self._reading, reading(self._sessions) as session:
                self._take(await some_logins(session, logins), ())
        except self._faults as fault:
            raise RegistryUnavailable(type(fault).__name__) from fault

    async def gone(self, inverter_ids: Collection[UUID]) -> set[UUID]:
        """See ``Registry.gone``."""
        leaving = exists(Placement.inverter_id).where(
            Placement.inverter_id == Inverter.id, Placement.state == PlacementState.ERASING
        )
        present = select(Inverter.id).where(Inverter.id.in_(inverter_ids), ~leaving)
        try:
            async with reading(self._sessions) as session:
                return set(inverter_ids) - set((await session.scalars(present)).all())
        except self._faults as fault:
            raise RegistryUnavailable(type(fault).__name__) from fault

    async def claim(self, route: Route, *, device_key: str, alias: str) -> Route:
        """See ``Registry.claim``."""
        now = self._clock.now()
        async with self._reading:
            try:
                current = await self._claimed(route, device_key, alias, now)
            except self._faults as fault:
                raise RegistryUnavailable(type(fault).__name__) from fault
            if current is None:
                return route
            self._unsaved[route.login] = self._directory.amend(current)
        claim = current.claim
        self._wanted.set()
        if claim is not route.claim:
            _log.info("feed.claimed", login=route.login, inverter_id=str(route.inverter_id), claim=claim)
        return current

    async def _claimed(self, route: Route, device_key: str, alias: str, now: datetime) -> Route | None:
        """The feed as the database has it, with what is new; None where it is another one's by now."""
        async with reading(self._sessions) as session:
            self._take(await some_logins(session, [route.login]), ())
        entry = self._directory.login(route.login)
        present = entry.routes.get(route.selector) if entry and not entry.revoked else None
        if present is None or present.feed_id != route.feed_id:
            return None
        if present.device_key not in ("", device_key):
            # Bound meanwhile: whoever asked judges again by what comes back.
            device_key = alias = ""
        claim = await activate(self._sessions, present, now) if present.claim is Claim.PENDING else present.claim
        async with self._sessions() as session, session.begin():
            if claim is Claim.DISPUTED and present.claim is not claim:
                claim = await contest(session, present)
            alias = await own(session, present, alias)
            await learn(session, present, device_key=device_key, alias=alias, now=now)
        aliases = present.aliases | {alias} if alias else present.aliases
        return replace(present, claim=claim, device_key=device_key or present.device_key, aliases=aliases)

    async def _look(self) -> None:
        """Apply what has changed since the version that is known: that alone where the database can say what it was."""
        async with self._reading:
            suspects, self._suspects = self._suspects, set()
            try:
                if self._everything or not await self._read_what_changed(suspects):
                    await self._read_everything()
            except BaseException:
                # The store refuses a credential once: nobody else would ask for it again.
                self._suspects |= suspects
                raise

    async def _read_what_changed(self, suspects: Collection[UUID]) -> bool:
        """False where the database cannot say what that is."""
        async with reading(self._sessions) as session:
            touched = await registry_touched(session, self._directory.version, self._mark, most=_MOST_CHANGES)
            if touched is None:
                return False
            touched.inverters.update(suspects)
            await self._read_some(session, touched)
        return True

    async def _read_some(self, session: AsyncSession, touched: Touched) -> None:
        if touched.owners or touched.inverters:
            names = await names_touched(session, touched)
            for inverter_id in touched.inverters:
                names.update(self._directory.logins_of(inverter_id))
            records = await some_logins(session, names)
            self._take(records, names - records.keys())
        if touched.version != self._directory.version:
            self._directory.version, self._mark = touched.version, touched.mark
            _log.info("registry.applied", version=touched.version)

    async def _read_everything(self) -> None:
        """A step at a time. The version is read first: a change in between is found by the next look."""
        self._everything = False
        try:
            async with reading(self._sessions) as session:
                version, mark = await registry_state(session)
            count = 0
            async for records in every_login(self._sessions):
                self._take(records, ())
                count += len(records)
            if count != len(self._directory):
                names = await every_name(self._sessions)
                self._take({}, [name for name in self._directory if name not in names])
        except BaseException:
            self._everything = True
            raise
        self._directory.version, self._mark = version, mark
        _log.info("registry.applied", version=version, logins=len(self._directory))

    def _take(self, records: Records, gone: Collection[str]) -> None:
        for name, record in records.items():
            self._put(name, record)
        for name in gone:
            self._directory.remove(name)
            self._unsaved.pop(name, None)
            self._unsaved_gone.add(name)

    def _put(self, name: str, record: bytes) -> None:
        try:
            if self._directory.put(name, record):
                self._unsaved[name] = record
                self._unsaved_gone.discard(name)
        except RecordUnreadable as fault:
            _log.error("record.unreadable", login=name, detail=str(fault))

    async def _save(self) -> None:
        """Bring the snapshot file up to date; the database has it all, so a failure can wait."""
        state = State(self._directory.version, self._mark)
        nothing_new = not self._unsaved and not self._unsaved_gone and state == self._saved
        if nothing_new or self._clock.monotonic() < self._save_after:
            return
        changed, self._unsaved = self._unsaved, {}
        gone, self._unsaved_gone = self._unsaved_gone, set()
        if await asyncio.to_thread(self._snapshot.save, changed, gone, state):
            self._saved = state
            return
        # What has happened meanwhile is newer.
        newer_gone = self._unsaved_gone
        self._unsaved_gone = (gone - self._unsaved.keys()) | newer_gone
        self._unsaved = {name: changed[name] for name in changed if name not in newer_gone} | self._unsaved
        self._save_after = self._clock.monotonic() + _SAVE_AGAIN_S


def _opener(sealer: Sealer) -> OpenToken:
    """Opens tokens; one that does not open leaves its inverter without a place, and says so."""

    def open_token(sealed: bytes, inverter_id: UUID) -> str | None:
        try:
            return sealer.open(sealed, row=f"placement:{inverter_id}:bridge")
        except CannotUnseal:
            _log.error("token.sealed", inverter_id=str(inverter_id), detail="TOKEN_KEY does not open it")
            return None

    return open_token
