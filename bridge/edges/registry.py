"""The registry on the application database: a snapshot of all feeds, kept up to date, and the claims of the bridge.

The database being away never stops anything: the last snapshot goes on, and what needs an answer is told
``RegistryUnavailable``.
"""

import asyncio
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import and_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from bridge.clock import Clock
from bridge.edges.database_faults import database_faults
from bridge.edges.snapshot import Row, SnapshotFile, directory_of, entries_of
from bridge.ports import RegistryUnavailable
from bridge.routes import Claim, Directory, Route
from schema.changes import Changes, Channel, registry_version
from schema.database import Sessions, reading
from schema.models import ClaimState, Feed, Inverter, Login, OwnerPlacement, Placement, SerialAlias
from schema.sealing import Sealer

_log = structlog.get_logger(__name__)

_RETRY_S = 1.0


class SqlRegistry:
    """A ``Registry``. ``run`` keeps it up to date."""

    def __init__(self, *, sessions: Sessions, url: str, sealer: Sealer, snapshot: SnapshotFile, clock: Clock) -> None:
        self._sessions = sessions
        self._url = url
        self._faults = database_faults(url)
        self._sealer = sealer
        self._snapshot = snapshot
        self._clock = clock
        self._directory = Directory(-1, [], {})
        self._again = False
        self._wanted = asyncio.Event()

    @property
    def directory(self) -> Directory:
        """All routes as known now."""
        return self._directory

    def refetch(self) -> None:
        """Take a new snapshot now, whatever its version."""
        self._again = True
        self._wanted.set()

    async def start(self) -> None:
        """The database's routes, else those of the last snapshot, else none: then messages are kept as they come."""
        try:
            await self._resync()
        except self._faults as fault:
            rows = await asyncio.to_thread(self._snapshot.load)
            self._directory = directory_of(-1, rows, self._sealer)
            _log.warning("registry.from_snapshot", feeds=len(rows), detail=type(fault).__name__)

    async def run(self) -> None:
        """Follow the registry's version, for ever."""
        async with Changes(self._url, Channel.REGISTRY) as changes:
            while True:
                await self._change_or_wish(changes)
                try:
                    await self._look()
                except self._faults as fault:
                    _log.warning("registry.away", detail=type(fault).__name__)
                    await self._clock.sleep(_RETRY_S)

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
            async with reading(self._sessions) as session:
                rows = await _rows(session, logins)
        except self._faults as fault:
            raise RegistryUnavailable(type(fault).__name__) from fault
        for entry in entries_of(rows, self._sealer):
            self._directory.put(entry)

    async def claim(self, route: Route, *, device_key: str, alias: str) -> Route:
        """See ``Registry.claim``."""
        now = self._clock.now()
        try:
            claim = await self._claimed(route, now) if route.claim is Claim.PENDING else route.claim
            async with self._sessions() as session, session.begin():
                await self._learn(session, route, claim, device_key=device_key, alias=alias, now=now)
        except self._faults as fault:
            raise RegistryUnavailable(type(fault).__name__) from fault
        aliases = route.aliases | {alias} if alias else route.aliases
        current = replace(route, claim=claim, device_key=device_key or route.device_key, aliases=aliases)
        self._directory.replace(current)
        # The snapshot file learns of it at the next look.
        self._again = True
        if claim is not route.claim:
            _log.info("feed.claimed", login=route.login, inverter_id=str(route.inverter_id), claim=claim)
        return current

    async def _claimed(self, route: Route, now: datetime) -> Claim:
        """Take the inverter's serial for it, unless another one holds it: the unique index decides (DESIGN 4.1)."""
        take = (
            update(Inverter)
            .where(Inverter.id == route.inverter_id, Inverter.owner_id == route.owner_id)
            .values(active_serial=Inverter.serial)
        )
        activate = (
            update(Feed)
            .where(Feed.id == route.feed_id, Feed.claim_state == ClaimState.PENDING)
            .values(claim_state=ClaimState.ACTIVE, activated_at=now)
        )
        try:
            async with self._sessions() as session, session.begin():
                await session.execute(take)
                await session.execute(activate)
        except IntegrityError:
            return Claim.DISPUTED
        return Claim.ACTIVE

    @staticmethod
    async def _learn(
        session: AsyncSession, route: Route, claim: Claim, *, device_key: str, alias: str, now: datetime
    ) -> None:
        if claim is Claim.DISPUTED:
            await session.execute(
                update(Feed)
                .where(Feed.id == route.feed_id, Feed.claim_state == ClaimState.PENDING)
                .values(claim_state=ClaimState.DISPUTED)
            )
        if device_key:
            bind = update(Feed).where(Feed.id == route.feed_id, Feed.device_key == "").values(device_key=device_key)
            await session.execute(bind)
        if alias:
            known = select(SerialAlias).where(SerialAlias.inverter_id == route.inverter_id, SerialAlias.serial == alias)
            if (await session.execute(known)).first() is None:
                session.add(SerialAlias(inverter_id=route.inverter_id, serial=alias, first_seen_at=now))

    async def _look(self) -> None:
        async with reading(self._sessions) as session:
            version = await registry_version(session)
        if version != self._directory.version or self._again:
            self._again = False
            await self._resync()

    async def _resync(self) -> None:
        """Everything anew. The version is read first: a change in between is found by the next look."""
        async with reading(self._sessions) as session:
            version = await registry_version(session)
            rows = await _rows(session, None)
        self._directory = directory_of(version, rows, self._sealer)
        _log.info("registry.synced", version=version, feeds=len(rows))
        await asyncio.to_thread(self._snapshot.save, rows)


async def _rows(session: AsyncSession, logins: Collection[str] | None) -> list[Row]:
    """One row for each feed, and one without a feed for logins that have none."""
    # A deleted inverter has no feed any more.
    present = Inverter.deleted_at.is_(None)
    query = (
        select(
            Login.name,
            Login.revoked_at,
            Feed.id,
            Feed.selector,
            Feed.dialect,
            Feed.claim_state,
            Feed.device_key,
            Inverter.id,
            Inverter.owner_id,
            Inverter.serial,
            Inverter.active_serial,
            Inverter.rated_power_w,
            Placement.state,
            Placement.bucket_id,
            Placement.bridge_token_sealed,
            OwnerPlacement.state,
            OwnerPlacement.server,
            OwnerPlacement.org_id,
        )
        .select_from(Login)
        .outerjoin(Feed, Feed.login == Login.name)
        .outerjoin(Inverter, and_(Inverter.id == Feed.inverter_id, Inverter.owner_id == Login.owner_id, present))
        .outerjoin(Placement, Placement.inverter_id == Inverter.id)
        .outerjoin(OwnerPlacement, OwnerPlacement.owner_id == Inverter.owner_id)
    )
    seen = select(SerialAlias.inverter_id, SerialAlias.serial)
    if logins is not None:
        query = query.where(Login.name.in_(logins))
        seen = seen.where(SerialAlias.inverter_id.in_(select(Feed.inverter_id).where(Feed.login.in_(logins))))
    aliases: dict[UUID, list[str]] = {}
    for inverter_id, serial in (await session.execute(seen)).all():
        aliases.setdefault(inverter_id, []).append(serial)
    return [Row.of(tuple(row), aliases) for row in (await session.execute(query)).all()]
