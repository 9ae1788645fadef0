"""No secret of a bridge is ever in what it says: not when its store, its database or its broker turn it away, and not
when they send its own secrets back to it.
"""

import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from sqlalchemy import update

from schema.changes import registry_changed
from schema.models import OwnerPlacement, Placement, PlacementState
from schema.sealing import AesSealer
from tests.bridge_set_up import Home, Paired, Publisher, home
from tests.broker import broker
from tests.services import Postgres
from tests.waiting import until, until_async
from tests.watched_bridge import WatchedBridge

pytestmark = pytest.mark.faults

# As InfluxDB makes them: 64 random bytes.
TOKEN = base64.urlsafe_b64encode(os.urandom(64)).decode()
DATABASE_PASSWORD = "canary-of-the-database"
WRONG_PASSWORD = "canary-of-the-broker"
IN_PAYLOAD = "canary-in-a-payload"


class EchoingStore:
    """Answers every write with ``status`` and sends back all it was given: what a careless proxy does."""

    def __init__(self) -> None:
        self.status = 503
        self.seen: list[int] = []
        self.url = ""

    async def write(self, request: web.Request) -> web.Response:
        """Refuse and echo."""
        self.seen.append(self.status)
        headers = "\n".join(f"{name}: {value}" for name, value in request.headers.items())
        body = f'you sent "{request.headers["Authorization"]}"\n{headers}\n{TOKEN}\n{(await request.read()).decode()}'
        return web.Response(status=self.status, text=body)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen on a port of the kernel's choice."""
        app = web.Application()
        app.add_routes([web.post("/api/v2/write", self.write)])
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield
        finally:
            await runner.cleanup()


async def _place(home_of: Home, paired: Paired, store: EchoingStore, bucket_id: str) -> None:
    """As the provisioner leaves a placement: the token sealed. A parked destination that changes is tried at once."""
    sealer = AesSealer(home_of.settings.token_key.get_secret_value())
    sealed = sealer.seal(TOKEN, row=f"placement:{paired.inverter_id}:bridge")
    async with home_of.sessions() as session, session.begin():
        owner = update(OwnerPlacement).where(OwnerPlacement.owner_id == paired.owner_id)
        await session.execute(owner.values(server=store.url, org_id="0123456789abcdef"))
        place = update(Placement).where(Placement.inverter_id == paired.inverter_id)
        ready = {"state": PlacementState.READY, "bucket_id": bucket_id, "bridge_token_sealed": sealed}
        await session.execute(place.values(**ready))
        await registry_changed(session)


@asynccontextmanager
async def _watched(place: Home, **environment: str) -> AsyncIterator[WatchedBridge]:
    one = WatchedBridge(place, **environment)
    try:
        await one.served()
        yield one
    finally:
        one.process.terminate()
        await one.process.ended()


async def _turned_away(one: WatchedBridge, place: Home, store: EchoingStore, alice: Paired) -> None:
    """503, 401 and 400 for the same reading, then another dead letter and a topic nobody expects."""
    await one.process.ready()
    async with Publisher(place.broker, alice.login) as logger:
        await logger.send(alice.topic(), {"ac_power": 1.0})
        await until(lambda: 503 in store.seen)
        for status in (401, 400):
            store.status = status
            await _place(place, alice, store, f"{status:016x}")
            await until(lambda: store.status in store.seen)
        await logger.send(alice.topic(), f'{{"password": "{IN_PAYLOAD}"')
        await logger.send(f"deye/{alice.login}/{IN_PAYLOAD}/x/y", IN_PAYLOAD)
        await until_async(lambda: _letters(place, 2))


async def _letters(place: Home, count: int) -> bool:
    return len(await place.letters()) >= count


async def test_no_secret_is_in_anything_a_bridge_says_or_leaves(tmp_path: Path, postgres_server: Postgres) -> None:
    """A store that echoes everything, a database that goes away, dead letters, and a broker that refuses."""
    plain = postgres_server.fresh("canaries")
    url = plain.replace("postgres@", f"postgres:{DATABASE_PASSWORD}@")
    store = EchoingStore()
    with broker(tmp_path / "broker") as server:
        async with store.running(), home(tmp_path, server, url, influx_url=store.url) as place:
            alice = await place.pair(state=PlacementState.PENDING)
            await _place(place, alice, store, "0" * 16)
            quick = {"INFLUX_URL": store.url, "HOLD_S": "0.3", "PROBE_S": "0.3", "STORE_TIMEOUT_S": "1"}
            async with _watched(place, **quick) as one:
                await _turned_away(one, place, store, alice)
                letters = str([(letter.detail, letter.reason) for letter in await place.letters()])
                await place.engine.dispose()
                postgres_server.close(plain)
                await until(lambda: any(line["event"] == "changes.lost" for line in one.lines()))
                answers = [str(await one.asked("ready")), str(await one.asked("live")), str(await one.scraped())]
                postgres_server.open(plain)
            async with _watched(place, BRIDGE_MQTT_PASSWORD=WRONG_PASSWORD, **quick) as refused:
                await until(lambda: any(line["event"] == "broker.away" for line in refused.lines()))
            log = (place.folder / "bridge.log").read_text()
            left = {path.name: path.read_bytes() for path in place.settings.data_dir.rglob("*") if path.is_file()}
            secrets = {
                "the token of a bucket": TOKEN,
                "the key of all tokens": place.settings.token_key.get_secret_value(),
                "the bridge's own password": place.settings.bridge_mqtt_password.get_secret_value(),
                "a wrong password": WRONG_PASSWORD,
                "the database's password": DATABASE_PASSWORD,
            }

    said = "\n".join([log, letters, *answers])
    events = {line["event"] for line in (*one.lines(), *refused.lines())}
    assert {"store.misconfigured", "destination.parked", "changes.lost", "broker.away"} <= events
    assert [name for name, secret in secrets.items() if secret in said] == []
    assert IN_PAYLOAD not in log
    assert [(file, name) for file, held in left.items() for name, one in secrets.items() if one.encode() in held] == []
