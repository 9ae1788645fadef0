"""How often: every act of the application asks the limits that ``tests/route_limits.txt`` names, and heeds each one."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from portal.limits import LOOKS_OF_ONE
from portal.throttle import Throttle
from portal.tries import NO_WAIT, Limit
from schema.models import Account
from tests.acts import ask, entries, prepared
from tests.no_limits import NoLimits
from tests.people import PASSWORD, Cast
from tests.route_table import ROWS, SAFE, Row
from tests.stage import Stage, the_stage

pytestmark = pytest.mark.integration

ACTS = [row for row in ROWS if row.method not in SAFE]
LOOKS = [row for row in ROWS if row.method in SAFE]
SIGNED_IN = ["acts.account", "acts.account_a_day"]
_TABLE = Path(__file__).parents[1] / "route_limits.txt"
LINES = [line.split() for line in _TABLE.read_text().splitlines() if line and not line.startswith("#")]
LIMITS = {f"{method} {path}": kinds for method, path, *kinds in LINES}


@dataclass(frozen=True, slots=True)
class Counting(NoLimits):
    """Nobody waits, but for the kind that is ``full``; ``asked`` are the kinds since it was emptied."""

    asked: list[str] = field(default_factory=list)
    full: list[str] = field(default_factory=list)

    async def wait(self, limit: Limit, key: str, *, now: datetime) -> timedelta:
        """Notes the kind."""
        assert key
        assert now
        self.asked.append(limit.kind)
        return limit.window if limit.kind in self.full else NO_WAIT


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncGenerator[Stage, None]:
    """Everybody."""
    async with the_stage(tmp_path) as built:
        yield built


@pytest.fixture
def tries(stage: Stage) -> Counting:
    """What the portal asks before it does something."""
    parts = stage.portal.parts
    counting = Counting(parts.sessions, parts.tries.key)
    stage.portal.app.state.parts = replace(parts, tries=counting, throttle=Throttle(counting))
    return counting


async def who_may(stage: Stage, row: Row) -> str:
    """The first who may do it, signed in just now, whatever an act before has ended."""
    who = row.succeeds_for or "ada"
    portal, person = stage.portal, stage.people[who]
    if person.name != "nobody":
        hashed = await portal.parts.passwords.hashed(PASSWORD)
        async with portal.parts.sessions.begin() as session:
            as_before = update(Account).where(Account.id == person.account_id)
            address = {"email": person.email, "email_key": person.email}
            await session.execute(
                as_before.values(password_hash=hashed, totp_sealed=None, delete_after=None, **address)
            )
        assert (await person.log_in()).headers["location"] == "/"
        if row.for_programs:
            stage.bearer[who] = await person.bearer()
    await person.form_token()
    return who


async def test_every_act_asks_how_often(stage: Stage, tries: Counting) -> None:
    """The kinds, in their order: what anybody can send by address, what an account can send by account too."""
    asked = {}
    for row in ACTS:
        who = await who_may(stage, row)
        path, form = await prepared(stage, row, who)
        tries.asked.clear()
        assert (await ask(stage, row, who, path, form)).status_code in (200, 204, 303, 501), row.route
        asked[row.route] = list(tries.asked)

    wrong = {route: kinds for route, kinds in asked.items() if kinds != LIMITS.get(route, SIGNED_IN)}
    assert wrong == {}
    assert LIMITS.keys() <= asked.keys() | {row.route for row in LOOKS}


async def test_what_is_dear_to_look_at_asks_how_often(stage: Stage, tries: Counting) -> None:
    """By account, with a cookie or an API key; where the limit is full nothing is shown, and a program reads why."""
    asked, refused = {}, {}
    for row in LOOKS:
        with_key = row.answers["key"] == "200" and row.path.startswith("/api/")
        who = "key" if with_key else await who_may(stage, row)
        path, form = await prepared(stage, row, who)
        tries.asked.clear()
        await ask(stage, row, who, path, form)
        if tries.asked:
            asked[row.route] = list(tries.asked)
            tries.full[:] = tries.asked[-1:]
            refused[row.route] = row.for_programs, await ask(stage, row, who, path, form)
            tries.full[:] = []

    assert asked == {route: kinds for route, kinds in LIMITS.items() if route.startswith("GET")}
    answers = [answer for _, answer in refused.values()]
    assert {answer.status_code for answer in answers} == {429}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in answers)
    types = {(programs, answer.headers["content-type"].partition(";")[0]) for programs, answer in refused.values()}
    assert types == {(True, "application/problem+json"), (False, "text/html")}


@pytest.fixture
def cast(cast_on_each: Cast) -> Cast:
    """Everybody at a portal with its limits, over each kind of database."""
    return cast_on_each


async def test_one_accounts_looks_are_not_anothers(cast: Cast) -> None:
    """Alice has looked too often, with a browser and a program together; Bob's pages are as before."""
    alice, bob, tries = cast.alice, cast.bob, cast.portal.parts.tries
    bearer = await alice.bearer()
    for _ in range(LOOKS_OF_ONE.most - 1):
        await tries.wait(LOOKS_OF_ONE, str(alice.account_id), now=cast.portal.clock())

    program = [(await alice.http.get("/api/inverters", headers=bearer)).status_code for _ in range(2)]
    hers, his = (await alice.get("/")).status_code, (await bob.get("/")).status_code
    cast.portal.clock.go(minutes=1)
    later = (await alice.get("/")).status_code

    assert program == [200, 429]
    assert (hers, his, later) == (429, 200, 200)


async def test_every_limit_is_heeded(stage: Stage, tries: Counting) -> None:
    """Where one is full, and only then: 429, when to come again, and no act."""
    acts = {row.route for row in ACTS}
    kinds = {kind: route for route, kinds in LIMITS.items() for kind in kinds if route in acts}
    # Full alone it slows strangers and keeps nobody out: test_guard_guessing.py. The last is a note, not a limit.
    for kind in kinds.keys() - {"log_in.strangers", "log_in.strangers_a_day", "log_in.known"}:
        tries.full[:] = []
        row = next(row for row in ACTS if row.route == kinds[kind])
        who = await who_may(stage, row)
        path, form = await prepared(stage, row, who)
        before, tries.full[:] = await entries(stage), [kind]
        answer = await ask(stage, row, who, path, form)

        assert answer.status_code == 429, (kind, row.route)
        assert int(answer.headers["retry-after"]) > 0
        assert await entries(stage) == before, kind
