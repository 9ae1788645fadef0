"""What an owner's program asks of the API, and what nobody else is told: parts, tags, tables, days, refusals."""

import csv
import io
from collections.abc import AsyncGenerator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from schema import live
from schema.models import Role
from schema.quantities import CATALOGUE
from tests.people import PASSWORD, Cast, allow, the_cast
from tests.portal_app import running_portal
from tests.sunny_roof import asks, shine
from tests.watts import live_row

pytestmark = pytest.mark.integration
PROBLEM = "application/problem+json"


@pytest.fixture
async def cast(tmp_path: Path) -> AsyncGenerator[Cast, None]:
    """Everybody at a portal of their own; Alice's roof has seven sunny days in the store."""
    async with running_portal(tmp_path) as portal, the_cast(portal) as people:
        await shine(people, people.roof)
        yield people


async def test_an_owner_asks_for_own_inverters_alone(cast: Cast) -> None:
    """Alice gets hers with its newest values, Ines who installs it too, Bob none of it."""
    hers = (await asks(cast.alice, "/api/inverters")).json()
    one = (await asks(cast.alice, f"/api/inverters/{cast.roof}")).json()
    installers = (await asks(cast.ines, "/api/inverters")).json()
    bobs = (await asks(cast.bob, "/api/inverters")).json()

    assert [inverter["id"] for inverter in hers["inverters"]] == [str(cast.roof)]
    assert (one, hers["next"]) == (hers["inverters"][0], None)
    assert one["values"]["ac_power"] == 1412.0
    assert set(one) == {
        "id", "name", "serial", "sw_version", "rated_power_w", "number_of_mppts", "created_at", "reading_at",
        "seen_at", "values", "told", "former_serials", "given_away_at",
    }  # fmt: skip
    assert installers["inverters"] == hers["inverters"]
    assert [inverter["name"] for inverter in bobs["inverters"]] == ["Shed"]


async def test_a_list_in_parts_names_each_inverter_once(cast: Cast) -> None:
    """Seven inverters in parts of three: next leads on, also when one is added and one renamed meanwhile."""
    wanted = {str(cast.roof)} | {
        str(await cast.alice.add_inverter(f"No. {number}", f"274444444{number}")) for number in range(6)
    }
    headers = await cast.alice.bearer()
    found: list[str] = []
    following = "/api/inverters?limit=3"
    parts = 0

    while following:
        answer = await cast.alice.http.get(following, headers=headers)
        part = answer.json()
        found += [inverter["id"] for inverter in part["inverters"]]
        following, parts = part["next"], parts + 1
        link = answer.headers.get("link", "")
        assert link == (f'<{following}>; rel="next"' if following else "")
        if parts == 1:
            await cast.alice.post(f"/inverters/{cast.roof}/edit", name="AAA")

    assert parts == 3
    assert (len(found), set(found)) == (7, wanted)


async def test_a_strangers_cursor_opens_nothing(cast: Cast) -> None:
    """A cursor only says where to go on: with Alice's roof for a cursor Bob still sees his own alone."""
    answers = [await asks(cast.bob, f"/api/inverters?cursor={cursor}") for cursor in (cast.roof, uuid4())]
    names = {inverter["name"] for answer in answers for inverter in answer.json()["inverters"]}

    assert [answer.status_code for answer in answers] == [200, 200]
    assert names <= {"Shed"}


async def test_who_polls_is_told_that_nothing_is_new(cast: Cast) -> None:
    """304 without a body while the tag is true; a new reading changes it. Another's tag is no key."""
    path = f"/api/inverters/{cast.roof}/latest"
    first = await asks(cast.alice, path)
    tag = first.headers["etag"]
    again = await asks(cast.alice, path, if_none_match=tag)
    weak = await asks(cast.alice, path, if_none_match=f'"old", W/{tag}')
    for_bob = await asks(cast.bob, path, if_none_match=tag)
    row = live_row(cast.roof, {"ac_power": 7.0}, version=2, at=cast.portal.clock())
    await live.put(cast.portal.parts.live_engine, [row])
    later = await asks(cast.alice, path, if_none_match=tag)

    assert first.json()["units"]["ac_power"] == "W"
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert again.headers["cache-control"] == first.headers["cache-control"] == "private, no-cache"
    assert "authorization" in first.headers["vary"].lower()
    assert (weak.status_code, for_bob.status_code, later.status_code) == (304, 404, 200)
    assert later.json()["values"] == {"ac_power": 7.0}


