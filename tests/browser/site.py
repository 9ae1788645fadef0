"""The portal behind a real uvicorn in a thread, over SQLite and the embedded store, with people and days of readings.

The bridge is not here: its live rows and points are written by hand. Alice's zone is one where it is afternoon now, so
that "today" has a curve whenever the tests run.
"""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import uvicorn
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from portal.accounts import service as accounts
from portal.app import create_app, make_parts
from portal.auth import make_auth
from portal.parts import Parts
from schema import live, migrate
from schema.database import create_engine_for, sessions_for
from schema.live import open_live
from schema.models import Audience, Base, Grant, Inverter, LoginSession, Placement, PlacementState
from schema.readings import Reading
from schema.timeseries.line_protocol import encode
from schema.timeseries.port import Destination
from schema.timeseries.stores import open_reader, open_writer
from tests.portal_app import CHEAP, portal_settings
from tests.services import free_port
from tests.watts import afternoon_zone, live_row

ResultT = TypeVar("ResultT")

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account, signed in on one device."""

    account_id: UUID
    owner_id: UUID
    session_id: UUID
    cookie: dict[str, Any] = field(repr=False, compare=False)


class Site:
    """What a test may do with the running portal, from its own thread."""

    def __init__(self, url: str, parts: Parts, loop: asyncio.AbstractEventLoop) -> None:
        self.url = url
        self.parts = parts
        self._loop = loop
        self._writer = open_writer(parts.settings.store, path=parts.settings.readings_path)
        self._version = 0

    def do(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Run it where the portal runs, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def close(self) -> None:
        """Let the store's file go."""
        self.do(self._writer.close())

    def person(self, email: str, *, zone: str | None = None, admin: bool = False) -> Person:
        """An account that has confirmed its address and is signed in."""
        return self.do(self._person(email, zone or afternoon_zone(datetime.now(UTC)), admin=admin))

    async def _person(self, email: str, zone: str, *, admin: bool) -> Person:
        now = datetime.now(UTC)
        hashed = await self.parts.passwords.hashed(PASSWORD)
        async with self.parts.sessions.begin() as session:
            account = await accounts.create(session, email, hashed, zone, now=now, is_admin=admin)
            assert account is not None
            await accounts.mark_verified(session, account.id, now=now)
            row = LoginSession(
                id=uuid4(),
                account_id=account.id,
                audience=Audience.PAGE,
                created_at=now,
                proved_at=now,
                expires_at=now + timedelta(days=1),
            )
            session.add(row)
            owner_id = await _owner_of(session, account.id)
        cookie = make_auth(self.parts.settings).page_cookie(row)
        return Person(account.id, owner_id, row.id, {"name": cookie.key, "value": cookie.value, "url": self.url})

    def inverter(self, person: Person, name: str, serial: str) -> UUID:
        """An inverter whose place is ready."""
        return self.do(self._inverter(person, name, serial))

    async def _inverter(self, person: Person, name: str, serial: str) -> UUID:
        now = datetime.now(UTC)
        made = Inverter(id=uuid4(), owner_id=person.owner_id, name=name, serial=serial, created_at=now)
        async with self.parts.sessions.begin() as session:
            session.add(made)
            await session.flush()
            session.add(Placement(inverter_id=made.id, state=PlacementState.READY, updated_at=now))
        return made.id

    def publish(
        self, inverter: UUID, values: dict[str, float], *, at: datetime | None = None, **columns: object
    ) -> None:
        """Write the live row as the bridge would after a reading."""
        self._version += 1
        row = live_row(inverter, values, version=self._version, at=at or datetime.now(UTC))
        self.do(live.put(self.parts.live_engine, [row | columns]))

    def add(self, *rows: Base) -> None:
        """Write rows as another process would."""
        self.do(self._add(rows))

    async def _add(self, rows: Sequence[Base]) -> None:
        async with self.parts.sessions.begin() as session:
            session.add_all(rows)

    def record(self, person: Person, inverter: UUID, readings: list[Reading]) -> None:
        """Write points into the store."""
        destination = Destination(inverter, person.owner_id)
        self.do(self._writer.write(destination, [encode(reading, serial="TEST") for reading in readings]))


async def _owner_of(session: AsyncSession, account_id: UUID) -> UUID:
    return (await session.scalars(select(Grant.owner_id).where(Grant.account_id == account_id))).one()


class _Server(uvicorn.Server):
    """Says when it answers."""

    ready: threading.Event

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Set the event once the port is open."""
        await super().startup(sockets)
        self.ready.set()


@asynccontextmanager
async def _portal(folder: Path, port: int) -> AsyncIterator[tuple[Parts, _Server]]:
    settings = portal_settings(folder, base_url=f"http://127.0.0.1:{port}")
    engine, live_engine = create_engine_for(settings.database_url), await open_live(settings.live_url)
    await migrate.upgrade(engine)
    reader = open_reader(settings.store, path=settings.readings_path)
    parts = make_parts(
        settings,
        sessions=sessions_for(engine),
        live_engine=live_engine,
        reader=reader,
        hasher=CHEAP,
        say=lambda _: None,
    )
    config = uvicorn.Config(
        create_app(parts), host="127.0.0.1", port=port, log_config=None, access_log=False, timeout_graceful_shutdown=1
    )
    try:
        yield parts, _Server(config)
    finally:
        await reader.close()
        await live_engine.dispose()
        await engine.dispose()


@contextmanager
def running_site(folder: Path) -> Iterator[Site]:
    """A portal that answers at ``site.url`` until the block ends."""
    port = free_port()
    ready = threading.Event()
    made: list[Any] = []

    async def serve() -> None:
        async with _portal(folder, port) as (parts, server):
            made.extend((parts, server, asyncio.get_running_loop()))
            server.ready = ready
            await server.serve()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="site", daemon=True)
    thread.start()
    assert ready.wait(20), "the portal did not start"
    parts, server, loop = made
    site = Site(f"http://127.0.0.1:{port}", parts, loop)
    try:
        yield site
    finally:
        site.close()
        parts.live_feed.close()
        server.should_exit = True
        thread.join(10)
