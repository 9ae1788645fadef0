"""What programs may ask: an owner's API, bearer tokens, health, the API's description, and the administrator's page."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, text, update

from schema.models import OwnerPlacement, Placement
from schema.timeseries.port import CounterDay, Sample, StoreUnavailable, Window
from tests.fake_influx import FakeInflux
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


async def test_a_portal_is_ready_as_long_as_it_can_answer(tmp_path: Path) -> None:
    """Without store and live rows pages show less; without the database there is no page. It lives all the while."""
    async with running_portal(tmp_path) as portal, portal.browser() as http:
        well = await http.get("/health/ready")
        portal.app.state.parts = replace(portal.parts, reader=AwayReader())
        async with portal.parts.live_engine.begin() as connection:
            await connection.execute(text("DROP TABLE live"))
        less = await http.get("/health/ready")
        await _drop_tables(portal)
        nothing = await http.get("/health/ready")
        alive = await http.get("/health/live")

    assert (well.status_code, well.json()["parts"]) == (200, {"database": "ok", "live": "ok", "store": "ok"})
    assert (less.status_code, less.json()["status"], less.json()["failed"]) == (200, "degraded", ["live", "store"])
    assert (nothing.status_code, nothing.json()["status"]) == (503, "failed")
    assert alive.status_code == 200


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


async def test_health_asks_every_influxdb_that_somebody_is_placed_on(tmp_path: Path) -> None:
    """One that nobody uses is not asked, and one of two that is away is noticed."""
    async with (
        FakeInflux() as first,
        FakeInflux() as second,
        running_portal(tmp_path, influx_url="http://127.0.0.1:9") as portal,
        the_cast(portal) as cast,
    ):
        async with portal.parts.sessions.begin() as session:
            places = (await session.scalars(select(OwnerPlacement))).all()
            for place in places:
                place.server = first.url
            places[0].server = second.url
        both = await cast.nobody.http.get("/healthcheck")
        await second.stop()
        one = await cast.nobody.http.get("/healthcheck")

    assert (both.status_code, one.status_code) == (200, 503)
    assert one.json()["failed"] == ["store"]


async def test_the_administrators_page_is_nothing_to_everybody_else(cast: Cast) -> None:
    """Owner, installer and anonymous get the same 404; Ada sees counts and what is still being made."""
    async with cast.portal.parts.sessions.begin() as session:
        await session.execute(update(Placement).values(last_error="InfluxDB does not answer"))
    strangers = [await person.get("/admin") for person in (cast.alice, cast.ines, cast.nobody)]
    page = await cast.ada.get("/admin")

    assert [answer.status_code for answer in strangers] == [404, 404, 404]
    assert page.status_code == 200
    assert "InfluxDB does not answer" in (await cast.ada.get("/admin/jobs")).text
    assert "Inverters" in page.text


async def test_the_page_that_draws_the_description_loads_nothing_from_elsewhere(cast: Cast) -> None:
    """Not one foreign address in it."""
    page = await cast.nobody.get("/docs")

    assert "//" not in page.text.replace("<!doctype html>", "")
