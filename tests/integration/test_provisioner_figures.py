"""The table of servers says which there are, and what each says about itself."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import select

from portal.provisioner.figures import LOOK_AGAIN_S, LOOK_EVERY_S, NAMED_NOWHERE, Figures, ServerRows
from schema.database import Sessions, create_engine_for, reading, sessions_for
from schema.influx_servers import InfluxServer
from schema.models import Owner, OwnerPlacement, StoreServer
from schema.timeseries.kinds import StoreKind
from schema.timeseries.port import Destination
from schema.timeseries.stores import open_figures, open_manager, open_writer
from tests.databases import bring_up_to_date
from tests.fake_influx import FakeInflux
from tests.influx import RealInflux, set_up

pytestmark = pytest.mark.integration
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
async def sessions(tmp_path: Path) -> AsyncGenerator[Sessions, None]:
    """An empty database."""
    engine = create_engine_for(f"sqlite:///{tmp_path}/deye.db")
    await bring_up_to_date(engine)
    yield sessions_for(engine)
    await engine.dispose()


def server(url: str, **more: object) -> InfluxServer:
    """As an operator writes it down."""
    return InfluxServer.model_validate({"url": url, "operator_token": "op", **more})


async def rows(sessions: Sessions) -> dict[str, StoreServer]:
    """The table."""
    async with reading(sessions) as session:
        return {row.url: row for row in await session.scalars(select(StoreServer))}


async def test_the_rows_are_those_of_the_settings(sessions: Sessions) -> None:
    """Changed limits arrive; who is named nowhere goes, unless somebody's readings lie there: then he is told."""
    a, b, c = "http://a:8086", "http://b:8086", "http://c:8086"
    await ServerRows(sessions, [server(a), server(b), server(c)]).turn()
    owner_id, other_id = uuid4(), uuid4()
    async with sessions.begin() as session:
        for one in (owner_id, other_id):
            session.add(Owner(id=one, name="x", created_at=NOW))
        await session.flush()
        session.add(OwnerPlacement(owner_id=owner_id, server=b, updated_at=NOW))
        session.add(OwnerPlacement(owner_id=other_id, server="http://old:8086", updated_at=NOW))

    await ServerRows(sessions, [server(a, capacity_buckets=7, open=False, memory_mb=2, open_files=99)]).turn()
    found = await rows(sessions)

    assert set(found) == {a, b, "http://old:8086"}
    changed = found[a]
    assert (changed.open, changed.capacity_buckets, changed.files_limit) == (False, 7, 99)
    assert changed.memory_limit_bytes == 2 * 1024**2
    assert all((found[url].open, found[url].last_error) == (False, NAMED_NOWHERE) for url in (b, "http://old:8086"))


async def test_a_servers_figures_are_looked_at_now_and_then(sessions: Sessions) -> None:
    """Not at each change of the registry; one that is away keeps its last figures beside its error."""
    clock = [0.0]
    async with FakeInflux(operator_token="op") as fake:
        await ServerRows(sessions, [server(fake.url)]).turn()
        figures = Figures(sessions, fake.url, open_figures(fake.url), clock=lambda: clock[0], now=lambda: NOW)
        waits = [await figures.turn()]
        manager = open_manager(fake.url, "op")
        await manager.find_or_create_bucket(await manager.find_or_create_organisation("owner-1"), "inverter-1")
        await manager.close()
        clock[0] += LOOK_EVERY_S / 2
        waits.append(await figures.turn())
        before = (await rows(sessions))[fake.url]
        clock[0] += LOOK_EVERY_S / 2
        waits.append(await figures.turn())
        after = (await rows(sessions))[fake.url]
    clock[0] += LOOK_EVERY_S
    waits.append(await figures.turn())
    away = (await rows(sessions))[fake.url]

    assert waits == [LOOK_EVERY_S, LOOK_EVERY_S / 2, LOOK_EVERY_S, LOOK_AGAIN_S]
    assert (before.buckets, after.buckets, away.buckets) == (1, 2, 2)
    assert (after.version, after.shards, after.checked_at, after.last_error) == ("2.9.1-fake", 0, NOW, "")
    assert away.last_error != ""
    assert away.checked_at == NOW


async def test_a_real_server_tells_the_same_figures(sessions: Sessions, influx_server: RealInflux) -> None:
    """One more bucket with a point in it is one more bucket and one more shard."""
    await set_up(influx_server)
    asked, name = open_figures(influx_server.url), f"figures-{uuid4()}"
    before = await asked.figures()
    manager = open_manager(influx_server.url, influx_server.operator_token)
    org_id = await manager.find_or_create_organisation(name)
    bucket_id = await manager.find_or_create_bucket(org_id, name)
    token = (await manager.create_token(org_id, name, bucket_id=bucket_id, write=True)).token
    await manager.close()
    writer = open_writer(StoreKind.INFLUX2, path=Path("unused"))
    place = Destination(uuid4(), uuid4(), influx_server.url, org_id, bucket_id, token)
    await writer.write(place, [f"reading,serial=x ac_power=1.0 {int(datetime.now(UTC).timestamp() * 1000)}".encode()])
    await writer.close()

    after = await asked.figures()

    assert before.version
    assert before.buckets is not None
    assert after.buckets == before.buckets + 1
    assert before.shards is not None
    assert after.shards == before.shards + 1
    assert after.memory_bytes is not None
    assert after.memory_bytes > 10 * 1024**2
