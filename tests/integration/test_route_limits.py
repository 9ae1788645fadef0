"""How often: every act of the application asks the limits that ``tests/route_limits.txt`` names, and heeds each one."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from portal.throttle import Throttle
from portal.tries import NO_WAIT, Limit
from schema.models import Account
from tests.acts import ask, entries, prepared
from tests.no_limits import NoLimits
from tests.people import PASSWORD
from tests.route_table import ROWS, SAFE, Row
from tests.stage import Stage, the_stage

pytestmark = pytest.mark.integration

ACTS = [row for row in ROWS if row.method not in SAFE]
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
    assert LIMITS.keys() <= asked.keys()


async def test_every_limit_is_heeded(stage: Stage, tries: Counting) -> None:
    """Where one is full, and only then: 429, when to come again, and no act."""
    kinds = {kind: route for route, kinds in LIMITS.items() for kind in kinds}
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
