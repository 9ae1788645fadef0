"""Keeps the table of InfluxDB servers: which there are, and what each says about itself. It changes nothing there."""

from collections.abc import Callable, Sequence
from datetime import datetime

import structlog
from sqlalchemy import delete, select, update

from schema.database import Sessions
from schema.influx_servers import InfluxServer
from schema.models import OwnerMove, OwnerPlacement, StoreServer
from schema.timeseries.management import StoreFigures
from schema.timeseries.port import StoreError

_log = structlog.get_logger(__name__)

# Its answer names each shard twenty times: 4 MB with a thousand of them.
LOOK_EVERY_S = 120.0
LOOK_AGAIN_S = 15.0
NAMED_NOWHERE = "The provisioner has no operator token for it any more: it stands in no setting."
_MB = 1024**2
_ERROR_LENGTH = 300


class ServerRows:
    """The rows are those of the settings, once for each start of the process."""

    def __init__(self, sessions: Sessions, servers: Sequence[InfluxServer]) -> None:
        self._sessions = sessions
        self._servers = servers
        self._written = False

    async def turn(self) -> float | None:
        """Write what the operator says; a server that nobody names stays only while somebody's readings lie there."""
        if self._written:
            return None
        urls = [one.url for one in self._servers]
        used = select(OwnerPlacement.server).union(select(OwnerMove.server).where(OwnerMove.org_id != ""))
        async with self._sessions.begin() as session:
            for one in self._servers:
                row = await session.get(StoreServer, one.url)
                if row is None:
                    row = StoreServer(url=one.url, buckets=0, version="", last_error="")
                    session.add(row)
                row.open, row.capacity_buckets, row.files_limit = one.open, one.capacity_buckets, one.open_files
                row.memory_limit_bytes = None if one.memory_mb is None else one.memory_mb * _MB
            stranger = StoreServer.url.not_in(urls)
            await session.execute(delete(StoreServer).where(stranger, StoreServer.url.not_in(used)))
            await session.execute(update(StoreServer).where(stranger).values(open=False, last_error=NAMED_NOWHERE))
            for url in (await session.scalars(used)).all():
                # Somebody was placed there before this table was kept.
                if url and await session.get(StoreServer, url) is None:
                    lost = {"open": False, "capacity_buckets": 0, "buckets": 0, "version": ""}
                    session.add(StoreServer(url=url, last_error=NAMED_NOWHERE, **lost))
        self._written = True
        return None


class Figures:
    """What one server says now and then. ``clock`` is monotonic seconds, ``now`` the wall clock (UTC)."""

    def __init__(
        self,
        sessions: Sessions,
        url: str,
        asked: StoreFigures,
        *,
        clock: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self._sessions = sessions
        self._url = url
        self._asked = asked
        self._clock = clock
        self._now = now
        self._due = clock()
        self._away = False

    async def turn(self) -> float | None:
        """Look if it is time to; seconds until the next look."""
        if self._clock() >= self._due:
            well = await self._look()
            self._due = self._clock() + (LOOK_EVERY_S if well else LOOK_AGAIN_S)
        return max(0.0, self._due - self._clock())

    async def _look(self) -> bool:
        try:
            seen = await self._asked.figures()
        except StoreError as error:
            if not self._away:
                _log.warning("server.silent", server=self._url, error=str(error))
            self._away = True
            await self._write(last_error=str(error)[:_ERROR_LENGTH])
            return False
        self._away = False
        await self._write(
            version=seen.version,
            **({} if seen.buckets is None else {"buckets": seen.buckets}),
            shards=seen.shards,
            memory_bytes=seen.memory_bytes,
            checked_at=self._now(),
            last_error="",
        )
        return True

    async def _write(self, **columns: object) -> None:
        async with self._sessions.begin() as session:
            await session.execute(update(StoreServer).where(StoreServer.url == self._url).values(**columns))