async def test_an_inverter_nobody_has_heard_of_has_no_values(cast: Cast) -> None:
    """Empty, not an error: Bob's shed has never sent anything, and its place is not ready yet."""
    shed = (await asks(cast.bob, "/api/inverters")).json()["inverters"][0]["id"]
    latest = (await asks(cast.bob, f"/api/inverters/{shed}/latest")).json()
    readings = (await asks(cast.bob, f"/api/inverters/{shed}/readings")).json()
    energy = (await asks(cast.bob, f"/api/inverters/{shed}/energy")).json()

    assert (latest["values"], latest["reading_at"], latest["seen_at"]) == ({}, None, None)
    assert readings["readings"] == []
    assert {day["source"] for day in energy["days"]} == {"nothing"}


async def test_readings_are_means_of_windows_in_utc_with_their_units(cast: Cast) -> None:
    """The asked quantities alone, in the asked windows, each value within what the inverter can do."""
    now = cast.portal.clock()
    day = f"{now - timedelta(days=2):%Y-%m-%d}"
    query = f"from={day}T00:00:00Z&to={day}T23:59:59Z&quantities=ac_power&quantities=ac_voltage&step=3600"

    found = (await asks(cast.alice, f"/api/inverters/{cast.roof}/readings?{query}")).json()

    assert found["units"] == {"ac_power": "W", "ac_voltage": "V"}
    assert (found["step_s"], found["next"]) == (3600, None)
    times = [datetime.fromisoformat(window["at"]) for window in found["readings"]]
    assert times == sorted(set(times))
    assert {(at.minute, at.second, at.utcoffset()) for at in times} == {(0, 0, timedelta(0))}
    assert 5 < len(times) <= 24
    assert {name for window in found["readings"] for name in window["values"]} == {"ac_power", "ac_voltage"}
    assert all(231.0 < window["values"]["ac_voltage"] < 232.0 for window in found["readings"])


async def test_a_long_range_comes_in_parts_that_meet(cast: Cast) -> None:
    """Seven days of minutes are more than one answer holds; following next gives every window once."""
    headers, now = await cast.alice.bearer(), cast.portal.clock()
    since = (now - timedelta(days=7)).astimezone(UTC).isoformat().replace("+00:00", "Z")
    following: str | None = f"/api/inverters/{cast.roof}/readings?from={since}&step=60&quantities=ac_power"
    times: list[str] = []
    spans: list[tuple[str, str]] = []

    while following:
        found: dict[str, Any] = (await cast.alice.http.get(following, headers=headers)).json()
        times += [window["at"] for window in found["readings"]]
        spans.append((found["start"], found["end"]))
        following = found["next"]

    assert len(spans) == 11
    assert all(before[1] == after[0] for before, after in pairwise(spans))
    assert times == sorted(set(times))
    assert len(times) > 500


@pytest.mark.parametrize(
    "query",
    [
        "from=2200-01-01T00:00:00Z",
        "from=2026-06-02T00:00:00Z&to=2026-06-01T00:00:00Z",
        "from=0001-01-01T00:00:00%2B14:00&to=0001-01-02T00:00:00Z",
        "from=9999-12-31T23:59:59-14:00&to=9999-12-31T23:59:60Z",
        "quantities=x_unheard_of",
    ],
)
async def test_a_range_without_readings_is_an_empty_answer(cast: Cast, query: str) -> None:
    """The future, a range that ends before it begins, the ends of the calendar, a name no device used."""
    found = await asks(cast.alice, f"/api/inverters/{cast.roof}/readings?{query}")

    assert (found.status_code, found.json()["readings"], found.json()["next"]) == (200, [], None)


async def test_energy_is_by_day_of_the_owners_zone_with_source_and_coverage(cast: Cast) -> None:
    """As the pages say it: seven days by default, one day where one is asked for, none of the future."""
    path = f"/api/inverters/{cast.roof}/energy"
    week = (await asks(cast.alice, path)).json()
    last = week["days"][-1]["date"]
    one = (await asks(cast.alice, f"{path}?from={last}&to={last}")).json()
    beyond = (await asks(cast.alice, f"{path}?from={last}&to=2200-01-01")).json()
    today = cast.portal.clock().astimezone(ZoneInfo(week["time_zone"])).date()

    assert len(week["days"]) == 7
    assert {day["source"] for day in week["days"]} == {"counter"}
    assert all(day["energy_kwh"] > 1 and 0 < day["coverage"] <= 1 for day in week["days"][:-1])
    assert one["days"] == beyond["days"] == week["days"][-1:]
    assert last == f"{today}"


