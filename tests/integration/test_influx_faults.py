"""How the InfluxDB writer and reader name what goes wrong on the way: silence, lost answers, proxies, restarts."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web

from schema.timeseries.influx2.reader import Influx2Reader
from schema.timeseries.influx2.writer import Influx2Writer
from schema.timeseries.port import BatchTooLarge, Destination, StoreMisconfigured, StoreUnavailable
from schema.timeseries.stores import open_manager
from tests.fake_influx import FakeInflux, Fault
from tests.store_set_ups import ALICE, BOB, DAY, Place, StoreSetUp, encoded, fake_influx, reading

pytestmark = pytest.mark.faults


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[StoreSetUp]:
    """The fake InfluxDB."""
    async with fake_influx(tmp_path) as opened:
        yield opened


def server(store: StoreSetUp) -> FakeInflux:
    """The fake behind the set-up."""
    assert store.fake is not None
    return store.fake


async def powers(store: StoreSetUp, place: Place) -> list[float]:
    """What arrived, by the second."""
    windows = await store.reader.windows(place.source, ["ac_power"], DAY, DAY + timedelta(days=1), 1)
    return [window.means["ac_power"] for window in windows]


LINES = encoded(reading(DAY, ac_power=1.0))


@pytest.mark.parametrize(("status", "retry_after", "wish"), [(429, "7", 7.0), (503, "soon", None), (500, "", None)])
async def test_a_server_that_asks_for_patience_is_unavailable(
    store: StoreSetUp, status: int, retry_after: str, wish: float | None
) -> None:
    """With the seconds it wishes for, where it says so."""
    place = await store.place(ALICE)
    server(store).faults.append(Fault(status=status, retry_after=retry_after))

    with pytest.raises(StoreUnavailable) as refused:
        await store.writer.write(place.destination, LINES)
    await store.writer.write(place.destination, LINES)

    assert refused.value.retry_after_s == wish
    assert await powers(store, place) == [1.0]


async def test_a_request_that_is_too_large_says_so(store: StoreSetUp) -> None:
    """The caller sends its halves."""
    place = await store.place(ALICE)
    server(store).faults.append(Fault(status=413))

    with pytest.raises(BatchTooLarge):
        await store.writer.write(place.destination, LINES)


async def test_a_server_that_never_answers_is_unavailable_after_the_time_out(store: StoreSetUp) -> None:
    """And holds up nobody else meanwhile."""
    alice, bob = await store.place(ALICE), await store.place(BOB)
    writer = Influx2Writer(timeout_s=0.3)
    server(store).faults.append(Fault(hang=True))
    hanging = asyncio.create_task(writer.write(alice.destination, LINES))
    await server(store).hanging.wait()

    await writer.write(bob.destination, LINES)
    with pytest.raises(StoreUnavailable, match="in time"):
        await hanging
    await writer.close()

    assert await powers(store, bob) == [1.0]


async def test_an_answer_that_is_lost_after_the_write_leaves_one_point(store: StoreSetUp) -> None:
    """The writer cannot know; it writes again, and nothing is doubled."""
    place = await store.place(ALICE)
    server(store).faults.append(Fault(lost_answer=True))

    with pytest.raises(StoreUnavailable):
        await store.writer.write(place.destination, LINES)
    await store.writer.write(place.destination, LINES)

    assert await powers(store, place) == [1.0]
    assert [seen.status for seen in server(store).writes] == [204, 204]


async def test_every_request_carries_its_own_triple(store: StoreSetUp) -> None:
    """Two owners through one writer at once: organisation, bucket and token always belong together."""
    places = [await store.place(owner) for owner in (ALICE, BOB) for _ in range(5)]
    rights = server(store).state

    await asyncio.gather(
        *(
            store.writer.write(place.destination, encoded(reading(DAY, ac_power=1.0), serial=f"SERIAL{number}"))
            for number, place in enumerate(places)
            for _ in range(10)
        )
    )

    expected = {
        (
            place.destination.org_id,
            place.destination.bucket_id,
            rights.authorization(place.destination.token).id,
            (f"SERIAL{number}",),
        )
        for number, place in enumerate(places)
    }
    assert {(seen.org_id, seen.bucket_id, seen.token_id, seen.serials) for seen in server(store).writes} == expected


async def test_the_fake_runs_as_a_process_of_its_own_too() -> None:
    """As whole installations use it: its address comes first, faults and the log go over HTTP, TERM ends it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.fake_influx", "--port", "0"), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()
    manager, writer = open_manager(url, "op"), Influx2Writer()

    await manager.onboard(username="u", password="p" * 12, organisation="o", bucket="b")
    org_id = await manager.find_or_create_organisation("alice")
    bucket_id = await manager.find_or_create_bucket(org_id, "b")
    made = await manager.create_token(org_id, "w", bucket_id=bucket_id, write=True)
    place = Destination(uuid4(), ALICE, url, org_id, bucket_id, made.token)
    async with aiohttp.ClientSession() as http:
        await http.post(f"{url}/fake/faults", json={"status": 503, "retry_after": "3"})
        with pytest.raises(StoreUnavailable):
            await writer.write(place, LINES)
        await writer.write(place, LINES)
        async with http.get(f"{url}/fake/writes") as answer:
            writes = await answer.json()
    await writer.close()
    await manager.close()
    process.terminate()

    assert [(seen["status"], seen["token_id"], seen["serials"]) for seen in writes] == [
        (503, made.authorization_id, ["A1B2C3D4"]),
        (204, made.authorization_id, ["A1B2C3D4"]),
    ]
    assert await process.wait() == 0


