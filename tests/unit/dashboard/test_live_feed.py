"""Letter boxes of open pages: one newest row per inverter, never a queue."""

import asyncio
from uuid import UUID, uuid4

import pytest

from portal.live import Subscription
from schema.models import LiveRow

pytestmark = pytest.mark.unit


def row(inverter: UUID, version: int) -> LiveRow:
    return LiveRow(inverter_id=inverter, version=version)


async def test_a_slow_page_is_given_the_newest_row_of_each_inverter_and_no_backlog() -> None:
    """A thousand changes while nobody takes them are two rows afterwards."""
    roof, shed = uuid4(), uuid4()
    box = Subscription([roof, shed])

    for version in range(1000):
        box.offer(row(roof, version))
    box.offer(row(shed, 1000))
    taken = await box.take(1.0)

    assert {(one.inverter_id, one.version) for one in taken} == {(roof, 999), (shed, 1000)}
    assert await box.take(0.01) == ()


async def test_what_a_page_may_not_see_is_not_even_kept() -> None:
    """Another owner's row never enters the box."""
    box = Subscription([uuid4()])

    box.offer(row(uuid4(), 1))

    assert await box.take(0.01) == ()


async def test_closing_wakes_whoever_waits() -> None:
    """A stopping server waits for nobody."""
    box = Subscription([uuid4()])
    waiting = asyncio.create_task(box.take(60.0))
    await asyncio.sleep(0)

    box.close()

    assert await asyncio.wait_for(waiting, 1.0) == ()
    assert box.closed
