"""The stream behind an open page: quick, only one's own, and over as soon as the session or the grant is."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import uvicorn
from sqlalchemy import delete, select, update

from portal.dashboard.events import Event, Stream, Watcher
from portal.dashboard.numbers import Numbers
from portal.live import LiveFeed
from schema import live
from schema.live import open_live
from schema.models import Grant, LiveRow, LoginSession, Role
from tests.people import SESSION_COOKIE, Cast, Person
from tests.services import free_port
from tests.watts import live_row

pytestmark = pytest.mark.integration
SOON_S = 1.0


async def publish(cast: Cast, inverter: UUID, watts: float, version: int) -> None:
    """A reading's live row."""
    row = live_row(inverter, {"ac_power": watts}, version=version, at=cast.portal.clock())
    await live.put(cast.portal.parts.live_engine, [row])


async def session_of(cast: Cast, person: Person) -> UUID:
    async with cast.portal.parts.sessions() as session:
        found = select(LoginSession.id).where(LoginSession.account_id == person.account_id)
        return (await session.scalars(found)).one()


@asynccontextmanager
async def listening(cast: Cast, person: Person, *only: UUID) -> AsyncIterator[AsyncIterator[Event]]:
    """The person's stream, as the page would read it; of ``only`` some inverters where it shows no more."""
    parts = cast.portal.parts
    watcher = Watcher(person.account_id, await session_of(cast, person), Numbers("en"), only)
    stream = Stream(watcher, sessions=parts.sessions, live_engine=parts.live_engine, clock=parts.now)
    async with aclosing(stream.events(parts.live_feed)) as events:
        yield events


async def following(events: AsyncIterator[Event], name: str) -> dict[str, Any]:
    """The next event called ``name``, soon."""
    async with asyncio.timeout(SOON_S):
        async for event in events:
            if event.name == name:
                found: dict[str, Any] = json.loads(json.dumps(event.data))
                return found
    raise AssertionError("the stream ended")


async def test_an_open_page_learns_of_a_reading_within_a_second(cast: Cast) -> None:
    """First the state of things, then each change, with its numbers as text and the sentence about all."""
    await publish(cast, cast.roof, 100.0, 1)
    async with listening(cast, cast.alice) as events:
        first = await following(events, "inverter")
        await publish(cast, cast.roof, 412.0, 2)
        second = await following(events, "inverter")
        overview = await following(events, "overview")

    assert first["power"] == {"value": "100", "unit": "W"}
    assert (second["id"], second["watts"], second["rung"]) == (str(cast.roof), 412.0, 5)
    assert second["shown"] == {"ac_power": "412\u00a0W"}
    assert overview["verdict"]["lead"] == "Working"


async def test_a_stranger_hears_nothing_of_it(cast: Cast) -> None:
    """Bob's stream stays silent while Alice's inverter publishes, and speaks of his own."""
    async with listening(cast, cast.bob) as events:
        shed = UUID((await cast.bob.get("/")).text.split('data-inverter="')[1][:36])
        await publish(cast, cast.roof, 412.0, 1)
        await publish(cast, shed, 7.0, 2)
        heard = await following(events, "inverter")
        overview = await following(events, "overview")

    assert heard["id"] == str(shed)
    assert str(cast.roof) not in json.dumps([heard, overview])
    assert overview["power"] == {"value": "7.0", "unit": "W"}


async def test_a_page_of_a_fleet_hears_of_what_it_shows_and_of_nothing_else(cast: Cast) -> None:
    """One of Alice's two; naming hers brings Bob nothing, and nonsense is no stream."""
    barn = await cast.alice.add_inverter("Barn", "2733333333")
    async with listening(cast, cast.alice, barn) as hers, listening(cast, cast.bob, barn, cast.roof) as his:
        for number, inverter in enumerate((cast.roof, barn)):
            await publish(cast, inverter, 412.0, number + 1)
        heard = await following(hers, "inverter")
        with pytest.raises(TimeoutError):
            await following(his, "inverter")
    nonsense = [
        await cast.alice.get(f"/events?only={ids}") for ids in ("x", ",".join(str(uuid4()) for _ in range(201)))
    ]

    assert heard["id"] == str(barn)
    assert {answer.status_code for answer in nonsense} == {404}


async def test_a_log_out_ends_the_stream_before_the_next_event(cast: Cast) -> None:
    """An open page does not outlive its session: what is published afterwards is not written."""
    async with listening(cast, cast.alice) as events:
        await publish(cast, cast.roof, 100.0, 1)
        await following(events, "inverter")
        await cast.alice.post("/logout")
        cast.portal.clock.go(seconds=2)
        await publish(cast, cast.roof, 412.0, 2)
        async with asyncio.timeout(SOON_S):
            rest = [event async for event in events if event.data and event.name == "inverter"]

    assert rest == []