@asynccontextmanager
async def something_else(status: int, headers: dict[str, str], body: str) -> AsyncIterator[str]:
    """A web server that is no InfluxDB, and its address."""
    app = web.Application()

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, headers=headers, text=body)

    app.add_routes([web.route("*", "/{any:.*}", answer)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_a_token_does_not_follow_a_redirect(store: StoreSetUp) -> None:
    """A server that points elsewhere gets no second request, there or anywhere."""
    place = await store.place(ALICE)
    elsewhere = {"Location": f"{store.url}/api/v2/write"}

    async with something_else(307, elsewhere, "") as url:
        with pytest.raises(StoreMisconfigured):
            await store.writer.write(replace(place.destination, server=url), LINES)

    assert server(store).writes == []


@pytest.mark.parametrize("body", ["<html>please log in</html>", ",result,table,_time,_field,_value\r\n,_result,0,20"])
async def test_a_page_that_is_no_answer_is_unavailable(store: StoreSetUp, body: str) -> None:
    """A captive portal's 200 stores nothing, and is no empty history either; nor is half an answer."""
    place = await store.place(ALICE)

    async with something_else(200, {}, body) as url:
        with pytest.raises(StoreUnavailable):
            await store.writer.write(replace(place.destination, server=url), LINES)
        with pytest.raises(StoreUnavailable):
            await store.reader.latest(replace(place.source, server=url), DAY)


async def test_a_query_that_fails_on_the_way_is_unavailable(store: StoreSetUp) -> None:
    """InfluxDB answers 200 before it knows; the error comes as the answer's last table."""
    place = await store.place(ALICE)
    body = "error,reference\r\nruntime error: out of memory,897\r\n"

    async with something_else(200, {}, body) as url:
        with pytest.raises(StoreUnavailable, match="out of memory"):
            await store.reader.latest(replace(place.source, server=url), DAY)


async def test_a_reader_waits_no_longer_than_its_time_out(store: StoreSetUp) -> None:
    """A page is answered even if the store is not."""
    place = await store.place(ALICE)
    reader = Influx2Reader(timeout_s=0.2)

    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(StoreUnavailable, match="in time"):
            await reader.latest(replace(place.source, server=address), DAY)

    await reader.close()
