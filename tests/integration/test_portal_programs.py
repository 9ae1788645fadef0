"""What programs may ask: an owner's API, bearer tokens, health, the API's description, and the administrator's page."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text, update

from schema import live
from schema.models import Placement, Rung
from schema.timeseries.port import CounterDay, Sample, StoreUnavailable, Window
from tests.people import Cast, the_cast
from tests.portal_app import RunningPortal, running_portal

pytestmark = pytest.mark.integration


class AwayReader:
    """A store that does not answer."""

    async def latest(self, *_: object) -> dict[str, Sample]:
        """Nobody there."""
        raise StoreUnavailable("away")

    async def windows(self, *_: object) -> list[Window]:
        """Nobody there."""
        raise StoreUnavailable("away")

    async def counter_days(self, *_: object) -> list[CounterDay]:
        """Nobody there."""
        raise StoreUnavailable("away")

    async def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
async def cast(tmp_path: Path) -> AsyncGenerator[Cast, None]:
    """Everybody at a portal of their own."""
    async with running_portal(tmp_path) as portal, the_cast(portal) as people:
        yield people


async def test_an_owner_asks_for_own_inverters_alone(cast: Cast) -> None:
    """Alice gets hers with its newest values, Bob gets 404 for it, nonsense is not found."""
    at = datetime(2026, 6, 1, 12, tzinfo=UTC)
    row = {"inverter_id": cast.roof, "version": 1, "rung": Rung.VALUES_PLAUSIBLE, "values": {"ac_power": 412.5},
           "reading_at": at, "seen_at": at, "refusal": "", "refusal_detail": "", "refused_at": None}  # fmt: skip
    await live.put(cast.portal.parts.live_engine, [row])
    hers, his = await cast.alice.bearer(), await cast.bob.bearer()

    listed = (await cast.alice.http.get("/api/inverters", headers=hers)).json()
    one = await cast.alice.http.get(f"/api/inverters/{cast.roof}", headers=hers)
    for_bob = await cast.bob.http.get(f"/api/inverters/{cast.roof}", headers=his)
    bobs_list = (await cast.bob.http.get("/api/inverters", headers=his)).json()
    unknown = await cast.alice.http.get(f"/api/inverters/{uuid4()}", headers=hers)
    nonsense = await cast.alice.http.get("/api/inverters/not-an-id", headers=hers)

    assert [inverter["id"] for inverter in listed] == [str(cast.roof)]
    assert one.json() == listed[0]
    assert one.json()["values"] == {"ac_power": 412.5}
    assert one.json()["reading_at"] == "2026-06-01T12:00:00Z"
    assert set(one.json()) == {
        "id", "name", "serial", "sw_version", "rated_power_w", "number_of_mppts", "created_at", "reading_at",
        "seen_at", "values",
    }  # fmt: skip
    assert for_bob.status_code == unknown.status_code == nonsense.status_code == 404
    assert for_bob.content == unknown.content
    assert str(cast.roof) not in [inverter["id"] for inverter in bobs_list]


async def test_a_token_ends_when_it_is_logged_out(cast: Cast) -> None:
    """The original's log-out works at once, and only for the token that asks."""
    first, second = await cast.alice.bearer(), await cast.alice.bearer()

    left = await cast.alice.http.post("/auth/jwt/logout", headers=first)

    assert left.status_code == 204
    assert (await cast.alice.http.get("/api/inverters", headers=first)).status_code == 401
    assert (await cast.alice.http.get("/api/inverters", headers=second)).status_code == 200


async def test_a_program_logs_in_as_it_did_with_the_original(cast: Cast) -> None:
    """The fields username and password; a token type; wrong ones are told apart by nothing."""
    good = await cast.nobody.http.post(
        "/auth/jwt/login",
        data={"username": cast.alice.email, "password": "nine green bottles", "grant_type": "password"},
    )
    wrong = await cast.nobody.http.post("/auth/jwt/login", data={"username": cast.alice.email, "password": "wrong"})
    unknown = await cast.nobody.http.post("/auth/jwt/login", data={"username": "zoe@example.org", "password": "wrong"})
    empty = await cast.nobody.http.post("/auth/jwt/login", data={})

    assert set(good.json()) == {"access_token", "token_type"}
    assert good.json()["token_type"] == "bearer"
    assert good.headers["cache-control"] == "no-store"
    assert "set-cookie" not in good.headers
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.content == unknown.content
    assert empty.status_code == 400