async def test_a_revoked_grant_ends_the_news_but_not_the_visitors_own(cast: Cast) -> None:
    """Ines may look no longer; her stream goes on without Alice's inverter."""
    async with listening(cast, cast.ines) as events:
        await publish(cast, cast.roof, 100.0, 1)
        await following(events, "inverter")
        async with cast.portal.parts.sessions.begin() as session:
            await session.execute(
                delete(Grant).where(Grant.account_id == cast.ines.account_id, Grant.role == Role.INSTALLER)
            )
        cast.portal.clock.go(seconds=2)
        await publish(cast, cast.roof, 412.0, 2)
        with pytest.raises(TimeoutError):
            await following(events, "inverter")


async def test_a_session_that_is_over_gets_no_stream_at_all(cast: Cast) -> None:
    """Not even the first state of things."""
    await publish(cast, cast.roof, 100.0, 1)
    async with listening(cast, cast.alice) as events:
        async with cast.portal.parts.sessions.begin() as session:
            await session.execute(
                update(LoginSession)
                .where(LoginSession.account_id == cast.alice.account_id)
                .values(expires_at=cast.portal.clock() - timedelta(seconds=1))
            )
        found = [event async for event in events]

    assert found == []


@asynccontextmanager
async def served(cast: Cast) -> AsyncIterator[tuple[str, uvicorn.Server]]:
    """The same application behind a real server; its lifespan has begun already."""
    port = free_port()
    config = uvicorn.Config(
        cast.portal.app, port=port, lifespan="off", log_config=None, timeout_graceful_shutdown=3, access_log=False
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    try:
        yield f"http://127.0.0.1:{port}", server
    finally:
        server.should_exit = True
        await running


async def test_the_wire_speaks_server_sent_events_that_no_proxy_holds_back(cast: Cast) -> None:
    """Right type, no caching, no buffering; and a server that stops does not wait for the page."""
    cookie = {SESSION_COOKIE: cast.alice.http.cookies[SESSION_COOKIE]}
    await publish(cast, cast.roof, 100.0, 1)

    async with served(cast) as (url, _), httpx.AsyncClient(base_url=url, cookies=cookie, timeout=5) as client:
        for _ in range(200):
            try:
                await client.get("/docs")
                break
            except httpx.ConnectError:
                await asyncio.sleep(0.02)
        async with client.stream("GET", "/events", headers={"accept": "text/event-stream"}) as answer:
            lines = answer.aiter_lines()
            received = ""
            async with asyncio.timeout(SOON_S):
                while "event: overview" not in received:
                    received += await anext(lines) + "\n"
            cast.portal.parts.live_feed.close()
            async with asyncio.timeout(SOON_S):
                rest = [line async for line in lines]

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert (answer.headers["cache-control"], answer.headers["x-accel-buffering"]) == ("no-store", "no")
    assert "retry: 3000" in received
    assert "event: inverter" in received
    assert "event: inverter" not in rest


async def test_an_anonymous_listener_is_refused_and_not_sent_to_a_page(cast: Cast) -> None:
    """A script that asks for events wants no log-in form."""
    answer = await cast.nobody.get("/events", accept="text/event-stream")

    assert answer.status_code == 401


async def test_the_feed_goes_on_after_its_database_was_away(tmp_path: Path) -> None:
    """A broken turn is counted and tried again; listeners stay."""
    url = f"sqlite:///{tmp_path}/live.db"
    engine = await open_live(url)
    feed = LiveFeed(url, engine)
    async with engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE live RENAME TO gone")
    running = asyncio.create_task(feed.run())
    roof = UUID(int=1)
    with feed.subscribed([roof]) as box:
        async with asyncio.timeout(30):
            while feed.failures == 0:
                await box.take(0.05)
        async with engine.begin() as connection:
            await connection.exec_driver_sql("ALTER TABLE gone RENAME TO live")
        rows: Sequence[LiveRow] = ()
        async with asyncio.timeout(30):
            version = 0
            while not rows:
                version += 1
                row = live_row(roof, {"ac_power": 1.0}, version=version, at=datetime.now(UTC))
                await live.put(engine, [row])
                rows = await box.take(0.3)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await engine.dispose()

    assert [one.inverter_id for one in rows] == [roof]
    assert feed.failures >= 1


async def test_a_change_reaches_a_listener_within_a_second_on_both_databases(database_url: str) -> None:
    """PostgreSQL announces it, SQLite is looked at four times a second."""
    engine = await open_live(database_url)
    feed = LiveFeed(database_url, engine)
    running = asyncio.create_task(feed.run())
    roof = uuid4()
    with feed.subscribed([roof]) as box:
        await live.put(engine, [live_row(roof, {"ac_power": 1.0}, version=1, at=datetime.now(UTC))])
        await box.take(5.0)  # the feed may still have been on its way to the database
        await live.put(engine, [live_row(roof, {"ac_power": 2.0}, version=2, at=datetime.now(UTC))])
        rows = await box.take(SOON_S)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await engine.dispose()

    assert [row.values for row in rows] == [{"ac_power": 2.0}]
