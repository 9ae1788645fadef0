"""The parts of a bridge that a backlog goes through, on a real spool file, to be killed before any transaction."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from bridge.backlog import Backlog
from bridge.counters import Counters
from bridge.edges.kept_backlog import SqliteBacklog
from bridge.edges.spool import SqliteSpool
from bridge.keeper import Keeper
from bridge.kept import Entry, SpoolUnavailable
from bridge.pipeline import Decisions, Pipeline
from bridge.routes import Route
from bridge.spreading import Spreading
from schema.timeseries.line_protocol import from_milliseconds, parse
from tests.fakes import NOON, FakeLive, FakeRegistry, FakeSession, FakeTime
from tests.waiting import until, until_async

HOUR = timedelta(hours=1)
UNACKNOWLEDGED = 100
Point = tuple[datetime, dict[str, float]]


class KilledAfter(SqliteBacklog):
    """Dies before the transaction with this number; the next ``failing`` ones find no room."""

    turns = 1_000_000
    failing = 0

    async def turn(self, records: Sequence[int], entries: Sequence[Entry]) -> None:
        if self.failing:
            self.failing -= 1
            raise SpoolUnavailable("full")
        self.turns -= 1
        if self.turns < 0:
            await asyncio.Event().wait()
        await super().turn(records, entries)


class Process:
    """The parts of a bridge that a backlog goes through."""

    def __init__(self, path: Path, registry: FakeRegistry, *, max_bytes: int, dies_after: int) -> None:
        self.counters, self.session, self.live, time = Counters(), FakeSession(), FakeLive(), FakeTime()
        clock = time.clock()
        self.registry = registry
        self.spool = SqliteSpool(path, max_bytes=max_bytes, counters=self.counters)
        self.kept = KilledAfter(self.spool, self.counters)
        self.kept.turns = dies_after
        self.connected_at: datetime | None = None
        self.backlog = Backlog(
            lambda: self.connected_at,
            longest=timedelta(days=7),
            share=max_bytes // 2,
            packet_of=self.session.window.packet,
            most_unacknowledged=UNACKNOWLEDGED,
        )
        self.keeper = Keeper(self.spool, self.session, self.counters, clock)
        self.pipeline = Pipeline(
            directory=lambda: registry.directory,
            live=self.live,
            counters=self.counters,
            reading_max_bytes=1000,
            monotonic=clock.monotonic,
            backlog=self.backlog,
        )
        self.spooled: dict[UUID, int] = {}
        self.spreading = Spreading(
            backlog=self.backlog,
            kept=self.kept,
            keeper=self.keeper,
            pipeline=self.pipeline,
            registry=registry,
            spooled=self._more,
            counters=self.counters,
            clock=clock,
        )

    def _more(self, inverter_id: UUID, lines: int, size: int) -> None:
        assert size > 0
        self.spooled[inverter_id] = self.spooled.get(inverter_id, 0) + lines

    def send(self, topic: str, payload: str, *, again: int = 0) -> Decisions:
        """One message of the backlog; what is kept of it is on its way to the disk. See ``FakeSession.deliver``."""
        delivery = self.session.deliver(topic, payload, at=NOON + HOUR, again=again)._replace(backlog=True)
        out = Decisions()
        self.pipeline.take(delivery, out)
        self.spreading.keep(out.untimed)
        self.keeper.settle([*out.settled, *out.kept], "not_a_reading")  # type: ignore[arg-type]  # any outcome
        return out

    async def durable(self) -> None:
        """Everything kept is committed and acknowledged."""
        await until(lambda: not self.keeper.pending)

    async def nothing_left(self) -> None:
        """Everything kept is committed, and every outage that is over is spread."""

        async def gone() -> bool:
            return not self.keeper.pending and await self.kept.closed() == []

        await until_async(gone, limit_s=20.0)

    async def points(self, one: Route) -> list[Point]:
        """What the spool holds for the store."""
        lines = [parse(kept.line) for kept in await self.spool.oldest_lines(one.inverter_id, lines=10_000, size=10**9)]
        return [(from_milliseconds(line.at_ms), dict(line.fields)) for line in lines]


@asynccontextmanager
async def process(
    path: Path, registry: FakeRegistry, *, max_bytes: int = 10**9, dies_after: int = 1_000_000
) -> AsyncIterator[Process]:
    """A process that was away from noon on and is back an hour later."""
    one = Process(path, registry, max_bytes=max_bytes, dies_after=dies_after)
    one.backlog.start(await one.kept.known(UNACKNOWLEDGED), NOON)
    one.connected_at = NOON + HOUR
    tasks = [asyncio.create_task(one.keeper.run()), asyncio.create_task(one.spreading.run())]
    try:
        yield one
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        one.spool.close()


def cycles(send: Callable[[str, str], object], login: str, count: int) -> None:
    for number in range(count):
        send(f"deye/{login}/logger_status", "online")
        send(f"deye/{login}/ac/active_power", f"{number}.0")
        send(f"deye/{login}/day_energy", "1.5")
