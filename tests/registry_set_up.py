"""A registry over a database with owners, without broker and bridge around it."""

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

from sqlalchemy import event, select, update

from bridge.clock import Clock
from bridge.edges.registry import SqlRegistry
from bridge.edges.snapshot import SnapshotFile
from schema.changes import registry_changed
from schema.database import Sessions, create_engine_for, sessions_for
from schema.models import Feed, Inverter, Login, Owner, OwnerPlacement, Placement, PlacementState
from schema.sealing import AesSealer
from schema.verifiers import new_login
from tests.databases import bring_up_to_date
from tests.waiting import until

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
PATIENCE_S = 2.0


class Site:
    """A database and the folder of the bridges that read it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.sealer = AesSealer(base64.b64encode(os.urandom(32)).decode())
        self.engine = create_engine_for(url)
        self.sessions: Sessions = sessions_for(self.engine)
        self.snapshot = SnapshotFile(folder / "snapshot.db")

    async def pair(self, *, names_it: bool = True, pause_s: float = 0.0) -> tuple[str, UUID]:
        """A new owner, inverter, login and ready place, in one transaction that lasts ``pause_s`` longer."""
        login, inverter_id = new_login(), uuid4()
        async with self.sessions() as session, session.begin():
            owner = Owner(id=uuid4(), name="an owner", created_at=NOW)
            session.add(owner)
            version = await registry_changed(session, inverter_id=inverter_id if names_it else None)
            await session.flush()
            session.add(OwnerPlacement(owner_id=owner.id, state=PlacementState.READY, updated_at=NOW))
            session.add(Inverter(id=inverter_id, owner_id=owner.id, name="roof", serial="2711111111", created_at=NOW))
            session.add(
                Login(name=login, owner_id=owner.id, verifier="-", registry_version=version, created_at=NOW),
            )
            await session.flush()
            session.add(Feed(login=login, inverter_id=inverter_id))
            sealed = self.sealer.seal("token", row=f"placement:{inverter_id}:bridge")
            session.add(
                Placement(
                    inverter_id=inverter_id, state=PlacementState.READY, updated_at=NOW, bridge_token_sealed=sealed
                )
            )
            await session.flush()
            await asyncio.sleep(pause_s)
        return login, inverter_id

    async def revoke(self, login: str, inverter_id: UUID) -> int:
        """Withdraw the login; the version that does it."""
        async with self.sessions() as session, session.begin():
            version = await registry_changed(session, inverter_id=inverter_id)
            await session.execute(update(Login).where(Login.name == login).values(revoked_at=NOW))
        return version

    @asynccontextmanager
    async def registry(
        self, *, url: str = "", sweep_s: float = 30.0, following: bool = True
    ) -> AsyncIterator["Watched"]:
        """A registry that has started and, unless told otherwise, follows the database."""
        engine = create_engine_for(url or self.url, patience_s=PATIENCE_S, pooled=False)
        watched = Watched(
            SqlRegistry(
                sessions=sessions_for(engine),
                url=url or self.url,
                sealer=self.sealer,
                snapshot=self.snapshot,
                clock=Clock(),
                sweep_s=sweep_s,
            )
        )
        event.listen(engine.sync_engine, "before_cursor_execute", watched.note)
        await watched.registry.start()
        task = asyncio.create_task(watched.registry.run()) if following else None
        try:
            yield watched
        finally:
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            await engine.dispose()


class Watched:
    """A registry and the statements it has sent."""

    def __init__(self, registry: SqlRegistry) -> None:
        self.registry = registry
        self.statements: list[str] = []

    def note(self, *arguments: object) -> None:
        """What SQLAlchemy is about to execute."""
        self.statements.append(str(arguments[2]))

    @property
    def version(self) -> int:
        """The version that is applied."""
        return self.registry.directory.version

    async def applied(self, version: int, *, limit_s: float = 15.0) -> None:
        """Wait until the directory has reached this version."""
        await until(lambda: self.version >= version, limit_s=limit_s)

    def knows(self, login: str) -> bool:
        """Whether the login is known and not withdrawn."""
        entry = self.registry.directory.login(login)
        return entry is not None and not entry.revoked

    def token(self, inverter_id: UUID) -> str:
        """The token with which this inverter's points are written now."""
        destination = self.registry.directory.destination(inverter_id)
        return destination.token if destination else ""


@asynccontextmanager
async def site(folder: Path, url: str) -> AsyncIterator[Site]:
    """A migrated database."""
    made = Site(folder, url)
    await bring_up_to_date(made.engine)
    try:
        yield made
    finally:
        await made.engine.dispose()


async def fleet(place: Site, count: int) -> list[str]:
    """Logins of one owner, with feeds of one inverter; one change that names nothing."""
    first, inverter_id = await place.pair()
    async with place.sessions() as session, session.begin():
        owner_id = (await session.scalars(select(Login.owner_id))).one()
        names = [f"FLEET{number:05}".replace("0", "Z").replace("1", "Y") for number in range(count - 1)]
        session.add_all(
            [Login(name=name, owner_id=owner_id, verifier="-", registry_version=1, created_at=NOW) for name in names]
        )
        await session.flush()
        session.add_all([Feed(login=name, inverter_id=inverter_id) for name in names])
        await registry_changed(session)
    return [first, *names]