async def test_health_names_the_part_that_failed(tmp_path: Path) -> None:
    """200 while all is well; 503 naming the store when it is away, and the database too when that has no tables."""
    async with running_portal(tmp_path) as portal, portal.browser() as http:
        well = await http.get("/healthcheck")
        portal.app.state.parts = replace(portal.parts, reader=AwayReader())
        without_store = await http.get("/healthcheck")
        await _drop_tables(portal)
        without_both = await http.get("/healthcheck")

    assert (well.status_code, well.json()["status"]) == (200, "ok")
    assert well.json()["parts"] == {"database": "ok", "store": "ok"}
    assert (without_store.status_code, without_store.json()["failed"]) == (503, ["store"])
    assert without_both.json()["failed"] == ["database", "store"]


class BrokenReader(AwayReader):
    """A store whose adapter has a fault of its own."""

    async def latest(self, *_: object) -> dict[str, Sample]:
        """Nobody expected this."""
        raise RuntimeError("a detail that is nobody's business")


async def test_a_fault_of_ours_is_said_without_its_details(tmp_path: Path) -> None:
    """500 for programs and people, the cause only in the log; the next request is answered as ever."""
    async with running_portal(tmp_path) as portal, portal.browser() as http:
        portal.app.state.parts = replace(portal.parts, reader=BrokenReader())
        for_program = await http.get("/healthcheck")
        portal.app.state.parts = None
        for_person = await http.get("/signup/sent")
        portal.app.state.parts = portal.parts
        afterwards = await http.get("/healthcheck")

    assert (for_program.status_code, for_person.status_code, afterwards.status_code) == (500, 500, 200)
    assert "business" not in for_program.text
    assert "Something broke here" in for_person.text
    assert "Traceback" not in for_person.text


async def _drop_tables(portal: RunningPortal) -> None:
    async with portal.parts.sessions.begin() as session:
        await session.execute(text("DROP TABLE registry_version"))


async def test_health_notices_an_influxdb_that_is_away(tmp_path: Path) -> None:
    """Nobody listens on that port."""
    async with running_portal(tmp_path, influx_url="http://127.0.0.1:9") as portal, portal.browser() as http:
        answer = await http.get("/healthcheck")

    assert (answer.status_code, answer.json()["failed"]) == (503, ["store"])


async def test_the_administrators_page_is_nothing_to_everybody_else(cast: Cast) -> None:
    """Owner, installer and anonymous get the same 404; Ada sees counts and what is still being made."""
    async with cast.portal.parts.sessions.begin() as session:
        await session.execute(update(Placement).values(last_error="InfluxDB does not answer"))
    strangers = [await person.get("/admin") for person in (cast.alice, cast.ines, cast.nobody)]
    page = await cast.ada.get("/admin")

    assert [answer.status_code for answer in strangers] == [404, 404, 404]
    assert page.status_code == 200
    assert "InfluxDB does not answer" in page.text
    assert "Inverters" in page.text


async def test_the_description_lists_programs_addresses_and_loads_nothing_from_elsewhere(cast: Cast) -> None:
    """Every address of a program, no page's; and not one foreign address in the page that draws it."""
    page = await cast.nobody.get("/docs")
    described = (await cast.nobody.get("/docs/openapi.json")).json()

    assert set(described["paths"]) == {
        "/healthcheck", "/auth/jwt/login", "/auth/jwt/logout", "/api/inverters", "/api/inverters/{inverter_id}",
        "/influx_token", "/inverter_metadata/{serial}",
    }  # fmt: skip
    assert "//" not in page.text.replace("<!doctype html>", "")
    assert described["components"]["securitySchemes"]
