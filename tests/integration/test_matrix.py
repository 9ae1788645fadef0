"""Route by role: every route of the application itself, asked by everybody, against ``tests/route_matrix.txt``.

A route that the table does not know, and a row without its route, fail the suite. A new row is written by hand: the
answer somebody *should* get, and the audit entry that the act leaves. ``stage`` says who everybody is.
"""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from schema.models import Base
from tests.acts import PLACE, ask, entries, newest, prepared, said
from tests.filled_in import typed
from tests.route_table import NO_ENTRY, ROWS, SAFE, VISITORS, Row, routes_of
from tests.stage import Stage, the_stage

pytestmark = pytest.mark.integration

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
# What looking may change: when a device or a key was last seen, and how often somebody tried.
SEEN = {"seen_at", "last_used_at"}


LOOKS = [row for row in ROWS if row.method in SAFE]
ACTS = [row for row in ROWS if row.method not in SAFE]
FORMS = [row for row in ACTS if not row.for_programs]


def names(rows: list[Row]) -> list[str]:
    """How tests are called."""
    return [row.route for row in rows]


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncGenerator[Stage, None]:
    """Everybody, at a portal of their own."""
    async with the_stage(tmp_path) as built:
        yield built


async def test_every_route_stands_in_the_table_and_every_row_has_its_route(stage: Stage) -> None:
    """Whoever adds a route says in the table who may use it and what entry it leaves."""
    routes = {f"{method} {path}" for path, methods in routes_of(stage.portal.app).items() for method in methods}

    assert {row.route for row in ROWS} == routes
    assert len(ROWS) == len(routes)


@pytest.mark.parametrize("row", ACTS, ids=names(ACTS))
async def test_an_act_is_for_whom_the_table_says_and_leaves_one_entry(stage: Stage, row: Row) -> None:
    """Everybody tries; where it works the audit log has exactly one entry more, where it is refused none."""
    found, left = {}, {}
    for visitor in VISITORS:
        path, form = await prepared(stage, row, visitor)
        before = await entries(stage)
        found[visitor] = said(await ask(stage, row, visitor, path, form))
        left[visitor] = await newest(stage, before)

    assert found == row.answers
    one = [] if row.entry == NO_ENTRY else [row.entry]
    assert left == {visitor: one if found[visitor] in ("200", "204", "303") else [] for visitor in VISITORS}


async def _everything(stage: Stage) -> dict[str, list[tuple[Any, ...]]]:
    """The whole database, but what looking may change."""
    found = {}
    async with stage.portal.parts.sessions() as session:
        for table in Base.metadata.sorted_tables:
            if table.name not in ("try_count", "audit_seal"):
                columns = [column for column in table.columns if column.name not in SEEN]
                rows = (await session.execute(select(*columns))).all()
                found[table.name] = sorted(map(tuple, rows), key=repr)
    return found


async def test_looking_is_for_whom_the_table_says_and_changes_nothing(stage: Stage) -> None:
    """Every address that is only looked at, by everybody, and the whole database before and after."""
    looks = [(row, visitor, *await prepared(stage, row, visitor)) for row in LOOKS for visitor in VISITORS]
    before = await _everything(stage)

    found: dict[str, dict[str, str]] = {row.route: {} for row in LOOKS}
    for row, visitor, path, form in looks:
        found[row.route][visitor] = said(await ask(stage, row, visitor, path, form))

    assert found == {row.route: row.answers for row in LOOKS}
    assert await _everything(stage) == before


async def test_every_other_method_is_refused_at_every_address(stage: Stage) -> None:
    """405 for whoever may do most there, and nothing is changed by it."""
    before, wrong = await _everything(stage), {}
    for path, methods in routes_of(stage.portal.app).items():
        rows = [row for row in ROWS if row.path == path]
        assert rows, path
        visitor = rows[0].succeeds_for or "ada"
        address = PLACE.sub(str(UUID(int=0)), path)
        for method in set(METHODS) - methods:
            asked = Row(f"{method} {path}", rows[0].answers, NO_ENTRY)
            status = (await ask(stage, asked, visitor, address, {})).status_code
            if status != 405:
                wrong[asked.route] = status

    assert wrong == {}
    assert await _everything(stage) == before


async def test_no_form_is_taken_that_our_page_did_not_send(stage: Stage) -> None:
    """Without a token, with a wrong one, with somebody else's, and from another site with a right one: 403."""
    filled = [await prepared(stage, row, row.succeeds_for) for row in FORMS]
    others, before = await stage.people["bob"].form_token(), await _everything(stage)
    wrong = {}
    for row, (path, form) in zip(FORMS, filled, strict=True):
        person = stage.people[row.succeeds_for]
        own = await person.form_token()
        sent: list[tuple[dict[str, str], dict[str, str]]] = [
            (form, {}),
            ({**form, "_csrf_token": "0" * 128}, {}),
            ({**form, "_csrf_token": others}, {}),
            ({**form, "_csrf_token": own}, {"sec-fetch-site": "cross-site"}),
            ({**form, "_csrf_token": own}, {"sec-fetch-site": "same-site"}),
        ]
        answers = [(await person.http.post(path, data=data, headers=headers)).status_code for data, headers in sent]
        if answers != [403] * 5:
            wrong[row.route] = answers

    assert wrong == {}
    assert await _everything(stage) == before


async def test_no_cookie_opens_what_is_for_programs(stage: Stage) -> None:
    """Alice's and Ada's pages are open in these browsers; an address for programs treats them as nobody's."""
    wrong = {}
    for row in [row for row in ROWS if row.for_programs]:
        for person in (stage.cast.alice, stage.cast.ada):
            path, form = await prepared(stage, row, "nobody")
            kind = "params" if row.method in SAFE else "data" if row.path.startswith("/auth") else "json"
            body: dict[str, Any] = {kind: form}
            answer = await person.http.request(row.method, path, **body)
            if said(answer) != row.answers["nobody"]:
                wrong[row.route, person.name] = said(answer)

    assert wrong == {}


async def test_an_id_that_is_none_or_nobodys_is_not_found(stage: Stage) -> None:
    """For whoever may do most there: no id at all, nonsense, and an id that no row has."""
    found: dict[str, set[int]] = {}
    for row in [row for row in ROWS if ":uuid}" in row.path or "{serial" in row.path]:
        visitor = row.succeeds_for
        for wrong in ("not-an-id", "0", "%00", "..%2F", "%27%20OR%201=1--", str(uuid4())):
            path = PLACE.sub(wrong, row.path)
            form = await typed(stage, row.route, visitor, {"hers": uuid4()})
            found.setdefault(row.route, set()).add((await ask(stage, row, visitor, path, form)).status_code)

    assert {route: statuses for route, statuses in found.items() if statuses != {404}} == {}
