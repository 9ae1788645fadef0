"""The sweep alarm (T28): whoever asks for one new serial after the other is stopped, and an administrator hears of it.
A collector that goes about its work, starts again, or begins with many inverters raises none.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog.testing
from sqlalchemy import func, select, update

from portal.credentials import identities, sweeps
from portal.credentials.sweeps import FORGET_MISSED, MISSED_IN_A_DAY, NEW_IN_A_MINUTE
from schema.models import Account, CollectorSerial, Inverter
from tests.collecting import INFLUX, Program, entries, identity, program, roofs, row_of, working
from tests.no_limits import NoLimits
from tests.people import Cast, the_cast
from tests.portal_app import running_portal

pytestmark = pytest.mark.integration

ALARM_WITHIN_S = 60.0


@asynccontextmanager
async def at_work(folder: Path, **settings: Any) -> AsyncIterator[Cast]:
    """Everybody at a portal with InfluxDB; the limits have tests of their own."""
    settings = {**INFLUX, "admin_bearer_reads_influx_tokens": True, **settings}
    async with running_portal(folder, **settings) as portal, the_cast(portal) as people:
        object.__setattr__(portal.parts, "tries", NoLimits(portal.parts.sessions, portal.parts.tries.key))
        await working(people)
        yield people


@pytest.fixture
async def cast(tmp_path: Path) -> AsyncGenerator[Cast, None]:
    """Over SQLite."""
    async with at_work(tmp_path) as people:
        yield people


@pytest.fixture
async def cast_on_both(tmp_path: Path, database_url: str) -> AsyncGenerator[Cast, None]:
    """Over each kind of database, where it is about who comes first and what the statements count."""
    async with at_work(tmp_path, database_url=database_url) as people:
        yield people


async def asked(asking: Program, serials: list[str]) -> Counter[int]:
    """How often each status was answered."""
    return Counter([(await asking.ask(serial)).status_code for serial in serials])


async def mails(cast: Cast) -> list[str]:
    """What Ada was sent."""
    while await cast.portal.parts.mailer.send_due():
        pass
    return [str(mail["Subject"]) for mail in cast.portal.bag.to(cast.ada.email)]


async def test_a_thousand_serials_raise_the_alarm_within_a_minute_and_give_away_thirty_at_most(cast: Cast) -> None:
    """Half of them there are. A line in the log, an entry, a mail, the overview and the list say so."""
    real = await roofs(cast, 500)
    asking = program(cast.portal, await identity(cast.portal, "stolen"))
    serials = [serial for pair in zip(real, (f"31{n:08d}" for n in range(500)), strict=True) for serial in pair]
    began = time.monotonic()

    with structlog.testing.capture_logs() as logs:
        found = await asked(asking, serials)
    took_s = time.monotonic() - began
    overview, listed = (await cast.ada.get("/admin")).text, (await cast.ada.get("/admin/collectors")).text

    assert found == {200: 15, 404: 15, 403: 970}
    assert [line["log_level"] for line in logs if line["event"] == "collector.sweep"] == ["error"]
    alarms = await entries(cast.portal, "collector.sweep")
    assert [(entry.actor, entry.subject) for entry in alarms] == [("system", f"collector:{asking.id}")]
    assert alarms[0].details == {"new_in_a_minute": 31, "missed_in_a_day": 15, "stopped": True}
    assert await mails(cast) == ["Somebody asks for write tokens of many inverters"]
    assert "Collectors that an alarm has stopped" in overview
    assert "asked for 31 new serials within a minute" in listed
    assert took_s < ALARM_WITHIN_S
    assert len(await entries(cast.portal, "token.read")) == 15


async def test_a_collector_that_starts_again_raises_none(cast: Cast) -> None:
    """Eighty inverters at once that it has read before, and forty serials that never had an answer."""
    serials = await roofs(cast, 80) + [f"31{number:08d}" for number in range(40)]
    asking = program(cast.portal, await identity(cast.portal, fleet=True))
    for part in range(0, len(serials), 24):
        await asked(asking, serials[part : part + 24])
        cast.portal.clock.go(minutes=1)
    cast.portal.clock.go(days=3)

    found = await asked(asking, serials)

    assert found == {200: 80, 404: 40}
    assert await entries(cast.portal, "collector.sweep") == []
    assert (await row_of(cast.portal, asking.id)).stopped_at is None


async def test_one_that_is_said_to_begin_with_many_may_for_an_hour(cast: Cast) -> None:
    """As long as inverters answer; afterwards it is as any other."""
    serials = await roofs(cast, 200)
    asking = program(cast.portal, await identity(cast.portal, fleet=True))

    at_first = await asked(asking, serials[:120])
    cast.portal.clock.go(hours=1)
    later = await asked(asking, serials[120:])

    assert at_first == {200: 120}
    assert later == {200: NEW_IN_A_MINUTE, 403: 80 - NEW_IN_A_MINUTE}


async def test_guessing_is_stopped_in_the_first_hour_too(cast_on_both: Cast) -> None:
    """A fleet is no reason for serials that nobody has."""
    cast = cast_on_both
    asking = program(cast.portal, await identity(cast.portal, fleet=True))

    found = await asked(asking, [f"31{number:08d}" for number in range(100)])

    assert found == {404: NEW_IN_A_MINUTE, 403: 100 - NEW_IN_A_MINUTE}


async def test_a_sweep_that_takes_its_time_is_one(cast: Cast) -> None:
    """One guess a minute: stopped within the day; asking for the same ones again and again counts nothing."""
    asking = program(cast.portal, await identity(cast.portal))
    patient = program(cast.portal, await identity(cast.portal, "patient"))
    found, again = Counter[int](), Counter[int]()
    for number in range(MISSED_IN_A_DAY + 10):
        found += await asked(asking, [f"31{number:08d}"])
        again += await asked(patient, [f"31{number % 20:08d}"])
        cast.portal.clock.go(minutes=1)

    assert found == {404: MISSED_IN_A_DAY, 403: 10}
    assert again == {404: MISSED_IN_A_DAY + 10}


async def test_what_cannot_be_a_serial_is_one_serial(cast_on_both: Cast) -> None:
    """A broken program is no thief: nonsense, however much of it, opens nothing and is counted once."""
    cast = cast_on_both
    asking = program(cast.portal, await identity(cast.portal))
    nonsense = [f"' OR {number}=1 --" for number in range(60)] + ["", "\x00", "x" * 200]

    assert await asked(asking, nonsense) == {404: len(nonsense)}
    async with cast.portal.parts.sessions() as session:
        assert await session.scalar(select(func.count()).select_from(CollectorSerial)) == 1


async def test_telling_what_devices_are_is_asking_for_serials(cast: Cast) -> None:
    """Its 404 and 200 would tell as much; a stopped identity tells nothing either."""
    asking = program(cast.portal, await identity(cast.portal))
    statuses = Counter([(await asking.tell(f"31{number:08d}", sw_version="1")).status_code for number in range(40)])

    assert statuses == {404: NEW_IN_A_MINUTE, 403: 10}
    assert (await asking.tell(sw_version="1")).status_code == 403


async def test_of_many_at_once_no_more_get_an_answer(cast_on_both: Cast) -> None:
    """Requests of one identity follow each other, so that nobody slips through beside the one that is stopped."""
    cast = cast_on_both
    serials = await roofs(cast, 60)
    asking = program(cast.portal, await identity(cast.portal))

    answers = await asyncio.gather(*(asking.ask(serial) for serial in serials))

    assert Counter(answer.status_code for answer in answers) == {200: NEW_IN_A_MINUTE, 403: 60 - NEW_IN_A_MINUTE}
    assert len(await entries(cast.portal, "collector.sweep")) == 1
    assert len(await mails(cast)) == 1


async def test_an_administrator_lets_it_go_on(cast_on_both: Cast) -> None:
    """What it had asked for counts no more; the next sweep is stopped as well."""
    cast = cast_on_both
    serials = await roofs(cast, 120)
    asking = program(cast.portal, await identity(cast.portal))
    await asked(asking, serials[:60])

    async def let_go_on(*, fleet: bool) -> None:
        async with cast.portal.parts.sessions.begin() as session:
            by, now = cast.ada.account_id, cast.portal.clock()
            await identities.let_go_on(session, asking.id, fleet=fleet, by=by, now=now)
        cast.portal.clock.go(seconds=1)

    await let_go_on(fleet=False)
    again = await asked(asking, serials[60:])
    await let_go_on(fleet=True)
    freely = await asked(asking, serials)

    assert again == {200: NEW_IN_A_MINUTE, 403: 60 - NEW_IN_A_MINUTE}
    assert freely == {200: 120}
    assert len(await entries(cast.portal, "collector.let_go_on")) == 2


async def test_an_administrators_program_is_told_on_once_an_hour_and_not_stopped(cast: Cast) -> None:
    """The setting that lets it ask is the operator's word; the alarm is for whoever has found that token."""
    serials = await roofs(cast, 80)
    asking = Program(cast.ada.account_id, cast.ada.http, await cast.ada.bearer())
    object.__setattr__(cast.portal.parts, "tries", cast.portal.parts.throttle.tries)

    found = await asked(asking, serials)
    within = len(await entries(cast.portal, "collector.sweep"))
    cast.portal.clock.go(hours=1)
    await asked(asking, [f"31{number:08d}" for number in range(40)])

    assert found == {200: 80}
    alarms = await entries(cast.portal, "collector.sweep")
    assert (within, len(alarms)) == (1, 2)
    assert alarms[0].subject == f"account:{cast.ada.account_id}"
    assert await mails(cast) == ["Somebody asks for write tokens of many inverters"] * 2


