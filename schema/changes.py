"""How processes learn of each other's changes: a version to raise, an announcement to send, something to wait on.

PostgreSQL announces (NOTIFY) and every waiter also sweeps now and then, for notifications are lost while a connection
is down. SQLite has no announcements: there a waiter looks four times a second. Whoever wakes asks for what is newer
than what it has, so a spurious wake-up costs one small query and a lost one is made good by the next sweep.
"""

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

import structlog
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from schema.database import async_url, is_sqlite
from schema.models import ONLY_ROW, RegistryVersion

_log = structlog.get_logger(__name__)

POLL_S = 0.25
SWEEP_S = 30.0
RECONNECT_S = 1.0


class Channel(StrEnum):
    """What changed."""

    REGISTRY = "registry"
    LIVE = "live"


async def announce(connection: AsyncSession | AsyncConnection, channel: Channel) -> None:
    """Wake the waiters of ``channel`` when this transaction commits; on SQLite they look by themselves."""
    bind = connection.get_bind() if isinstance(connection, AsyncSession) else connection
    if bind.dialect.name == "postgresql":
        await connection.execute(text(f"NOTIFY {channel.value}"))


async def registry_changed(session: AsyncSession) -> int:
    """Raise the registry's version in this transaction and announce it; returns the new version.

    The row stays locked until the commit, so versions become visible in their order and none is overlooked.
    """
    raised = update(RegistryVersion).where(RegistryVersion.id == ONLY_ROW).values(version=RegistryVersion.version + 1)
    version = (await session.execute(raised.returning(RegistryVersion.version))).scalar_one()
    await announce(session, Channel.REGISTRY)
    return version


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

        while True:
            try:
                await self._listen_once(asyncpg.connect)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                _log.warning("changes.lost", channel=self._channel, error=type(error).__name__)
            await asyncio.sleep(RECONNECT_S)

    async def _listen_once(self, connect: Callable[[str], Awaitable[Any]]) -> None:
        connection = await connect(async_url(self._url).replace("+asyncpg", "", 1))
        try:
            await connection.add_listener(self._channel.value, lambda *_: self._happened.set())
            self._happened.set()
            while not connection.is_closed():
                # A half-open connection answers nothing: ask it something within the sweep interval.
                await connection.execute("SELECT 1", timeout=self._sweep_s)
                await asyncio.sleep(self._sweep_s)
        finally:
            connection.terminate()
