"""The whole middle of the bridge, from the receiver to the writer, between a fake session and a fake store."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.claims import Claims
from bridge.counters import Counters
from bridge.keeper import Keeper
from bridge.lanes import Limits
from bridge.pipeline import Pipeline
from bridge.receiver import Receiver
from bridge.refusals import Reason
from bridge.routes import Route
from bridge.writer import Writer
from tests.fake_spool import FakeSpool
from tests.fakes import FakeLive, FakeRegistry, FakeSession, FakeStore, FakeTime
from tests.waiting import until


class Bench:
    """The whole middle of the bridge, between a fake session and a fake store."""

    def __init__(self, *routes: Route, receive_maximum: int = 1000) -> None:
        self.session, self.spool, self.store, self.time = FakeSession(), FakeSpool(), FakeStore(), FakeTime()
        self.registry, self.live, self.counters = FakeRegistry(*routes), FakeLive(), Counters()
        clock = self.time.clock()
        self.keeper = Keeper(self.spool, self.session, self.counters, clock)
        self.writer = Writer(
            store=self.store,
            registry=self.registry,
            keeper=self.keeper,
            spool=self.spool,
            counters=self.counters,
            clock=clock,
            live=FakeLive(),
            limits=Limits(hold_s=2.0, probe_s=5.0, workers=2),
        )
        self.claims = Claims(
            registry=self.registry, writer=self.writer, keeper=self.keeper, counters=self.counters, clock=clock
        )
        self.pipeline = Pipeline(
            directory=lambda: self.registry.directory,
            live=self.live,
            counters=self.counters,
            reading_max_bytes=16_384,
            monotonic=lambda: self.time.seconds,
        )
        self.receiver = Receiver(
            session=self.session,
            pipeline=self.pipeline,
            writer=self.writer,
            keeper=self.keeper,
            claims=self.claims,
            spool=self.spool,
            counters=self.counters,
            clock=clock,
            receive_maximum=receive_maximum,
        )

    def send(self, topic: str, *payloads: str) -> None:
        """Messages that arrive at once."""
        self.receiver.take([self.session.deliver(topic, payload) for payload in payloads])

    async def quiet(self) -> None:
        """Everything has found its end."""
        await until(lambda: not (self.claims.pending or self.writer.pending or self.keeper.pending))

    @property
    def reasons(self) -> list[Reason]:
        """Why messages were set aside."""
        return [letter.reason for letter in self.spool.letters]


@asynccontextmanager
async def at_work(bench: Bench) -> AsyncIterator[Bench]:
    """Writer, keeper and claims run."""
    loops = [bench.writer.work(), bench.keeper.run(), bench.claims.run(bench.receiver.take)]
    tasks = [asyncio.create_task(loop) for loop in loops]
    yield bench
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
