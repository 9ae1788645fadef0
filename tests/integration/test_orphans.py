"""Things in InfluxDB that bear a name of ours and belong to nobody: listed, looked at, and deleted one by one."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from schema.changes import registry_changed
from schema.database import reading
from schema.models import Orphan, OwnerPlacement, Placement
from schema.timeseries.management import StoreManager
from tests.estate import Estate, estate
from tests.store_set_ups import STORES, StoreSetUp, opened

pytestmark = pytest.mark.integration


@pytest.fixture(params=STORES[1:])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StoreSetUp]:
    """The fake and the real one in turn."""
    async with opened(request.param, request, tmp_path) as one:
        yield one


@pytest.fixture
async def place(tmp_path: Path, store: StoreSetUp) -> AsyncIterator[Estate]:
    """Nobody's yet."""
    async with estate(tmp_path, f"sqlite:///{tmp_path}/deye.db", store) as one:
        yield one


@pytest.fixture
def manager(store: StoreSetUp) -> StoreManager:
    """With the operator token."""
    assert store.manager is not None
    return store.manager


async def test_orphans_are_listed_and_never_touched(place: Estate, manager: StoreManager) -> None:
    """A restored database knows less than the server: what it has lost is listed as long as it is there."""
    roof = await place.settled()
    home, row = await place.rows(roof)
    assert home is not None
    assert row is not None
    before = await place.in_influx(roof)
    async with place.sessions.begin() as session:
        await registry_changed(session)
        for table, key in ((Placement, roof.inverter_id), (OwnerPlacement, roof.owner_id)):
            await session.delete(await session.get_one(table, key))

    await place.reconciler().sweep()
    names = str(roof.owner_id), str(roof.inverter_id)
    async with reading(place.sessions) as session:
        listed = (await session.scalars(select(Orphan))).all()
    mine = [one for one in listed if any(name in one.name for name in names)]
    first = {one.external_id: one.first_seen_at for one in mine}
    place.now += timedelta(hours=1)
    await place.reconciler().sweep()
    await manager.delete_bucket(row.bucket_id)
    after = await place.in_influx(roof)
    await place.reconciler().sweep()
    async with reading(place.sessions) as session:
        left = {one.external_id: one for one in await session.scalars(select(Orphan))}

    assert sorted(first) == sorted([*before.organisations, *before.buckets, *before.tokens])
    assert (after.organisations, after.tokens) == (before.organisations, before.tokens)
    assert row.bucket_id not in left
    assert left[home.org_id].first_seen_at == first[home.org_id]
    assert left[home.org_id].last_seen_at == place.now
