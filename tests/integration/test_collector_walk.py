"""docs/collectors.md, walked: an identity by the page, its key, a token, and a reading on the owner's page. Its alarm
is walked in ``test_collector_sweeps``.

The portal behind a real HTTP server, the provisioner's own parts, a fake InfluxDB with the real one's rules, and the
document's commands word for word in a shell.
"""

import asyncio
import json
import re
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uvicorn

from portal.credentials.identities import PREFIX
from portal.provisioner.backoff import Backoff
from portal.provisioner.in_turn import InTurn
from portal.provisioner.influx_places import InfluxPlaces
from portal.provisioner.making import Keeping
from portal.provisioner.placing import Placing, Room
from schema.timeseries.stores import open_manager
from tests.collecting import SERIAL, prove
from tests.fake_influx import FakeInflux
from tests.people import Cast, the_cast
from tests.portal_app import RunningPortal, running_portal

pytestmark = pytest.mark.integration

OPERATOR = "operator-token-of-the-tests"
DOCUMENT = Path(__file__).parents[2] / "docs" / "collectors.md"
ASK, WRITE, TELL = re.findall(r"```sh\n(.*)\n```", DOCUMENT.read_text())


@asynccontextmanager
async def served(portal: RunningPortal) -> AsyncIterator[str]:
    """The portal's address on the wire."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(portal.app, lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


async def shell(command: str, address: str, **variables: str) -> tuple[int, str]:
    """The document's command with its example address put here: its status and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", command.replace("https://portal.example.org", address)),
        env={"PATH": "/usr/bin:/bin", **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    return process.returncode or 0, printed.decode()


async def provisioned(cast: Cast, influx: FakeInflux) -> None:
    """What the provisioner does in one turn."""
    parts, manager = cast.portal.parts, open_manager(influx.url, OPERATOR)
    places = InfluxPlaces(
        parts.sessions,
        manager,
        parts.sealer,
        server=influx.url,
        keeping=Keeping.of(retention_days=730, shard_group_weeks=52),
        now=cast.portal.clock,
        backoff=Backoff(time.monotonic, lambda: 1.0),
    )
    await InTurn(Placing(parts.sessions, [Room(influx.url, 1_000)], now=cast.portal.clock), places).turn()
    await manager.close()


async def identity(cast: Cast) -> str:
    """As an administrator, by the form; its key is shown once."""
    made = await cast.ada.post("/admin/collectors", name="pvinverter", networks="", days="365")
    first, again = [(await cast.ada.get(made.headers["location"])).text for _ in range(2)]
    found = re.search(rf"{PREFIX}[A-Z2-7]{{32}}", first)

    assert found is not None
    assert found[0] not in again
    return found[0]


async def test_a_collector_asks_writes_and_tells_with_the_commands_of_the_document(tmp_path: Path) -> None:
    """Before the inverter is proved 404, before its bucket is made 503; then its owner sees what was written."""
    async with (
        FakeInflux(operator_token=OPERATOR) as influx,
        running_portal(tmp_path, influx_url=influx.url) as portal,
        the_cast(portal) as cast,
    ):
        async with served(portal) as address:
            key = await identity(cast)
            unproved = await shell(ASK, address, KEY=key)
            await prove(cast)
            pending = await shell(ASK, address, KEY=key)
            await provisioned(cast, influx)
            status, printed = await shell(ASK, address, KEY=key)
            place = json.loads(printed)
            written = await shell(WRITE, address, **place)
            told = await shell(TELL, address, KEY=key)
            stranger = await shell(ASK, address, KEY=f"{key[:-1]}{'A' if key[-1] != 'A' else 'B'}")
        # The portal's clock stands still, the shell's goes on.
        portal.clock.at = datetime.now(UTC)
        page = (await cast.alice.get(f"/inverters/{cast.roof}")).text
        bucket = influx.state.buckets[place["bucket_id"]]

    assert [text.split(": ")[-1].split()[-1] for _, text in (unproved, pending, stranger)] == ["404", "503", "401"]
    assert (status, place["serial"], place["url"]) == (0, SERIAL, influx.url)
    assert written == (0, "")
    assert [fields["ac_power"] for fields in bucket.points.values()] == [412.5]
    assert (told[0], json.loads(told[1])["rated_power"]) == (0, 600)
    assert "412" in page
