"""The original's addresses for outside collectors: right answers, right refusals, nothing to be found out by asking."""

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from schema.models import ClaimState, Feed, Inverter, Login
from tests.collecting import INFLUX, SERIAL, SERVER, prove, provision
from tests.people import Cast, the_cast
from tests.portal_app import running_portal

pytestmark = pytest.mark.integration

BEARER: dict[str, Any] = {**INFLUX, "admin_bearer_reads_influx_tokens": True}


@pytest.fixture
async def cast(tmp_path: Path) -> AsyncGenerator[Cast, None]:
    """Everybody at a portal with InfluxDB, whose administrators may read tokens."""
    async with running_portal(tmp_path, **BEARER) as portal, the_cast(portal) as people:
        yield people


async def test_a_collector_gets_what_the_original_answered(cast: Cast) -> None:
    """Token, bucket, organisation and address, never to be stored on the way; the serial as anybody writes it."""
    await prove(cast)
    await provision(cast)

    answer = await cast.ada.http.get(
        "/influx_token", params={"serial": "27-1111 1111"}, headers=await cast.ada.bearer()
    )

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "serial": SERIAL,
        "token": "external write token",
        "bucket_id": "b" * 16,
        "bucket_name": f"inverter-{cast.roof}",
        "org_id": "0" * 16,
        "url": SERVER,
    }


async def test_unknown_unproved_and_disputed_serials_look_alike(cast: Cast) -> None:
    """One answer, byte for byte: nobody finds out by asking which serials there are."""
    headers = await cast.ada.bearer()
    await provision(cast)

    async def ask(serial: str) -> tuple[int, bytes]:
        answer = await cast.ada.http.get("/influx_token", params={"serial": serial}, headers=headers)
        return answer.status_code, answer.content

    unproved = await ask(SERIAL)
    unknown = await ask("2799999999")
    nonsense = await ask("' OR 1=1 --")
    await prove(cast)
    proved = await ask(SERIAL)
    shed = await cast.bob.add_inverter("Squat", SERIAL)
    async with cast.portal.parts.sessions.begin() as session:
        await session.execute(update(Feed).where(Feed.inverter_id == shed).values(claim_state=ClaimState.DISPUTED))
    disputed = await ask(SERIAL)

    assert proved[0] == 200
    assert unproved == unknown == nonsense == disputed
    assert disputed[0] == 404


async def test_a_place_that_is_not_ready_asks_for_patience(cast: Cast) -> None:
    """503 with Retry-After while the provisioner is at work."""
    await prove(cast)

    answer = await cast.ada.http.get("/influx_token", params={"serial": SERIAL}, headers=await cast.ada.bearer())

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


async def test_a_revoked_login_proves_nothing_any_more(cast: Cast) -> None:
    """When the only login that proved the serial is withdrawn, the collector gets nothing."""
    await prove(cast)
    await provision(cast)
    async with cast.portal.parts.sessions.begin() as session:
        await session.execute(update(Login).values(revoked_at=cast.portal.clock()))

    answer = await cast.ada.http.get("/influx_token", params={"serial": SERIAL}, headers=await cast.ada.bearer())

    assert answer.status_code == 404


@pytest.mark.parametrize("address", ["/influx_token?serial=2711111111", "/influx_token?serial=2799999999"])
async def test_nobody_else_reads_tokens(cast: Cast, address: str) -> None:
    """Owners' tokens are refused whatever they ask for, cookies do not count, and nobody is sent to a log-in page."""
    await prove(cast)
    await provision(cast)

    owner = await cast.alice.http.get(address, headers=await cast.alice.bearer())
    admins_cookie = await cast.ada.get(address)
    nobody = await cast.nobody.get(address)

    assert owner.status_code == 403
    assert admins_cookie.status_code == nobody.status_code == 401
    assert nobody.headers["www-authenticate"] == "Bearer"
    for answer in (owner, admins_cookie, nobody):
        assert answer.headers["content-type"] == "application/problem+json"


async def test_an_administrator_reads_tokens_only_where_the_settings_allow_it(tmp_path: Path) -> None:
    """The default is no."""
    settings = {**BEARER, "admin_bearer_reads_influx_tokens": False}
    async with running_portal(tmp_path, **settings) as portal, the_cast(portal) as cast:
        await prove(cast)
        await provision(cast)
        headers = await cast.ada.bearer()
        token = await cast.ada.http.get("/influx_token", params={"serial": SERIAL}, headers=headers)
        metadata = await cast.ada.http.post(f"/inverter_metadata/{SERIAL}", json={"rated_power": 600}, headers=headers)

    assert token.status_code == metadata.status_code == 403


async def test_the_embedded_store_has_no_tokens_to_give(tmp_path: Path) -> None:
    """A clear answer instead of a token that opens nothing."""
    async with running_portal(tmp_path, admin_bearer_reads_influx_tokens=True) as portal, the_cast(portal) as cast:
        answer = await cast.ada.http.get("/influx_token", params={"serial": SERIAL}, headers=await cast.ada.bearer())

    assert answer.status_code == 501
    assert "embedded store" in answer.json()["detail"]


async def test_metadata_is_kept_part_by_part(cast: Cast) -> None:
    """What is named changes, the rest stays, and the record comes back."""
    await prove(cast)
    headers = await cast.ada.bearer()

    first = await cast.ada.http.post(
        f"/inverter_metadata/{SERIAL}", json={"sw_version": "1.53", "rated_power": 600}, headers=headers
    )
    second = await cast.ada.http.post(f"/inverter_metadata/{SERIAL}", json={"number_of_mppts": 2}, headers=headers)
    unknown = await cast.ada.http.post("/inverter_metadata/2799999999", json={"rated_power": 1}, headers=headers)

    assert first.status_code == second.status_code == 200
    record = {"serial": SERIAL, "sw_version": "1.53", "rated_power": 600, "number_of_mppts": 2}
    assert second.json() == {**record, "kept": []}
    assert unknown.status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"rated_power": 0},
        {"rated_power": -600},
        {"rated_power": "much"},
        {"rated_power": 1e999},
        {"number_of_mppts": 1000},
        {"sw_version": ""},
        {"sw_version": "x" * 65},
        {"sw_version": "line\nbreak"},
        {"rated_power": 600, "owner_id": "x"},
        [],
    ],
)
async def test_wrong_metadata_is_refused_and_changes_nothing(cast: Cast, body: Any) -> None:
    """400 with problem details; the record is as before."""
    await prove(cast)
    headers = {**await cast.ada.bearer(), "Content-Type": "application/json"}

    answer = await cast.ada.http.post(f"/inverter_metadata/{SERIAL}", content=json.dumps(body), headers=headers)

    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    async with cast.portal.parts.sessions() as session:
        inverter = await session.get(Inverter, cast.roof)
    assert inverter is not None
    assert (inverter.sw_version, inverter.rated_power_w, inverter.number_of_mppts) == (None, None, None)
