"""The copy that a move leaves: it goes in the end, whatever somebody has done to it by hand meanwhile."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from portal.provisioner import move
from schema.models import MoveState
from tests.estate import InInflux
from tests.movers import Movers, movers
from tests.store_set_ups import DAY

pytestmark = pytest.mark.integration


@pytest.fixture(params=["fake to fake", "real to fake"])
async def there(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Movers]:
    """A fake server, or a real one, that somebody leaves."""
    async with movers(request.param, request, tmp_path) as made:
        yield made


@pytest.mark.parametrize("what", ["bucket", "reader"])
async def test_a_copy_that_somebody_has_broken_by_hand_goes_all_the_same(there: Movers, what: str) -> None:
    """What can still be fetched is; its bucket, or the token that reads it, was deleted in InfluxDB."""
    held = await there.settled()
    shed = await there.place.inverter(held.owner_id)
    await there.place.provisioner().turn()
    outside = await there.destination(shed, "external")
    await there.ask(held.owner_id)
    await there.settle()
    row, second, manager = await there.row(held.owner_id), await there.second(held), there.place.store.manager
    assert manager is not None
    await there.write_to(outside, DAY + timedelta(minutes=4), 5.0)
    if what == "bucket":
        await manager.delete_bucket(second.bucket_id)
    else:
        await manager.delete_authorization(row.read_authorization_id)
    there.place.now += move.GRACE

    await there.settle()

    row = await there.row(held.owner_id)
    assert (row.state, row.org_id, row.last_error) == (MoveState.DONE, "", "")
    assert await there.place.in_influx(held, shed) == InInflux([], [], [])
    assert await there.shown(held) == there.written[held.inverter_id]
    assert (await there.shown(shed))[DAY + timedelta(minutes=4)] == 5.0
