"""What an erasure waits for: the bridge, a store that is away, a server that nobody can reach; and it says so."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from portal.provisioner import erasing
from portal.provisioner.remains import NoRemains
from schema.database import reading
from schema.models import (
    DeadLetterRequest,
    Inverter,
    Owner,
    OwnerPlacement,
    PlacementState,
    RequestState,
)
from schema.timeseries.port import StoreMisconfigured
from tests.erased import count_of, measuring
from tests.estate import Estate
from tests.store_set_ups import STORES, StoreSetUp, opened

pytestmark = pytest.mark.integration
GRACE = timedelta(days=7)


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StoreSetUp]:
    """Each store in turn."""
    async with opened(request.param, request, tmp_path) as one:
        yield one


async def test_the_bridge_drops_first_what_it_has_set_aside(place: Estate) -> None:
    """Until it has, the rows stay and say why; a request that failed is made again."""
    alice = await place.owner()
    roof = await measuring(place, alice, 412.0)
    await place.delete(roof)
    provisioner = place.provisioner()

    await provisioner.turn()
    waiting = (await place.rows(roof))[1]
    async with place.sessions.begin() as session:
        await session.execute(update(DeadLetterRequest).values(state=RequestState.FAILED))
    place.now += timedelta(minutes=1)
    await provisioner.turn()
    async with reading(place.sessions) as session:
        requests = (await session.execute(select(DeadLetterRequest.login, DeadLetterRequest.state))).all()
    await place.settle(provisioner)

    assert waiting is not None
    assert (waiting.state, waiting.last_error) == (PlacementState.ERASING, erasing.LETTERS)
    assert sorted(requests) == sorted(
        [(login, state) for login in ("", roof.login) for state in (RequestState.FAILED, RequestState.WAITING)]
    )
    assert (await place.rows(roof))[1] is None


async def test_a_store_that_is_away_is_waited_for(place: Estate) -> None:
    """Nothing is taken for erased; the row says why; it goes on when the store is back."""
    alice = await place.owner()
    roof = await measuring(place, alice, 412.0)
    await place.delete(roof)
    await place.abandon(alice)
    provisioner = place.provisioner()
    await place.bridge_drops()
    await place.store.server.leave()

    for _ in range(3):
        await provisioner.turn()
        await place.bridge_drops()
        place.now += timedelta(minutes=1)
    waiting = (await place.rows(roof))[1]
    await place.store.server.come_back()
    await place.settle(provisioner)

    assert waiting is not None
    assert waiting.state == PlacementState.ERASING
    assert "does not answer" in waiting.last_error
    assert (await count_of(place, Owner), await count_of(place, Inverter)) == (0, 0)


async def test_what_lies_on_a_server_that_nobody_can_reach_is_not_forgotten() -> None:
    """Without its operator token there is no way to it: that is said, and the rows that lead there stay."""
    for asked in (
        NoRemains().delete_token("0a"),
        NoRemains().delete_bucket("0b"),
        NoRemains().delete_organisation("0c"),
    ):
        with pytest.raises(StoreMisconfigured, match="operator token"):
            await asked
    await NoRemains().delete_token("")


async def test_who_is_on_a_server_that_was_taken_away_waits_and_says_so(place: Estate) -> None:
    """The operator has dropped it from the settings too early."""
    if place.store.manager is None:
        pytest.skip("the embedded store has no servers")
    alice = await place.owner()
    roof = await measuring(place, alice, 412.0)
    await place.delete(roof)
    async with place.sessions.begin() as session:
        await session.execute(update(OwnerPlacement).values(server="http://gone.invalid"))

    await place.settle(place.provisioner())

    row = (await place.rows(roof))[1]
    assert row is not None
    assert "operator token" in row.last_error
    assert row.bucket_id


async def test_a_stranger_to_the_provisioner_is_no_business_of_its(place: Estate) -> None:
    """A turn without anything to do asks the database once and the store never."""
    alice = await place.owner()
    await measuring(place, alice, 412.0)
    provisioner = place.provisioner()
    await provisioner.turn()
    await place.store.server.leave()

    wait_s = await provisioner.turn()

    await place.store.server.come_back()
    assert wait_s is not None
    assert 0 < wait_s <= erasing.LONGEST_WAIT_S