async def test_only_who_can_do_something_about_it_is_told(cast: Cast) -> None:
    """Administrators who can log in, each in his own language."""
    async with cast.portal.parts.sessions.begin() as session:
        await session.execute(update(Account).where(Account.id == cast.ada.account_id).values(language="de"))
        disabled = update(Account).where(Account.id == cast.bob.account_id)
        await session.execute(disabled.values(is_admin=True, disabled_at=cast.portal.clock()))
    asking = program(cast.portal, await identity(cast.portal, "Zählerraum"))

    await asked(asking, [f"31{number:08d}" for number in range(NEW_IN_A_MINUTE + 1)])
    while await cast.portal.parts.mailer.send_due():
        pass

    [mail] = [mail for mail in cast.portal.bag.mails if "Schreib-Tokens" in mail["Subject"]]
    body = mail.get_body(("plain",))
    assert mail["To"] == cast.ada.email
    assert body is not None
    assert "Der Sammler „Zählerraum“" in body.get_content()


async def test_serials_without_an_answer_are_forgotten_after_a_month(cast_on_both: Cast) -> None:
    """Those of inverters stay, and go with the collector; only hashes are kept of any."""
    cast = cast_on_both
    asking = program(cast.portal, await identity(cast.portal))
    await asking.ask()
    await asking.ask("3100000000")
    cast.portal.clock.go(days=FORGET_MISSED.days, minutes=1)
    async with cast.portal.parts.sessions.begin() as session:
        await sweeps.forget(session, now=cast.portal.clock())
        left = (await session.scalars(select(CollectorSerial))).all()

    assert [(row.inverter_id, len(row.serial_hash)) for row in left] == [(cast.roof, 64)]


async def test_a_serial_that_gets_an_answer_at_last_was_work_all_the_time(cast: Cast) -> None:
    """Asked for while its inverter was not there yet: from then on it is one of those that the collector reads."""
    asking = program(cast.portal, await identity(cast.portal))
    async with cast.portal.parts.sessions.begin() as session:
        await session.execute(update(Inverter).where(Inverter.id == cast.roof).values(active_serial=None))
    missed = (await asking.ask()).status_code
    await working(cast)
    found = (await asking.ask()).status_code
    async with cast.portal.parts.sessions() as session:
        rows = (await session.scalars(select(CollectorSerial.inverter_id))).all()

    assert (missed, found, rows) == (404, 200, [cast.roof])


def test_the_numbers_are_those_of_the_documents() -> None:
    """docs/collectors.md and the page that makes an identity say them, too."""
    page = Path("portal/templates/admin/collector_new.html").read_text()
    document = " ".join(Path("docs/collectors.md").read_text().split())

    assert f"more than {NEW_IN_A_MINUTE} serials within a minute" in page
    assert f"more than {NEW_IN_A_MINUTE} serials within a minute" in document
    assert f"more than {MISSED_IN_A_DAY} within a day" in document
    assert identities.FLEET_FOR.total_seconds() == 3600
