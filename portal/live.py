"""One listener per process on the bridge's live rows, fanned out to open pages: the newest row per inverter, no queue.

Whoever subscribes names the inverters it may see; whether it still may is asked again where the events are written
(``portal.dashboard.events``), not here.
"""

import asyncio
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from schema import live
from schema.changes import Changes, Channel
from schema.models import LiveRow

_log = structlog.get_logger(__name__)

MOST_OF_ONE = 20
"""Open pages of one account that are served at a time; the oldest ends where one more comes."""

_PAUSE_S = 1.0


class Subscription:
    """One open page's letter box: it holds at most one row per inverter, the newest."""

    def __init__(self, inverters: Collection[UUID], who: UUID | None = None) -> None:
        self.who = who
        self.inverters = frozenset(inverters)
        self.closed = False
        self._rows: dict[UUID, LiveRow] = {}
        self._news = asyncio.Event()

    def offer(self, row: LiveRow) -> None:
        """Put the row in, in place of an older one of the same inverter."""
        if row.inverter_id in self.inverters:
            self._rows[row.inverter_id] = row
            self._news.set()

    def close(self) -> None:
        """End it: whoever waits is woken with nothing."""
        self.closed = True
        self._news.set()

    async def take(self, timeout_s: float) -> Sequence[LiveRow]:
        """The rows since the last call, waiting up to ``timeout_s`` for the first; empty after that, or when closed."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        except TimeoutError:
            return ()
        if not self.closed:
            self._news.clear()
        rows, self._rows = self._rows, {}
        return tuple(rows.values())


class LiveFeed:
    """Reads what is newer than what it has whenever the bridge announces a change, and hands it to the subscribers."""

    def __init__(self, url: str, engine: AsyncEngine) -> None:
        self._url = url
        self._engine = engine
        self._version = 0
        # Oldest first.
        self._subscriptions: dict[Subscription, None] = {}
        self.failures = 0

    @property
    def listeners(self) -> int:
        """How many pages are listening."""
        return len(self._subscriptions)

    @contextmanager
    def subscribed(self, inverters: Collection[UUID], *, who: UUID | None = None) -> Iterator[Subscription]:
        """A subscription of the account ``who`` for as long as the block runs."""
        others = [one for one in self._subscriptions if one.who == who and not one.closed]
        if who is not None and len(others) >= MOST_OF_ONE:
            others[0].close()
        subscription = Subscription(inverters, who)
        self._subscriptions[subscription] = None
        try:
            yield subscription
        finally:
            del self._subscriptions[subscription]

    async def run(self) -> None:
        """Listen until cancelled; a database that is away is asked again every second."""
        try:
            while True:
                try:
                    await self._listen()
                except Exception:  # noqa: BLE001  # one turn of a loop: logged, counted, tried again
                    self.failures += 1
                    _log.exception("live.lost")
                    await asyncio.sleep(_PAUSE_S)
        finally:
            self.close()

    def close(self) -> None:
        """End every open stream, so that a stopping server has nobody left to wait for."""
        for subscription in self._subscriptions:
            subscription.close()

    async def _listen(self) -> None:
        self._version = await live.newest_version(self._engine)
        async with Changes(self._url, Channel.LIVE) as changes:
            while True:
                await changes.wait()
                await self._turn()

    async def _turn(self) -> None:
        """Hand out what is new. Without a listener only the version is followed: a new page reads the rows itself."""
        if not self._subscriptions:
            newest = await live.newest_version(self._engine)
            if not self._subscriptions:
                self._version = newest
            return
        rows = await live.newer(self._engine, self._version)
        if not rows:
            # Below what is known where the newest row was erased: a bridge that starts then counts on from there.
            self._version = min(self._version, await live.newest_version(self._engine))
        for row in rows:
            self._version = max(self._version, row.version)
            for subscription in self._subscriptions:
                subscription.offer(row)
