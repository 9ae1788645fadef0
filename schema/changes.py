"""How processes learn of each other's changes: a version to raise, an announcement to send, something to wait on.

PostgreSQL announces (NOTIFY) and every waiter also sweeps now and then, for notifications are lost while a connection
is down. SQLite has no announcements: there a waiter looks four times a second. Whoever wakes asks for what is newer
than what it has, so a spurious wake-up costs one small query and a lost one is made good by the next sweep.
"""

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from types import TracebackType
from typing import Any, NamedTuple, Self
from uuid import UUID

import structlog
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from schema.database import async_url, is_sqlite
from schema.database_faults import database_faults
from schema.models import ONLY_ROW, RegistryChange, RegistryVersion

_log = structlog.get_logger(__name__)

POLL_S = 0.25
SWEEP_S = 30.0
RECONNECT_S = 1.0
# A half-open connection is noticed after PING_S + ANSWER_S at the latest.
PING_S = 2.0
ANSWER_S = 3.0
# The server (from 14 on) ends a listener that has asked nothing for so long: an abandoned one does not stay.
_END_IF_ABANDONED = """
    SELECT set_config('idle_session_timeout', '10s', false) WHERE current_setting('server_version_num')::int >= 140000
"""
# Whoever is further behind reads the whole registry.
CHANGES_KEPT = 10_000


class Channel(StrEnum):
    """What changed."""

    REGISTRY = "registry"
    LIVE = "live"


async def announce(connection: AsyncSession | AsyncConnection, channel: Channel) -> None:
    """Wake the waiters of ``channel`` when this transaction commits; on SQLite they look by themselves."""
    bind = connection.get_bind() if isinstance(connection, AsyncSession) else connection
    if bind.dialect.name == "postgresql":
        await connection.execute(text(f"NOTIFY {channel.value}"))


async def registry_changed(
    session: AsyncSession, *, owner_id: UUID | None = None, inverter_id: UUID | None = None
) -> int:
    """Raise the registry's version in this transaction and announce it; returns the new version.

    The row stays locked until the commit, so versions become visible in their order and none is overlooked.
    ``inverter_id`` or ``owner_id`` say what the transaction changes beside it, all of it; without them every reader
    reads everything. A bridge's claims raise no version: nobody else keeps a copy of the registry, and a bridge that
    takes over reads it when it has the lease.
    """
    raised = update(RegistryVersion).where(RegistryVersion.id == ONLY_ROW).values(version=RegistryVersion.version + 1)
    version = (await session.execute(raised.returning(RegistryVersion.version))).scalar_one()
    await session.execute(insert(RegistryChange).values(version=version, owner_id=owner_id, inverter_id=inverter_id))
    await session.execute(delete(RegistryChange).where(RegistryChange.version <= version - CHANGES_KEPT))
    await announce(session, Channel.REGISTRY)
    return version


class Touched(NamedTuple):
    """What the versions after a known one, up to ``version``, have changed. ``mark`` is the newest one's."""

    version: int
    mark: UUID | None
    owners: set[UUID]
    inverters: set[UUID]


async def registry_touched(session: AsyncSession, known: int, mark: UUID | None, *, most: int) -> Touched | None:
    """What came after the version ``known``; None where only a look at everything tells: a change that names nothing,
    more than ``most`` of them, a gap, or a database that has not, or not with this ``mark``, what is known.
    """
    newest = await registry_version(session)
    if known < 0 or newest < known or newest - known > most:
        return None
    columns = select(RegistryChange.version, RegistryChange.mark, RegistryChange.owner_id, RegistryChange.inverter_id)
    rows = (
        await session.execute(columns.where(RegistryChange.version >= known).order_by(RegistryChange.version))
    ).all()
    # The first one is what is known already; it has no mark where nothing ever changed.
    if rows and rows[0][0] == known:
        if rows[0][1] != mark:
            return None
        rows = rows[1:]
    elif mark is not None:
        return None
    # What was committed after the version was read is in order, so the last one is the newest.
    newest = max([newest, *(row[0] for row in rows)])
    if len(rows) != newest - known or any(row[2] is None and row[3] is None for row in rows):
        return None
    owners, inverters = {row[2] for row in rows if row[2]}, {row[3] for row in rows if row[3]}
    return Touched(newest, rows[-1][1] if rows else mark, owners, inverters)


async def registry_state(session: AsyncSession) -> tuple[int, UUID | None]:
    """The newest committed version and its mark; no mark where nothing has changed yet."""
    marked = select(RegistryVersion.version, RegistryChange.mark).outerjoin(
        RegistryChange, RegistryChange.version == RegistryVersion.version
    )
    version, mark = (await session.execute(marked)).one()
    return version, mark


async def registry_version(session: AsyncSession) -> int:
    """The newest committed version."""
    return (await session.execute(select(RegistryVersion.version))).scalar_one()


class Changes:
    """Waits for one channel: ``async with Changes(url, Channel.LIVE) as changes: await changes.wait()``."""

    def __init__(self, url: str, channel: Channel, *, sweep_s: float = SWEEP_S) -> None:
        self._url = url
        self._channel = channel
        self._sweep_s = sweep_s
        self._happened = asyncio.Event()
        self._listener: asyncio.Task[None] | None = None
        self._lost = False

    async def __aenter__(self) -> Self:
        if not is_sqlite(self._url):
            self._listener = asyncio.create_task(self._listen(), name=f"changes.{self._channel}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listener:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)

    async def wait(self) -> None:
        """Return after a change, or after the sweep interval; on SQLite after a quarter of a second."""
        if self._listener is None:
            await asyncio.sleep(POLL_S)
            return
        try:
            # Not wait_for: until Python 3.12 it forgets a cancellation that meets its wake-up (measured: 29 of 30).
            async with asyncio.timeout(self._sweep_s):
                await self._happened.wait()
        except TimeoutError:
            return
        finally:
            self._happened.clear()

    async def _listen(self) -> None:
        """Hold one connection that listens; each new one wakes the waiter, for what the old one missed."""
        import asyncpg  # noqa: PLC0415  # 3 MB that a home on SQLite need not pay

        faults = database_faults(self._url)
        while True:
            try:
                await self._listen_once(asyncpg.connect)
            except faults as error:
                if not self._lost:
                    _log.warning("changes.lost", channel=self._channel, error=type(error).__name__)
                self._lost = True
            except Exception:  # noqa: BLE001  # one turn of a loop: nobody would notice that the listener has ended
                _log.exception("changes.fault", channel=self._channel)
            await asyncio.sleep(RECONNECT_S)

    async def _listen_once(self, connect: Callable[..., Awaitable[Any]]) -> None:
        connection = await connect(
            async_url(self._url).replace("+asyncpg", "", 1),
            timeout=ANSWER_S,
            command_timeout=ANSWER_S,
        )
        try:
            await connection.execute(_END_IF_ABANDONED)
            await connection.add_listener(self._channel.value, lambda *_: self._happened.set())
            self._happened.set()
            self._lost = False
            while not connection.is_closed():
                # A half-open connection answers nothing: ask it something now and then.
                await connection.execute("SELECT 1")
                await asyncio.sleep(PING_S)
        finally:
            connection.terminate()
