"""The rules of InfluxDB 2.9.1 we build on, seen over plain HTTP: what the real one does, the fake does too."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

from schema.timeseries.management import StoreManager
from schema.timeseries.port import StoreMisconfigured, StoreUnavailable
from schema.timeseries.stores import open_manager
from tests.fake_influx import FakeInflux
from tests.store_set_ups import ALICE, BOB, STORES, Place, StoreSetUp, opened

pytestmark = pytest.mark.integration

UNKNOWN = "0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Influx:
    """A store with two owners' places, and a plain HTTP session."""

    store: StoreSetUp
    manager: StoreManager
    alice: Place
    bob: Place
    http: aiohttp.ClientSession

    async def post(self, path: str, token: str, body: object) -> tuple[int, str]:
        """Status and text; ``body`` is sent as it is when it is bytes, else as JSON."""
        sent = {"data": body} if isinstance(body, bytes) else {"json": body}
        headers = {"Authorization": f"Token {token}"} if token else {}
        async with self.http.post(self.store.url + path, headers=headers, **sent) as answer:
            return answer.status, await answer.text()

    async def write(self, token: str, org_id: str, bucket_id: str, body: bytes) -> int:
        """The status of a write."""
        return (await self.post(f"/api/v2/write?orgID={org_id}&bucket={bucket_id}&precision=ms", token, body))[0]

    async def query(self, token: str, org_id: str, source: str) -> tuple[int, str]:
        """Everything of the last hours from a bucket named so."""
        since = "2020-01-01T00:00:00Z"
        script = (
            f"from({source}) |> range(start: {since}, stop: 2200-01-01T00:00:00Z)"
            ' |> filter(fn: (r) => r._measurement == "reading") |> last()'
        )
        return await self.post(f"/api/v2/query?orgID={org_id}", token, {"query": script})


@pytest.fixture(params=STORES[1:])
async def influx(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Influx]:
    """The fake and the real one in turn."""
    async with opened(request.param, request, tmp_path) as store, aiohttp.ClientSession() as http:
        assert store.manager is not None
        yield Influx(store, store.manager, await store.place(ALICE), await store.place(BOB), http)


def line(value: str = "1") -> bytes:
    """A line of now."""
    return f"reading,serial=A1 ac_power={value} {time.time_ns() // 1_000_000}".encode()


async def test_the_checks_come_in_one_order(influx: Influx) -> None:
    """Who, which organisation, which bucket, may he, is it a line: each fault hides those behind it."""
    hers, his = influx.alice.destination, influx.bob.destination
    read = influx.alice.source.token

    answers = [
        await influx.write("nobody's", UNKNOWN, UNKNOWN, b"no line"),
        await influx.write(hers.token, UNKNOWN, UNKNOWN, b"no line"),
        await influx.write(hers.token, hers.org_id, UNKNOWN, b"no line"),
        await influx.write(read, hers.org_id, hers.bucket_id, b"no line"),
        await influx.write(hers.token, his.org_id, his.bucket_id, line()),
        await influx.write(hers.token, hers.org_id, hers.bucket_id, b"no line"),
        await influx.write(hers.token, hers.org_id, hers.bucket_id, line()),
        await influx.write(hers.token, hers.org_id, hers.bucket_id, line("1i")),
        await influx.write(hers.token, hers.org_id, hers.bucket_id, b""),
    ]

    assert answers == [401, 404, 404, 403, 403, 400, 204, 422, 204]


async def test_a_bucket_by_name_is_hidden_from_strangers(influx: Influx) -> None:
    """Why the reader names buckets: to Bob's token Alice's does not exist."""
    hers = influx.alice
    await influx.write(hers.destination.token, hers.destination.org_id, hers.destination.bucket_id, line())
    source = f'bucket: "{hers.source.bucket_name}"'

    own, _ = await influx.query(hers.source.token, hers.source.org_id, source)
    foreign, _ = await influx.query(influx.bob.source.token, hers.source.org_id, source)
    writer, _ = await influx.query(hers.destination.token, hers.source.org_id, source)

    assert (own, foreign, writer) == (200, 404, 404)


