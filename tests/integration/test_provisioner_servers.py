"""The provisioner with several InfluxDB servers: each is its own matter."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from portal.provisioner.app import Provisioner, open_provisioner
from portal.provisioner.broker_folder import BrokerFolder
from schema.database import Sessions, create_engine_for, reading, sessions_for
from schema.influx_servers import InfluxServer
from schema.models import Account, Grant, Owner, OwnerMove, OwnerPlacement, PlacementState, Role
from schema.settings import ProvisionerSettings
from tests.databases import bring_up_to_date
from tests.fake_influx import FakeInflux
from tests.portal_app import KEY_OF_ZEROS
from tests.waiting import until_async

pytestmark = pytest.mark.integration
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
async def sessions(tmp_path: Path) -> AsyncGenerator[Sessions, None]:
    """An empty database."""
    engine = create_engine_for(f"sqlite:///{tmp_path}/deye.db")
    await bring_up_to_date(engine)
    yield sessions_for(engine)
    await engine.dispose()


@asynccontextmanager
async def provisioner(folder: Path, *urls: str) -> AsyncIterator[Provisioner]:
    """One that knows these servers, the first by INFLUX_URL."""
    first, *further = [InfluxServer.model_validate({"url": url, "operator_token": "op"}) for url in urls]
    written = ",".join(
        f'{{"url": "{one.url}", "operator_token": "{one.operator_token.get_secret_value()}"}}' for one in further
    )
    settings = ProvisionerSettings.model_validate(
        {
            "database_url": f"sqlite:///{folder}/deye.db",
            "token_key": KEY_OF_ZEROS,
            "bridge_mqtt_password": "the bridge's",
            "broker_dir": folder / "broker",
            "influx_url": first.url,
            "influx_operator_token": "op",
            "influx_servers": f"[{written}]",
        }
    )
    async with open_provisioner(settings, BrokerFolder(settings.broker_dir)) as made:
        yield made


async def newcomer(sessions: Sessions, server: str = "") -> UUID:
    """An owner who waits for a place, perhaps on a server that was chosen before."""
    owner_id, account_id = uuid4(), uuid4()
    email = f"{account_id}@example.org"
    async with sessions.begin() as session:
        session.add(Account(id=account_id, email=email, email_key=email, password_hash="-", created_at=NOW))
        session.add(Owner(id=owner_id, name="x", created_at=NOW))
        await session.flush()
        session.add(OwnerPlacement(owner_id=owner_id, server=server, updated_at=NOW))
        session.add(Grant(account_id=account_id, owner_id=owner_id, role=Role.OWNER, created_at=NOW))
    return owner_id


async def place(sessions: Sessions, owner_id: UUID) -> OwnerPlacement:
    """The row as it stands."""
    async with reading(sessions) as session:
        return (await session.scalars(select(OwnerPlacement).where(OwnerPlacement.owner_id == owner_id))).one()


@asynccontextmanager
async def silent() -> AsyncIterator[str]:
    """A server that takes connections and never answers."""
    held: list[asyncio.StreamWriter] = []

    async def keep(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    server = await asyncio.start_server(keep, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in held:
            writer.close()


async def test_a_server_that_never_answers_holds_back_nobody_elsewhere(tmp_path: Path, sessions: Sessions) -> None:
    """Its owners wait and the request hangs; whoever is placed on the other server is ready meanwhile."""
    async with silent() as mute, FakeInflux() as well, provisioner(tmp_path, mute, well.url) as running:
        stuck = [await newcomer(sessions, mute) for _ in range(3)]
        task = asyncio.create_task(running.run())
        try:
            for _ in range(2):
                one = await newcomer(sessions)

                async def ready(one: UUID = one) -> bool:
                    return (await place(sessions, one)).state == PlacementState.READY

                await until_async(ready)
                assert (await place(sessions, one)).server == well.url
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    assert {(await place(sessions, one)).state for one in stuck} == {PlacementState.PENDING}


async def test_one_pass_places_everybody_and_says_what_is_away(tmp_path: Path, sessions: Sessions) -> None:
    """As ``--once`` does: the choice first, then each server, whatever the one before it said."""
    async with FakeInflux() as well, provisioner(tmp_path, "http://127.0.0.1:9", well.url) as running:
        owners = [await newcomer(sessions) for _ in range(4)]
        await running.once()
        rows = [await place(sessions, one) for one in owners]

    there = [row for row in rows if row.server == well.url]
    away = [row for row in rows if row.server != well.url]
    assert (len(there), len(away)) == (2, 2)
    assert {row.state for row in there} == {PlacementState.READY}
    assert all("does not answer" in row.last_error for row in away)


async def test_an_owner_who_shall_move_is_moved(tmp_path: Path, sessions: Sessions) -> None:
    """By the process as it is wired: within one pass he is on the other server."""
    async with FakeInflux() as here, FakeInflux() as there, provisioner(tmp_path, here.url, there.url) as running:
        owner_id = await newcomer(sessions, here.url)
        await running.once()
        async with sessions.begin() as session:
            session.add(OwnerMove(owner_id=owner_id, server=there.url, started_at=NOW, updated_at=NOW))
        await running.once()
        row = await place(sessions, owner_id)

    assert (row.server, row.state, row.org_id in there.state.organisations) == (there.url, PlacementState.READY, True)