async def test_many_days_come_in_parts(cast: Cast) -> None:
    """At most 92 an answer; next leads to the rest, and each day is there once."""
    headers = await cast.alice.bearer()
    today = (await asks(cast.alice, f"/api/inverters/{cast.roof}/energy")).json()["days"][-1]["date"]
    first = date.fromisoformat(today) - timedelta(days=199)
    following: str | None = f"/api/inverters/{cast.roof}/energy?from={first}"
    days: list[str] = []
    sizes: list[int] = []

    while following:
        found: dict[str, Any] = (await cast.alice.http.get(following, headers=headers)).json()
        days += [day["date"] for day in found["days"]]
        sizes.append(len(found["days"]))
        following = found["next"]

    assert sizes == [92, 92, 16]
    assert days == [f"{first + timedelta(days=number)}" for number in range(200)]


@pytest.mark.parametrize(
    ("path", "header"),
    [
        ("readings?quantities=ac_power&format=csv", ["at", "ac_power (W)"]),
        ("energy?format=csv", ["date", "energy (kWh)", "source", "coverage", "repairs"]),
    ],
)
async def test_a_table_says_what_the_answer_says(cast: Cast, path: str, header: list[str]) -> None:
    """CSV for a spreadsheet: a header with units, one row for each entry, a name to save it under."""
    answer = await asks(cast.alice, f"/api/inverters/{cast.roof}/{path}")
    plain = (await asks(cast.alice, f"/api/inverters/{cast.roof}/{path.replace('format=csv', 'format=json')}")).json()

    rows = list(csv.reader(io.StringIO(answer.text)))

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert rows[0] == header
    assert len(rows) - 1 == len(plain.get("readings", plain.get("days")))


async def test_the_catalogue_names_each_quantity_and_its_unit(cast: Cast) -> None:
    """What `values` may hold, for whoever has a token."""
    found = (await asks(cast.ines, "/api/quantities")).json()

    assert {entry["name"]: entry["unit"] for entry in found} == {name: q.unit for name, q in CATALOGUE.items()}
    assert next(entry for entry in found if entry["name"] == "status")["codes"][2] == "normal"


async def test_a_program_is_told_whose_token_it_has(cast: Cast) -> None:
    """The account and the owners it may look at; nothing of a password, nothing of another account."""
    await allow(cast.portal, cast.bob, cast.roof, Role.READER)
    alice, bob, ada = [(await asks(who, "/api/account/me")).json() for who in (cast.alice, cast.bob, cast.ada)]

    assert (alice["id"], alice["email"], alice["is_admin"]) == (str(cast.alice.account_id), cast.alice.email, False)
    assert ada["is_admin"] is True
    roles = {each["role"]: each for each in bob["owners"]}
    assert set(roles) == {"owner", "reader"}
    assert roles["reader"] == alice["owners"][0] | {"role": "reader"}
    assert "password" not in str(alice).lower()


async def test_an_inverter_says_who_told_what_it_is_and_what_it_was_called(cast: Cast) -> None:
    """Its owner's word, serials that it had, when it was given away; the list says the same as the inverter alone."""
    told_at = cast.portal.clock()
    await cast.alice.post(f"/inverters/{cast.roof}/edit", name="Roof", rated_power_w="0,8 kW", number_of_mppts="2")
    await cast.alice.post(f"/inverters/{cast.roof}/serial/change", serial="2722222222", why="replaced")
    cast.portal.clock.go(hours=1)
    await cast.alice.post("/account/prove", password=PASSWORD)
    await cast.alice.post(f"/inverters/{cast.roof}/serial/give-away", sure="yes")
    headers = await cast.alice.bearer()
    one = (await cast.alice.http.get(f"/api/inverters/{cast.roof}", headers=headers)).json()
    listed = (await cast.alice.http.get("/api/inverters", headers=headers)).json()["inverters"]

    at = told_at.isoformat().replace("+00:00", "Z")
    assert one["rated_power_w"] == 800
    assert one["told"] == {name: {"by": "owner", "at": at} for name in ("number_of_mppts", "rated_power_w")}
    assert [(former["serial"], former["why"]) for former in one["former_serials"]] == [
        ("2722222222", "given_away"),
        ("2711111111", "replaced"),
    ]
    assert one["given_away_at"] is not None
    assert listed == [one]