async def test_a_bucket_by_id_is_open_to_every_token(influx: Influx) -> None:
    """The hole the reader and every set-up must live with: whoever has any token and knows an id reads that bucket.

    If a new InfluxDB fails this test, it has closed it: then say so in the documents and turn the test round.
    """
    hers = influx.alice.destination
    await influx.write(hers.token, hers.org_id, hers.bucket_id, line())

    status, answer = await influx.query(
        influx.bob.destination.token, influx.bob.destination.org_id, f'bucketID: "{hers.bucket_id}"'
    )

    assert status == 200
    assert "ac_power" in answer


async def test_everything_is_found_the_second_time(influx: Influx) -> None:
    """A provisioner that was killed after any step goes on: same ids, no second organisation, no second bucket."""
    name = uuid4().hex

    org_ids = {await influx.manager.find_or_create_organisation(name) for _ in range(2)}
    (org_id,) = org_ids
    bucket_ids = {await influx.manager.find_or_create_bucket(org_id, name, retention_s=86_400) for _ in range(2)}

    assert (len(org_ids), len(bucket_ids)) == (1, 1)


async def test_a_token_is_shown_once_and_replaced_by_its_description(influx: Influx) -> None:
    """The run that made it died: its token is found by what it was for, deleted, and made anew."""
    org_id, bucket_id = influx.alice.destination.org_id, influx.alice.destination.bucket_id
    lost = await influx.manager.create_token(org_id, "lost", bucket_id=bucket_id, write=True)
    others = [await influx.manager.create_token(org_id, f"other {number}", read=True) for number in range(25)]

    found = await influx.manager.find_authorizations(org_id, "lost")
    for authorization_id in found:
        await influx.manager.delete_authorization(authorization_id)
    made = await influx.manager.create_token(org_id, "lost", bucket_id=bucket_id, write=True)

    assert found == [lost.authorization_id]
    assert await influx.manager.find_authorizations(org_id, "lost") == [made.authorization_id]
    assert await influx.manager.find_authorizations(org_id, "other 24") == [others[24].authorization_id]
    assert await influx.write(lost.token, org_id, bucket_id, line()) == 401
    assert await influx.write(made.token, org_id, bucket_id, line()) == 204
    assert lost.token not in repr(lost)


async def test_what_is_gone_stays_gone_without_an_error(influx: Influx) -> None:
    """Deleting may be repeated after a crash."""
    place = influx.alice.destination
    (authorization_id,) = await influx.manager.find_authorizations(
        place.org_id, f"{influx.alice.source.bucket_name}:bridge"
    )

    for _ in range(2):
        await influx.manager.delete_authorization(authorization_id)
        await influx.manager.delete_bucket(place.bucket_id)

    assert await influx.write(influx.alice.source.token, place.org_id, place.bucket_id, line()) == 404


async def test_a_second_set_up_changes_nothing(influx: Influx) -> None:
    """Who reaches a server first is its operator; nobody after him."""
    again = await influx.manager.onboard(username="u", password="p" * 12, organisation="o", bucket="b")

    assert again is False
    assert await influx.manager.find_or_create_organisation("still-the-operator")


async def test_only_the_operator_manages(influx: Influx) -> None:
    """A bridge's or an outsider's token makes nothing."""
    manager = open_manager(influx.store.url, influx.alice.destination.token)
    place = influx.alice.destination
    (authorization_id,) = await influx.manager.find_authorizations(
        place.org_id, f"{influx.alice.source.bucket_name}:bridge"
    )

    for asked in (
        manager.find_or_create_organisation("mine"),
        manager.find_or_create_bucket(place.org_id, "mine"),
        manager.create_token(place.org_id, "more", write=True),
        manager.delete_authorization(authorization_id),
    ):
        with pytest.raises(StoreMisconfigured):
            await asked

    await manager.close()


async def test_a_fresh_server_is_set_up_with_the_token_we_chose() -> None:
    """Once; the second run finds it done."""
    async with FakeInflux() as server:
        manager = open_manager(server.url, "chosen-by-us")

        done = [await manager.onboard(username="u", password="p" * 12, organisation="o", bucket="b") for _ in range(2)]

        assert done == [True, False]
        assert await manager.find_or_create_organisation("first")
        await manager.close()


async def test_a_manager_without_a_server_says_it_is_away() -> None:
    """Provisioning waits; sign-in and pairing do not."""
    async with FakeInflux(operator_token="op") as server:
        url = server.url
    manager = open_manager(url, "op")

    with pytest.raises(StoreUnavailable):
        await manager.find_or_create_organisation("o")

    await manager.close()
