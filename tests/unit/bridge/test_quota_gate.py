"""What is beyond a login's quota ends at the gate: counted durably, acknowledged then, shown, and never decoded."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bridge.beyond import Beyond
from bridge.counters import Counters
from bridge.gate import Gate
from bridge.keeper import Keeper, Outcome
from bridge.ports import Delivery
from bridge.quotas import Quota, Quotas
from bridge.refusals import Reason
from tests.fake_spool import FakeSpool
from tests.fakes import ALICE_LOGIN, BOB_LOGIN, FakeLive, FakeRegistry, FakeSession, FakeTime, route
from tests.waiting import until

pytestmark = pytest.mark.unit


class Bench:
    """A gate for Alice and Bob, who may send five messages at once and one a second."""

    def __init__(self) -> None:
        self.session, self.spool, self.time, self.live = FakeSession(), FakeSpool(), FakeTime(), FakeLive()
        self.counters = Counters()
        clock = self.time.clock()
        self.alice, self.bob = route(), route(BOB_LOGIN)
        self.keeper = Keeper(self.spool, self.session, self.counters, clock)
        registry = FakeRegistry(self.alice, self.bob)
        self.gate = Gate(
            Quotas(Quota(per_s=1.0, burst=5, patience_s=10.0, quarantine_s=60.0)),
            Beyond(self.keeper, self.live, self.counters),
            lambda: registry.directory,
            clock,
        )

    def send(self, login: str, count: int) -> list[Delivery]:
        """Messages of one login; those that were let in."""
        return list(self.gate.admit([self.session.deliver(f"deye/{login}/reading", "{}") for _ in range(count)]))


@asynccontextmanager
async def _at_work() -> AsyncIterator[Bench]:
    bench = Bench()
    task = asyncio.create_task(bench.keeper.run())
    yield bench
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_is_beyond_is_counted_shown_and_acknowledged_and_the_neighbour_is_let_in() -> None:
    """Alice sends a hundred, Bob one."""
    async with _at_work() as bench:
        hers = bench.send(ALICE_LOGIN, 100)
        his = bench.send(BOB_LOGIN, 1)
        await until(lambda: not bench.keeper.pending)

    assert (len(hers), len(his)) == (5, 1)
    assert bench.spool.tallies == {(ALICE_LOGIN, Reason.TOO_FAST): 95}
    assert bench.counters.outcomes == {Outcome.OVER_QUOTA: 95}
    assert len(bench.session.acknowledged) == 95
    ((inverter_id, reason, detail),) = bench.live.refusals
    assert (inverter_id, reason) == (bench.alice.inverter_id, Reason.TOO_FAST)
    assert "1 messages a second" in detail


async def test_nothing_is_acknowledged_before_it_is_counted_durably() -> None:
    """While the spool cannot be written, the broker hears nothing, not even of what is beyond."""
    async with _at_work() as bench:
        bench.spool.broken = True
        bench.send(ALICE_LOGIN, 20)
        await until(lambda: bench.counters.spool_failures >= 2)
        before = list(bench.session.acknowledged)

        bench.spool.broken = False
        await until(lambda: not bench.keeper.pending)

    assert before == []
    assert len(bench.session.acknowledged) == 15


async def test_a_quarantine_says_until_when() -> None:
    """In the sentence that the owner reads."""
    async with _at_work() as bench:
        for _ in range(12):
            bench.send(ALICE_LOGIN, 20)
            bench.time.seconds += 1.0
        bench.live.refusals.clear()
        admitted = bench.send(ALICE_LOGIN, 3)
        await until(lambda: not bench.keeper.pending)

    assert admitted == []
    assert bench.spool.tallies[ALICE_LOGIN, Reason.TOO_MUCH] > 0
    ((_, reason, detail),) = bench.live.refusals
    assert reason is Reason.TOO_MUCH
    assert "until 12:01 UTC" in detail
