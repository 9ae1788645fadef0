"""How the store is asked: patiently but not for ever, and nobody's questions hold up anybody else's."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from portal.dashboard.history import History, HistoryAway
from schema.timeseries.port import CounterDay, Sample, Source, StoreUnavailable, Window

pytestmark = pytest.mark.unit
NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
ALICE, BOB, CAROL, DAVE = (uuid4() for _ in range(4))


class Slow:
    """A store that never answers some owners; of each it notes how many questions it had at one time."""

    def __init__(self, *owners: UUID) -> None:
        self.owners = owners
        self.asked = 0

    async def windows(
        self, source: Source, quantities: Sequence[str], start: datetime, end: datetime, every_s: int
    ) -> list[Window]:
        """Nothing, at once or never."""
        del quantities, start, end, every_s
        self.asked += 1
        if source.owner_id in self.owners:
            await asyncio.Event().wait()
        return []

    async def latest(self, source: Source, since: datetime) -> dict[str, Sample]:
        """Refused."""
        raise StoreUnavailable(f"{source.server} {since}")

    async def counter_days(
        self, source: Source, quantity: str, ranges: Sequence[tuple[datetime, datetime]]
    ) -> list[CounterDay]:
        """Refused."""
        raise StoreUnavailable(f"{source.server} {quantity} {ranges}")

    async def close(self) -> None:
        """Nothing to close."""


async def ask(history: History, owner: UUID) -> Sequence[Window]:
    """An hour of an inverter of this owner."""
    source = Source(owner_id=owner, inverter_id=uuid4(), server="http://influx")
    return await history.windows(source, ["ac_power"], NOON - timedelta(hours=1), NOON, 300)


async def test_a_question_that_takes_too_long_costs_nobody_else_his_history() -> None:
    """Alice asks for more than the store can answer in time: she has to wait, Bob has his curve."""
    history = History(Slow(ALICE), patience_s=0.05, rest_s=60.0)

    with pytest.raises(HistoryAway):
        await ask(history, ALICE)

    assert await ask(history, BOB) == []


async def test_an_owner_who_waited_in_vain_is_not_asked_for_again_at_once() -> None:
    """A page of fifty inverters waits once; after the rest the store is asked again."""
    store, now = Slow(ALICE), [100.0]
    history = History(store, patience_s=0.05, rest_s=5.0, clock=lambda: now[0])
    for _ in range(3):
        with pytest.raises(HistoryAway):
            await ask(history, ALICE)
    rested = store.asked
    store.owners, now[0] = (), 105.0

    assert rested == 1
    assert await ask(history, ALICE) == []


async def test_a_server_that_answers_nobody_is_left_alone() -> None:
    """Where it happens to several it is the server: a page of fifty homes does not wait for each of them."""
    store = Slow(ALICE, BOB, CAROL, DAVE)
    history = History(store, patience_s=0.05, rest_s=60.0)

    for owner in (ALICE, BOB, CAROL, DAVE):
        with pytest.raises(HistoryAway):
            await ask(history, owner)

    assert store.asked == 3


async def test_one_owners_many_questions_leave_places_for_the_others() -> None:
    """A hundred of Alice's wait behind one another; Bob's is asked while they do."""
    history = History(Slow(ALICE), patience_s=30.0)
    hers = [asyncio.create_task(ask(history, ALICE)) for _ in range(100)]
    await asyncio.sleep(0)

    async with asyncio.timeout(5.0):
        his = await ask(history, BOB)
    waiting = sum(not task.done() for task in hers)
    for task in hers:
        task.cancel()
    await asyncio.gather(*hers, return_exceptions=True)

    assert his == []
    assert waiting == 100
