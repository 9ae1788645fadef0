"""The live rows: the first change at once, then at most twice a second, and never waited for."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import insert, text

from bridge.clock import Clock
from bridge.counters import Counters
from bridge.edges.live import MIN_INTERVAL_S, LiveRows
from bridge.refusals import Reason
from schema import live
from schema.models import LiveRow, Rung
from schema.readings import Reading
from tests.fakes import NOON, FakeTime
from tests.waiting import until

pytestmark = pytest.mark.integration

ROOF, BARN = uuid4(), uuid4()


@pytest.fixture
async def rows(database_url: str) -> AsyncIterator[LiveRows]:
    """Rows on each kind of database; the clock is the test's."""
    one = LiveRows(database_url, FakeTime().clock(), Counters())
    await one.start()
    yield one
    await one.close()


async def _row(rows: LiveRows) -> LiveRow:
    assert rows._engine is not None
    return (await live.of(rows._engine, [ROOF]))[ROOF]


def _reading(seconds: float = 0.0, **values: float) -> Reading:
    return Reading(NOON + timedelta(seconds=seconds), values, {})


async def test_values_merge_and_the_newest_reading_wins(rows: LiveRows) -> None:
    """A part of a cycle adds to the row; an older reading that comes late only fills gaps."""
    rows.reading(ROOF, _reading(10, ac_power=1.0), NOON)
    rows.reading(ROOF, _reading(10, day_energy=2.0), NOON)
    rows.reading(ROOF, _reading(5, ac_power=9.0, efficiency=96.0), NOON)
    await rows.flush()

    row = await _row(rows)
    assert row.values == {"ac_power": 1.0, "day_energy": 2.0, "efficiency": 96.0}
    assert row.reading_at == NOON + timedelta(seconds=10)
    assert row.rung == Rung.VALUES_PLAUSIBLE


async def test_a_clock_that_was_years_ahead_for_a_moment_does_not_stop_the_row_for_years(database_url: str) -> None:
    """What was written then is newer than all that follows; after a restart too."""
    time = FakeTime()
    rows = LiveRows(database_url, time.clock(), Counters())
    await rows.start()
    time.seconds = 10 * 365 * 86_400.0
    rows.reading(ROOF, Reading(time.now(), {"ac_power": 1.0}, {}), time.now())
    await rows.flush()
    await rows.close()
    time.seconds = 60.0
    rows = LiveRows(database_url, time.clock(), Counters())
    await rows.start()
    rows.reading(ROOF, Reading(time.now(), {"ac_power": 2.0}, {}), time.now())
    rows.reading(ROOF, Reading(NOON, {"ac_power": 3.0}, {}), NOON)
    await rows.flush()
    row = await _row(rows)
    await rows.close()

    assert row.values == {"ac_power": 2.0}
    assert row.reading_at == row.seen_at == time.now()


async def test_the_row_goes_on_after_more_changes_than_an_integer_counts(database_url: str) -> None:
    """A thousand inverters get there in some months; also where PostgreSQL's table is one of before."""
    before = await live.open_live(database_url)
    async with before.begin() as connection:
        if connection.dialect.name == "postgresql":
            await connection.execute(text("ALTER TABLE live ALTER COLUMN version TYPE INTEGER"))
        old = {
            "inverter_id": uuid4(),
            "version": 2**31 - 1,
            "rung": 0,
            "values": {},
            "refusal": "",
            "refusal_detail": "",
        }
        await connection.execute(insert(LiveRow).values(**old))
    await before.dispose()
    rows = LiveRows(database_url, FakeTime().clock(), Counters())
    await rows.start()
    rows.reading(ROOF, _reading(ac_power=1.0), NOON)
    await rows.flush()
    row = await _row(rows)
    await rows.close()

    assert (row.version, row.values) == (2**31, {"ac_power": 1.0})


async def test_the_furthest_rung_stays(rows: LiveRows) -> None:
    """A later trouble is shown beside it, not instead of it."""
    rows.understood(ROOF, NOON)
    rows.topic_right(ROOF, NOON + timedelta(seconds=1))
    rows.refused(ROOF, Reason.NOT_JSON, "No.", NOON + timedelta(seconds=2))
    await rows.flush()

    row = await _row(rows)
    assert (row.rung, row.refusal, row.refusal_detail) == (Rung.PAYLOAD_UNDERSTOOD, "not_json", "No.")
    assert row.seen_at == row.refused_at == NOON + timedelta(seconds=2)


async def test_the_first_change_is_written_at_once_and_the_next_after_half_a_second(database_url: str) -> None:
    """Many changes in between are one write."""
    time = FakeTime()
    rows = LiveRows(database_url, time.clock(), Counters())
    await rows.start()
    rows.reading(ROOF, _reading(0, ac_power=1.0), NOON)
    first_pause = await rows.flush()
    for step in range(10):
        rows.reading(ROOF, _reading(step, ac_power=float(step)), NOON)
    too_early = await rows.flush()
    between = await _row(rows)
    time.seconds += MIN_INTERVAL_S
    await rows.flush()
    last = await _row(rows)
    await rows.close()

    assert first_pause == 0.0
    assert 0 < too_early <= MIN_INTERVAL_S
    assert between.values == {"ac_power": 1.0}
    assert last.values == {"ac_power": 9.0}
    assert rows._counters.live_rows_written == 2


async def test_versions_rise_across_a_restart(database_url: str) -> None:
    """A page that asks for what is newer misses nothing, and values known before are kept."""
    first = LiveRows(database_url, FakeTime().clock(), Counters())
    await first.start()
    first.reading(ROOF, _reading(0, ac_power=1.0), NOON)
    await first.flush()
    version = (await _row(first)).version
    await first.close()

    second = LiveRows(database_url, FakeTime().clock(), Counters())
    await second.start()
    second.reading(ROOF, _reading(1, day_energy=2.0), NOON)
    await second.flush()
    row = await _row(second)
    await second.close()

    assert row.version > version
    assert row.values == {"ac_power": 1.0, "day_energy": 2.0}


async def test_an_absent_database_delays_the_rows_and_nothing_else(tmp_path: Path) -> None:
    """Noting is memory; what was noted is written when the database comes."""
    folder = tmp_path / "not yet"
    folder.write_text("a file where the folder should be")
    rows = LiveRows(f"sqlite:///{folder}/live.db", Clock(sleep=FakeTime().sleep), Counters())
    await rows.start()
    task = asyncio.create_task(rows.run())
    rows.reading(ROOF, _reading(0, ac_power=1.0), NOON)
    await until(lambda: rows._counters.live_failures >= 2)
    folder.unlink()
    await until(lambda: rows._counters.live_rows_written == 1)
    row = await _row(rows)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await rows.close()

    assert row.values == {"ac_power": 1.0}
