"""A writer with everything around it faked: session, spool, store, registry and time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from bridge.batch import Parcel
from bridge.counters import Counters
from bridge.keeper import Keeper
from bridge.lanes import Limits
from bridge.routes import Route
from bridge.writer import Writer
from tests.fake_spool import FakeSpool
from tests.fakes import FakeLive, FakeRegistry, FakeSession, FakeStore, FakeTime
from tests.waiting import until

HOLD_S = 2.0


class Bench:
    """A writer with everything around it faked; ``sweep`` moves the time and looks after the lanes."""

    def __init__(
        self, *routes: Route, workers: int = 4, spool: FakeSpool | None = None, share_bytes: int = 1_000_000
    ) -> None:
        self.session, self.store, self.time = FakeSession(), FakeStore(), FakeTime()
        self.spool = spool or FakeSpool()
        self.live = FakeLive()
        self.registry = FakeRegistry(*routes)
        self.counters = Counters()
        clock = self.time.clock()
        self.keeper = Keeper(self.spool, self.session, self.counters, clock)
        self.writer = Writer(
            store=self.store,
            registry=self.registry,
            keeper=self.keeper,
            spool=self.spool,
            live=self.live,
            counters=self.counters,
            clock=clock,
            limits=Limits(hold_s=HOLD_S, probe_s=5.0, workers=workers, share_bytes=share_bytes),
        )

    def send(self, inverter_id: UUID, *lines: bytes) -> None:
        """Lines that each settle a message of their own."""
        parcels = [
            Parcel(
                inverter_id=inverter_id,
                line=line,
                tokens=[self.session.deliver("deye/x/y", line).token],
                since=self.time.seconds,
            )
            for line in lines
        ]
        self.writer.add(parcels)

    async def sweep(self, seconds: float = 0.1) -> None:
        """Let time pass and everything come to rest."""
        self.time.seconds += seconds
        self.writer.look_after()
        for _ in range(40):
            await asyncio.sleep(0)

    async def quiet(self) -> None:
        """Everything that was sent has found its end."""
        await until(lambda: not self.writer.pending and not self.keeper.pending)


@asynccontextmanager
async def at_work(bench: Bench) -> AsyncIterator[Bench]:
    """The workers and the keeper run, and end in order when they are stopped."""
    await bench.writer.start()
    tasks = [asyncio.create_task(loop) for loop in (bench.writer.work(), bench.keeper.run())]
    yield bench
    for task in tasks:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ended), ended


def balanced(bench: Bench) -> bool:
    """Whether received = settled + in the window + dropped."""
    window = bench.session.window
    return window.received == window.settled + len(window) + window.dropped
