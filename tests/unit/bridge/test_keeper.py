"""Where messages end: nothing is acknowledged before it is kept, nothing twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from bridge.counters import Counters
from bridge.keeper import Keeper, Outcome
from bridge.kept import Letter, Raw
from bridge.refusals import Reason
from tests.fake_spool import FakeSpool
from tests.fakes import NOON, FakeSession, FakeTime
from tests.waiting import until

pytestmark = pytest.mark.unit


class Bench:
    """A keeper with a fake spool and session."""

    def __init__(self) -> None:
        self.spool = FakeSpool()
        self.session = FakeSession()
        self.counters = Counters()
        self.keeper = Keeper(self.spool, self.session, self.counters, FakeTime().clock())

    def message(self) -> int:
        """A message that waits."""
        return self.session.deliver("deye/x/y", "1").token


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """A keeper at work."""
    bench = Bench()
    task = asyncio.create_task(bench.keeper.run())
    yield bench
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _letter() -> Letter:
    return Letter("", None, "deye/x", b"{", Reason.NOT_JSON, "No.", NOON)


async def test_a_dead_letter_is_acknowledged_after_it_is_kept(bench: Bench) -> None:
    """While the spool cannot keep it, the broker hears nothing."""
    bench.spool.broken = True
    bench.keeper.keep(_letter(), [bench.message()])
    await until(lambda: bench.counters.spool_failures >= 3)
    heard_before = list(bench.session.acknowledged)

    bench.spool.broken = False
    await until(lambda: not bench.keeper.pending)

    assert heard_before == []
    assert bench.session.acknowledged == [1]
    assert len(bench.spool.letters) == 1
    assert bench.counters.outcomes == Counter({Outcome.DEAD_LETTERED: 1})


async def test_many_entries_are_kept_with_one_commit(bench: Bench) -> None:
    """One fsync serves everything that waits."""
    for _ in range(50):
        bench.keeper.keep(_letter(), [bench.message()])

    await until(lambda: not bench.keeper.pending)

    assert bench.spool.commits == 1
    assert len(bench.session.acknowledged) == 50


async def test_a_copy_whose_connection_was_lost_is_dropped(bench: Bench) -> None:
    """The broker sends it again; keeping both would be one too many."""
    bench.keeper.keep(_letter(), [bench.message()])
    bench.session.lose_connection()

    await until(lambda: not bench.keeper.pending)

    assert bench.spool.records == {}
    assert bench.counters.dropped_copies == 1
    assert bench.session.acknowledged == []


async def test_an_entry_that_nobody_waits_for_is_kept_all_the_same(bench: Bench) -> None:
    """A replayed line the store refuses has no message any more."""
    bench.keeper.keep(_letter(), [])

    await until(lambda: not bench.keeper.pending)

    assert len(bench.spool.letters) == 1


async def test_settling_a_message_that_was_kept_as_it_came_forgets_its_record(bench: Bench) -> None:
    """Tokens below zero are spool records."""
    numbers: list[int] = []
    bench.keeper.keep(Raw("deye/x/y", b"1", NOON, 1), [bench.message()], then=numbers.append)
    await until(lambda: bool(numbers))

    bench.keeper.settle([-numbers[0]], Outcome.WRITTEN)
    assert bench.keeper.forgotten(numbers[0])
    await until(lambda: not bench.keeper.pending)

    assert bench.spool.records == {}
    assert bench.counters.outcomes == Counter({Outcome.SPOOLED: 1})
