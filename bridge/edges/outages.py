"""The parts that carry untimed messages over an outage, put together: numbers and bounds, the file, the spreading."""

from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

from bridge.backlog import Backlog
from bridge.clock import Clock
from bridge.counters import Counters
from bridge.edges.kept_backlog import SqliteBacklog
from bridge.edges.sign_of_life import SignOfLife
from bridge.edges.spool import SqliteSpool
from bridge.keeper import Keeper
from bridge.pipeline import Pipeline
from bridge.ports import Packet, Registry
from bridge.spreading import Spreading
from bridge.writer import Writer
from schema.settings import BridgeSettings


class Outages:
    """``backlog`` is for the pipeline; ``connect`` comes when the other parts are there, ``start`` before they run."""

    def __init__(
        self,
        settings: BridgeSettings,
        spool: SqliteSpool,
        counters: Counters,
        clock: Clock,
        *,
        connected_at: Callable[[], datetime | None],
        packet_of: Callable[[int], Packet],
    ) -> None:
        self._counters = counters
        self._clock = clock
        longest = timedelta(seconds=settings.session_expiry_s)
        self._most_unacknowledged = settings.receive_maximum
        self.backlog = Backlog(
            connected_at,
            longest=longest,
            share=settings.spool_max_bytes // 2,
            packet_of=packet_of,
            most_unacknowledged=self._most_unacknowledged,
        )
        self._kept = SqliteBacklog(spool, counters)
        self._sign = SignOfLife(settings.data_dir / "sign-of-life", self.backlog, clock)

    def connect(self, *, keeper: Keeper, pipeline: Pipeline, registry: Registry, writer: Writer) -> Spreading:
        """The way of untimed messages between these."""
        self.spreading = Spreading(
            backlog=self.backlog,
            kept=self._kept,
            keeper=keeper,
            pipeline=pipeline,
            registry=registry,
            spooled=writer.spooled,
            counters=self._counters,
            clock=self._clock,
        )
        return self.spreading

    def marker(self) -> None:
        """See ``Spreading.marker``."""
        self.spreading.marker()

    async def start(self) -> None:
        """Go on where the process before ended. Raises ``SpoolUnavailable``."""
        self.backlog.start(await self._kept.known(self._most_unacknowledged), self._sign.before)

    def loops(self) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        """What runs for ever."""
        return {"backlog": self.spreading.run, "sign_of_life": self._sign.run}

    def close(self) -> None:
        """Let go of the file."""
        self._sign.close()
