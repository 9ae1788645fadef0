"""What the API refuses: other people's inverters, wrong parameters, bodies that are none; always as problem details."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from portal.dashboard.history import History
from tests.dead_store import DeadReader
from tests.people import Cast, the_cast
from tests.portal_app import running_portal
from tests.sunny_roof import asks, shine

pytestmark = pytest.mark.integration
PROBLEM = "application/problem+json"
STRICT_KEYS = {"type", "title", "status", "detail"}


@pytest.fixture
async def cast(tmp_path: Path) -> AsyncGenerator[Cast, None]:
    """Everybody at a portal of their own; Alice's roof has sent nothing yet."""
    async with running_portal(tmp_path, admin_bearer_reads_influx_tokens=True) as portal, the_cast(portal) as people:
        yield people


async def test_another_owners_inverter_is_as_good_as_none(cast: Cast) -> None:
    """Bob's answer for Alice's roof is the very one for an id that does not exist; nonsense is not found either."""
    for what in ("", "/latest", "/readings", "/energy"):
        for_bob = await asks(cast.bob, f"/api/inverters/{cast.roof}{what}")
        unknown = await asks(cast.alice, f"/api/inverters/{uuid4()}{what}")
        nonsense = await asks(cast.alice, f"/api/inverters/not-an-id{what}")
        for_alice = await asks(cast.alice, f"/api/inverters/{cast.roof}{what}")
        for_nobody = await cast.nobody.get(f"/api/inverters/{cast.roof}{what}")

        assert [answer.status_code for answer in (for_bob, unknown, nonsense)] == [404, 404, 404], what
        assert for_bob.content == unknown.content, what
        assert {answer.headers["content-type"] for answer in (for_bob, nonsense, for_nobody)} == {PROBLEM}, what
        assert (for_alice.status_code, for_nobody.status_code) == (200, 401), what


async def test_the_store_being_away_is_said_with_a_time_to_wait(cast: Cast) -> None:
    """503 for the past; the present is there all the same."""
    await shine(cast, cast.roof)
    cast.portal.app.state.parts = replace(cast.portal.parts, history=History(DeadReader(), patience_s=0.2))
    answers = [await asks(cast.alice, f"/api/inverters/{cast.roof}/{what}") for what in ("readings", "energy")]
    latest = await asks(cast.alice, f"/api/inverters/{cast.roof}/latest")

    assert [(answer.status_code, answer.headers["retry-after"]) for answer in answers] == [(503, "10")] * 2
    assert {answer.headers["content-type"] for answer in answers} == {PROBLEM}
    assert latest.status_code == 200


WRONG_PARAMETERS = [
    ("/readings?form=2026-06-01T00:00:00Z", "form"),
    ("/readings?step=300&step=600", "step"),
    ("/readings?step=61", "step"),
    ("/readings?step=0", "step"),
    ("/readings?from=2026-06-01", "from"),
    ("/readings?from=2026-06-01T00:00:00", "from"),
    ("/readings?to=2026-06-01T00:00:00+02:00", "to"),
    ("/readings?from=2026-02-30T00:00:00Z", "from"),
    ("/readings?from=", "from"),
    ("/readings?from=null", "from"),
    ("/readings?quantities=status", "quantities"),
    ("/readings?quantities=ac_power%22%29", "quantities"),
    ("/readings?quantities=", "quantities"),
    ("/readings?" + "&".join(f"quantities=x_{number}" for number in range(21)), "quantities"),
    ("/readings?format=xml", "format"),
    ("/energy?from=20260601", "from"),
    ("/energy?to=2026-W01-1", "to"),
    ("/energy?to=yesterday", "to"),
    ("/latest?a=1", "a"),
    ("?limit=1", "limit"),
]


