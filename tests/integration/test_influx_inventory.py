"""What an operator sees on an InfluxDB server and what he may mend there: the fake and the real one say the same."""

import time
from uuid import uuid4

import aiohttp
import pytest

from schema.timeseries.management import FoundBucket, FoundOrganisation, StoreManager
from schema.timeseries.port import StoreMisconfigured
from schema.timeseries.stores import open_manager
from tests.fake_influx import FakeInflux
from tests.store_set_ups import ALICE, Place, StoreSetUp

pytestmark = pytest.mark.integration


async def _write(store: StoreSetUp, place: Place) -> int:
    """The status of a write with the place's token."""
    to = place.destination
    address = f"{store.url}/api/v2/write?orgID={to.org_id}&bucket={to.bucket_id}&precision=ms"
    line = f"reading ac_power=1.0 {time.time_ns() // 1_000_000}".encode()
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Token {to.token}"}) as http,
        http.post(address, data=line) as answer,
    ):
        return answer.status


async def test_more_than_a_page_is_listed_once_each(manager: StoreManager) -> None:
    """InfluxDB gives a hundred at most; nothing is twice, nothing is left out, and its own buckets are not ours."""
    mark = uuid4().hex[:8]
    made = {f"{mark}-{number}": await manager.find_or_create_organisation(f"{mark}-{number}") for number in range(103)}
    org_id = made[f"{mark}-0"]
    buckets = {f"b{number}": await manager.find_or_create_bucket(org_id, f"b{number}") for number in range(103)}

    organisations = [one for one in await manager.organisations() if one.name in made]
    all_buckets = [one for one in await manager.buckets() if one.org_id == org_id]
    hers = await manager.buckets(org_id)

    assert sorted((one.name, one.id) for one in organisations) == sorted(made.items())
    assert sorted((one.name, one.id) for one in all_buckets) == sorted(buckets.items())
    assert sorted((one.name, one.id) for one in hers) == sorted(buckets.items())


async def test_a_token_is_described_by_what_it_may(manager: StoreManager, store: StoreSetUp) -> None:
    """Its rights, whose it is and what for, never itself; and whether it is switched on."""
    place = await store.place(ALICE)
    org_id, bucket_id = place.destination.org_id, place.destination.bucket_id

    seen = {one.description: one for one in await manager.tokens(org_id)}
    everywhere = {one.id for one in await manager.tokens()}

    writer, reader = seen[f"{place.source.bucket_name}:bridge"], seen[f"{ALICE}:read"]
    assert (writer.rights, writer.active) == (frozenset({("write", "buckets", bucket_id)}), True)
    assert (reader.rights, reader.org_id) == (frozenset({("read", "buckets", "")}), org_id)
    assert {writer.id, reader.id} <= everywhere
    assert await manager.token(writer.id) == writer
    assert await manager.token("0123456789abcdef") is None
    assert await manager.token("../orgs") is None
    assert place.destination.token not in repr(seen)


async def test_names_that_were_changed_are_given_back(manager: StoreManager) -> None:
    """By id, with everything as it was; a name that somebody else has is refused."""
    name, other = f"owner-{uuid4()}", f"owner-{uuid4()}"
    org_id, other_id = [await manager.find_or_create_organisation(one) for one in (name, other)]
    bucket_id = await manager.find_or_create_bucket(org_id, "first", retention_s=30 * 86_400)
    await manager.find_or_create_bucket(org_id, "second")

    await manager.rename_organisation(org_id, f"{name}-by-hand")
    await manager.rename_bucket(bucket_id, "by-hand")
    renamed = FoundOrganisation(org_id, f"{name}-by-hand") in await manager.organisations()
    moved = FoundBucket(bucket_id, org_id, "by-hand") in await manager.buckets(org_id)
    await manager.rename_organisation(org_id, name)
    await manager.rename_bucket(bucket_id, "first")
    with pytest.raises(StoreMisconfigured):
        await manager.rename_organisation(org_id, other)
    with pytest.raises(StoreMisconfigured):
        await manager.rename_bucket(bucket_id, "second")

    assert (renamed, moved) == (True, True)
    assert await manager.find_or_create_organisation(name) == org_id
    assert await manager.find_or_create_bucket(org_id, "first") == bucket_id
    assert await manager.has_organisation(other_id)


async def test_a_deleted_organisation_leaves_tokens_that_only_their_ids_find(
    manager: StoreManager, store: StoreSetUp
) -> None:
    """Why tokens go before their organisation: afterwards they are in no list, and can be deleted all the same."""
    place = await store.place(ALICE, org_id=await manager.find_or_create_organisation(f"owner-{uuid4()}"))
    org_id, bucket_id = place.destination.org_id, place.destination.bucket_id
    before = [one.id for one in await manager.tokens(org_id)]

    for _ in range(2):
        await manager.delete_organisation(org_id)
    left = await manager.tokens(org_id)
    listed = {one.id for one in await manager.tokens()}
    status = await _write(store, place)
    seen = [await manager.token(one) for one in before]
    for token_id in before:
        await manager.delete_authorization(token_id)

    assert len(before) == 2
    assert left == []
    assert seen == [None, None]
    assert not listed & set(before)
    assert not await manager.has_organisation(org_id)
    assert not await manager.has_bucket(bucket_id)
    assert status == 404
    assert await _write(store, place) == 401


async def test_a_deleted_bucket_leaves_its_tokens_in_the_list(manager: StoreManager, store: StoreSetUp) -> None:
    """They write nowhere any more, and are found by whoever tidies up."""
    place = await store.place(ALICE)

    await manager.delete_bucket(place.destination.bucket_id)
    left = {one.description for one in await manager.tokens(place.destination.org_id)}

    assert await _write(store, place) == 404
    assert f"{place.source.bucket_name}:bridge" in left
    assert not await manager.has_bucket(place.destination.bucket_id)


async def test_a_token_that_is_switched_off_is_refused_and_says_so(manager: StoreManager, store: StoreSetUp) -> None:
    """As somebody does it by hand in InfluxDB's own pages."""
    place = await store.place(ALICE)
    (token_id,) = await manager.find_authorizations(place.destination.org_id, f"{place.source.bucket_name}:bridge")
    operator = {"Authorization": f"Token {store.operator_token}"}
    address = f"{store.url}/api/v2/authorizations/{token_id}"
    async with aiohttp.ClientSession(headers=operator) as http, http.patch(address, json={"status": "inactive"}) as ok:
        switched = ok.status

    (seen,) = [one for one in await manager.tokens(place.destination.org_id) if one.id == token_id]

    assert (switched, seen.active) == (200, False)
    assert await _write(store, place) == 403


async def test_a_server_is_known_by_its_first_user(manager: StoreManager, store: StoreSetUp) -> None:
    """The same after a restart, another one on another server; only who may manage is told."""
    known = await manager.identity()
    await store.server.leave()
    await store.server.come_back()
    again = await manager.identity()
    async with FakeInflux(operator_token="another") as other:
        stranger = open_manager(other.url, "another")
        elsewhere = await stranger.identity()
        await stranger.close()

    assert known == again
    assert elsewhere != known
