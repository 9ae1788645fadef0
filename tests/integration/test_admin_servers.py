"""The administration's page of InfluxDB servers: how full, how much longer, and a warning before the limit."""

import re
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from schema.models import InverterMove, MoveState, OwnerMove, OwnerPlacement, StoreServer
from tests.people import Cast, the_cast
from tests.portal_app import running_portal
from tests.sunny_roof import owner_of

pytestmark = pytest.mark.integration
URL, OTHER = "http://influxdb:8086", "http://influxdb2:8086"


@pytest.fixture
async def cast(tmp_path: Path) -> AsyncGenerator[Cast, None]:
    """Everybody at a portal with InfluxDB."""
    async with running_portal(tmp_path, influx_url=URL) as portal, the_cast(portal) as people:
        yield people


async def server(cast: Cast, url: str = URL, **columns: Any) -> None:
    """A server in the table, in place of an older row, well and fresh where nothing else is said."""
    well = {"capacity_buckets": 1_000, "buckets": 10, "shards": 20, "version": "v2.9.1", "last_error": ""}
    well |= {"checked_at": cast.portal.clock(), "memory_bytes": 300 * 1024**2, "files_limit": 65_536, "open": True}
    async with cast.portal.parts.sessions.begin() as session:
        await session.execute(delete(StoreServer).where(StoreServer.url == url))
        session.add(StoreServer(url=url, **(well | columns)))


async def shown(cast: Cast, path: str = "/admin/servers") -> str:
    """The page's text in one line."""
    page = await cast.ada.get(path)
    assert page.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text))


async def test_each_server_shows_what_it_holds_of_what_it_is_meant_for(cast: Cast) -> None:
    """Buckets, descriptors computed from buckets and shards, memory: each beside its limit, and for one bucket."""
    await server(cast, memory_limit_bytes=1024**3)

    page = await shown(cast)

    assert "1 % · 10 of 1,000" in page
    assert "260 of 65,536, 26.0 for each bucket" in page
    assert "29 % · 0.29 GB of 1.00 GB, 30.00 MB for each bucket" in page
    assert "There is room for 990 more inverters." in page


async def test_the_page_says_how_long_the_room_lasts(cast: Cast) -> None:
    """At the pace of the last thirty days; inverters that are older say nothing about it."""
    await server(cast, capacity_buckets=100)
    fresh = await shown(cast)
    cast.portal.clock.go(days=31)
    await server(cast, capacity_buckets=100)
    await cast.ada.log_in()
    later = await shown(cast)

    assert re.search(r"\d+ came in the last 30 days: at this pace it is gone in [\d,]+ days", fresh)
    assert "at this pace" not in later


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"buckets": 799}, ""),
        ({"buckets": 800}, "It is nearly full"),
        ({"buckets": 1_000}, "It is full and takes nobody new"),
        ({"shards": 5_700}, ""),
        ({"shards": 5_820}, "It comes near the files"),
        ({"memory_limit_bytes": 376 * 1024**2}, ""),
        ({"memory_limit_bytes": 375 * 1024**2}, "It comes near the memory"),
        ({"last_error": "ClientConnectorError"}, "It does not answer: ClientConnectorError"),
        ({"checked_at": None}, "Its figures are old"),
    ],
)
async def test_a_warning_comes_before_the_limit(cast: Cast, columns: dict[str, Any], said: str) -> None:
    """At 80 % of buckets, descriptors or memory, on the server's page and on the administration's first one."""
    await server(cast, **columns)

    page, first = await shown(cast), await shown(cast, "/admin")
    warned = re.findall(r"It is nearly full|It is full|It comes near|It does not answer|Its figures are old", page)

    assert said in page
    assert len(warned) == bool(said)
    assert ("InfluxDB servers and moves to look after 1" in first) == bool(said)


async def test_figures_that_nobody_renews_are_old(cast: Cast) -> None:
    """A provisioner that does not run is noticed by its silence."""
    await server(cast, checked_at=cast.portal.clock() - timedelta(minutes=16))

    assert "Its figures are old" in await shown(cast)


async def test_without_room_newcomers_wait_and_the_page_says_so(cast: Cast) -> None:
    """A closed server has no room for anybody new."""
    await server(cast, open=False)

    assert "There is no room: new owners wait" in await shown(cast)


async def test_an_owner_on_the_move_is_shown_with_how_far_he_is(cast: Cast) -> None:
    """Before the switch from here to there, afterwards the same way, with the old copy that is left."""
    await server(cast)
    owner_id, now = await owner_of(cast, cast.roof), cast.portal.clock()
    async with cast.portal.parts.sessions.begin() as session:
        await session.execute(update(OwnerPlacement).values(server=URL))
        session.add(
            OwnerMove(
                owner_id=owner_id, server=OTHER, org_id="0a", state=MoveState.COPYING, started_at=now, updated_at=now,
                last_error="no answer in time",
            )
        )  # fmt: skip
        session.add(InverterMove(inverter_id=cast.roof, points=250, total=1_000, updated_at=now))
    copying, first = await shown(cast), await shown(cast, "/admin")
    async with cast.portal.parts.sessions.begin() as session:
        place = (await session.scalars(select(OwnerPlacement).where(OwnerPlacement.owner_id == owner_id))).one()
        move = await session.get_one(OwnerMove, owner_id)
        place.server, move.server, move.state, move.last_error = OTHER, URL, MoveState.DONE, ""
    done = await shown(cast)

    assert f"alice@example.org {owner_id} {URL} → {OTHER} copying 25 %" in copying
    assert "no answer in time" in copying
    assert "InfluxDB servers and moves to look after 1" in first
    assert f"{URL} → {OTHER} moved; the old copy is still there 100 %" in done


async def test_a_home_with_the_embedded_store_has_no_servers(tmp_path: Path) -> None:
    """The page says where readings lie instead."""
    async with running_portal(tmp_path) as portal, the_cast(portal) as cast:
        assert "There is no InfluxDB server to look after" in await shown(cast)