async def test_a_parameter_that_is_wrong_is_named(cast: Cast) -> None:
    """Problem details with the parameter's name, never another question's answer."""
    headers = await cast.alice.bearer()
    named = {}

    for query, _ in WRONG_PARAMETERS:
        answer = await cast.alice.http.get(f"/api/inverters/{cast.roof}{query}", headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (400, PROBLEM), query
        named[query] = [fault["key"] for fault in answer.json()["errors"]]

    assert named == {query: [key] for query, key in WRONG_PARAMETERS}


async def test_a_list_takes_no_cursor_and_no_size_that_is_none(cast: Cast) -> None:
    """A cursor is an id; a part has at least one and at most 500 entries."""
    headers = await cast.alice.bearer()
    queries = ["cursor=", "cursor=null", "cursor=abc", f"cursor={{{cast.roof}}}", "limit=0", "limit=501", "limit=all"]

    answers = [await cast.alice.http.get(f"/api/inverters?{query}", headers=headers) for query in queries]

    assert [answer.status_code for answer in answers] == [400] * len(queries)
    assert {answer.json()["errors"][0]["key"] for answer in answers} == {"cursor", "limit"}


async def test_every_refusal_below_api_is_problem_details(cast: Cast) -> None:
    """Also where no handler had a say: addresses that are none, wrong methods, a body beyond all measure."""
    http, headers = cast.ada.http, await cast.ada.bearer()
    metadata, log_in = "/inverter_metadata/2711111111", "/auth/jwt/login"
    json_type, form = {"content-type": "application/json"}, {"content-type": "application/x-www-form-urlencoded"}
    refusals = [
        (404, await http.get("/api")),
        (404, await http.get("/api/nothing", headers=headers)),
        (404, await http.get("/api/inverters/%ff%fe", headers=headers)),
        (404, await http.get("/api/../api/nothing")),
        (405, await http.post("/api/inverters", headers=headers)),
        (405, await http.delete(f"/api/inverters/{cast.roof}", headers=headers)),
        (405, await http.get("/auth/jwt/login")),
        (401, await http.get("/api/inverters")),
        (401, await http.get("/api/inverters", headers={b"authorization": b"Bearer \xe9"})),
        (400, await http.post(metadata, content=b'{"rated_power":', headers=headers | json_type)),
        (400, await http.post(metadata, content=b'{"sw_version": "\xff\xfe"}', headers=headers | json_type)),
        (400, await http.post(metadata, content=b'{"sw_version": "\\ud800"}', headers=headers | json_type)),
        (400, await http.post(metadata, content=b"[" * 30_000, headers=headers | json_type)),
        (400, await http.post(metadata, json={"rated_power": "800"}, headers=headers)),
        (400, await http.post(metadata, json={"rated_power": 800, "owner_id": str(uuid4())}, headers=headers)),
        (413, await http.post(metadata, content=b"x" * 70_000, headers=headers | json_type)),
        (415, await http.post(metadata, content=b"rated_power=800", headers=headers | form)),
        (415, await http.post(log_in, json={"username": "a", "password": "b"})),
        (415, await http.post(log_in, files={"username": ("a", b"b")})),
        (400, await http.post(log_in, content=b"\xff=\xfe", headers=form)),
        (413, await http.post(log_in, content=b"username=" + b"x" * 70_000, headers=form)),
    ]

    for number, (status, answer) in enumerate(refusals):
        assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM), f"{number}: {answer.text}"
        body = answer.json()
        assert (body["type"], body["status"]) == ("about:blank", status), number
        assert "Traceback" not in answer.text, number
        assert not STRICT_KEYS - set(body), number
    assert all(
        "GET" in answer.headers["allow"] or "POST" in answer.headers["allow"]
        for status, answer in refusals
        if status == 405
    )


async def test_a_host_that_is_not_ours_is_refused_as_problem_details(tmp_path: Path) -> None:
    """Where the operator names hosts; a page's visitor gets a page."""
    async with running_portal(tmp_path, allowed_hosts="portal.example.org") as portal, portal.browser() as http:
        forged = await http.get("/api/inverters", headers={"host": "evil.example"})
        right = await http.get("/api/inverters")

    assert (forged.status_code, right.status_code) == (400, 401)
    assert forged.headers["content-type"] == right.headers["content-type"] == PROBLEM
