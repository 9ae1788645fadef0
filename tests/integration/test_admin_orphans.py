"""The administration's list of what InfluxDB has under our names and nobody owns."""

import re
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from schema.models import Orphan, OrphanKind
from tests.people import Cast, the_cast
from tests.portal_app import running_portal

pytestmark = pytest.mark.integration
URL = "http://influxdb:8086"


@pytest.fixture
async def cast(tmp_path: Path) -> AsyncGenerator[Cast, None]:
    """Everybody at a portal with InfluxDB."""
    async with running_portal(tmp_path, influx_url=URL) as portal, the_cast(portal) as people:
        yield people


async def shown(cast: Cast, path: str) -> str:
    """The page's text in one line."""
    page = await cast.ada.get(path)
    assert page.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text))


async def test_each_orphan_is_told_with_its_server_its_age_and_why(cast: Cast) -> None:
    """The first page points there; a search by id, name or kind finds it; nothing can be pressed."""
    empty, now = await shown(cast, "/admin/orphans"), cast.portal.clock()
    seen = {"first_seen_at": now - timedelta(days=3), "last_seen_at": now, "server": URL}
    ghost = f"inverter-{uuid4()}"
    async with cast.portal.parts.sessions.begin() as session:
        bucket = {"kind": OrphanKind.BUCKET, "external_id": "0a" * 8, "name": ghost, "org_id": "0c" * 8}
        session.add(Orphan(**bucket, **seen))
        copy = {"kind": OrphanKind.TOKEN, "external_id": "0b" * 8, "name": f"bridge writes inverter-{cast.roof}"}
        session.add(Orphan(**copy, **seen))

    page, first = await shown(cast, "/admin/orphans"), await shown(cast, "/admin")
    found = {query: await shown(cast, f"/admin/orphans?{query}") for query in ("q=0A0A", f"q={ghost}", "kind=bucket")}
    none = await shown(cast, "/admin/orphans?q=%25")
    raw = (await cast.ada.get("/admin/orphans")).text

    assert "belongs to somebody" in empty
    assert f"bucket {'0a' * 8} {ghost} in organisation {'0c' * 8} {URL} Its id is in no row" in page
    assert f"bridge writes inverter-{cast.roof} {URL} Whose name it bears is in the database" in page
    assert f"{now - timedelta(days=3):%Y-%m-%d %H:%M} {now:%Y-%m-%d %H:%M}" in page
    assert "Things in InfluxDB that belong to nobody 2" in first
    assert all("1 orphan " in one and ghost in one and "0b" * 8 not in one for one in found.values())
    assert "Nothing fits this search" in none
    assert 'method="post" action="/admin' not in raw
