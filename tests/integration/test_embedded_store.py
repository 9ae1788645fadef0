"""What is particular to the embedded store: its file, its scales, its side table and its commits."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from schema.quantities import CATALOGUE, MAX_EXTRA_PER_INVERTER
from schema.timeseries.embedded.reader import EmbeddedReader
from schema.timeseries.embedded.tables import open_for_writing
from schema.timeseries.embedded.writer import EmbeddedWriter
from schema.timeseries.port import Destination, PointsRefused, Source
from tests.store_set_ups import ALICE, DAY, encoded, reading

pytestmark = pytest.mark.integration


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file is going to be."""
    return tmp_path / "readings.db"


@pytest.fixture
async def writer(path: Path) -> AsyncIterator[EmbeddedWriter]:
    """A writer on it."""
    opened = EmbeddedWriter(path, busy_timeout_s=0.05)
    yield opened
    await opened.close()


@pytest.fixture
async def reader(path: Path) -> AsyncIterator[EmbeddedReader]:
    """A reader of it."""
    opened = EmbeddedReader(path)
    yield opened
    await opened.close()


def destination() -> Destination:
    """A new inverter of Alice's."""
    return Destination(uuid4(), ALICE)


def source(of: Destination) -> Source:
    """The same, to read."""
    return Source(of.owner_id, of.inverter_id)


def test_every_commit_is_synced(path: Path) -> None:
    """In WAL, NORMAL does no fsync at a commit: only FULL (2) may be acknowledged on."""
    connection = open_for_writing(path, busy_timeout_s=1)

    (synchronous,), (journal,) = (
        connection.execute(f"PRAGMA {name}").fetchone() for name in ("synchronous", "journal_mode")
    )
    connection.close()

    assert (synchronous, journal) == (2, "wal")


async def test_every_quantity_keeps_its_resolution(writer: EmbeddedWriter, reader: EmbeddedReader) -> None:
    """Both ends of each plausible range, and one step inside, come back to within half a step."""
    to = destination()
    readings = {
        DAY: {name: quantity.low for name, quantity in CATALOGUE.items()},
        DAY + timedelta(seconds=1): {name: quantity.high for name, quantity in CATALOGUE.items()},
        DAY + timedelta(seconds=2): {
            name: q.low + (1 / q.scale if q.scale > 1 else 1) for name, q in CATALOGUE.items()
        },
    }

    await writer.write(to, encoded(*(reading(at, **values) for at, values in readings.items())))

    windows = await reader.windows(source(to), list(CATALOGUE), DAY, DAY + timedelta(seconds=3), 1)
    assert {window.start: window.means for window in windows} == {
        at: pytest.approx(values, abs=1e-9) for at, values in readings.items()
    }


async def test_a_value_beyond_the_column_is_refused_and_the_thread_lives(
    writer: EmbeddedWriter, reader: EmbeddedReader
) -> None:
    """1e300 is a float InfluxDB would keep; here it can never be stored, so its line becomes a dead letter."""
    to = destination()

    with pytest.raises(PointsRefused):
        await writer.write(to, encoded(reading(DAY, ac_power=1e300)))
    await writer.write(to, encoded(reading(DAY, ac_power=1.0)))

    assert (await reader.latest(source(to), DAY))["ac_power"].value == 1.0
    assert writer.failed_turns == 0


async def test_one_name_too_many_is_counted_and_not_kept(writer: EmbeddedWriter, reader: EmbeddedReader) -> None:
    """64 extras are kept for each inverter, also over a restart; a 65th costs nobody else anything."""
    first, second = destination(), destination()
    names = [f"x_{number}" for number in range(MAX_EXTRA_PER_INVERTER)]
    await writer.write(first, encoded(reading(DAY, **dict.fromkeys(names, 1.0))))

    await writer.write(first, encoded(reading(DAY, ac_power=2.0, x_one_more=3.0, x_0=4.0)))
    await writer.write(second, encoded(reading(DAY, x_one_more=5.0)))

    assert writer.dropped_extras == 1
    latest = await reader.latest(source(first), DAY)
    assert set(latest) == {*names, "ac_power"}
    assert latest["x_0"].value == 4.0
    assert (await reader.latest(source(second), DAY))["x_one_more"].value == 5.0


async def test_the_limit_of_names_holds_after_a_restart(path: Path, reader: EmbeddedReader) -> None:
    """The names are counted in the file."""
    to = destination()
    for names in (range(60), range(60, 70)):
        writer = EmbeddedWriter(path)
        await writer.write(to, encoded(reading(DAY, **{f"x_{number}": 1.0 for number in names})))
        await writer.close()

    assert len(await reader.latest(source(to), DAY)) == MAX_EXTRA_PER_INVERTER


async def test_a_file_made_before_a_quantity_existed_gains_its_column(path: Path, reader: EmbeddedReader) -> None:
    """An older file is upgraded when it is opened, keeps its rows, and its scale stays what it was."""
    to = destination()
    older = EmbeddedWriter(path)
    await older.write(to, encoded(reading(DAY, ac_power=12.3)))
    await older.close()
    connection = sqlite3.connect(path)
    connection.executescript(
        "ALTER TABLE point DROP COLUMN uptime; DELETE FROM quantity WHERE name = 'uptime';"
        "UPDATE quantity SET scale = 1000 WHERE name = 'ac_power';"
    )
    connection.close()

    newer = EmbeddedWriter(path)
    await newer.write(to, encoded(reading(DAY + timedelta(seconds=1), uptime=77.0, ac_power=4.567)))
    await newer.close()

    latest = await reader.latest(source(to), DAY)
    assert {name: sample.value for name, sample in latest.items()} == {"uptime": 77.0, "ac_power": 4.567}


async def test_a_reader_of_an_older_file_finds_a_new_quantity_absent(
    path: Path, writer: EmbeddedWriter, reader: EmbeddedReader
) -> None:
    """The portal may be newer than the bridge that made the file: no column is no value, not an error."""
    to = destination()
    await writer.write(to, encoded(reading(DAY, ac_power=1.0)))
    connection = sqlite3.connect(path)
    connection.executescript("ALTER TABLE point DROP COLUMN uptime; DELETE FROM quantity WHERE name = 'uptime';")
    connection.close()
    span = (DAY, DAY + timedelta(days=1))

    windows = await reader.windows(source(to), ["uptime", "ac_power"], *span, 60)
    (day,) = await reader.counter_days(source(to), "uptime", [span])

    assert [window.means for window in windows] == [{"ac_power": 1.0}]
    assert day.maximum is None


async def test_a_reader_cannot_write(path: Path, writer: EmbeddedWriter, reader: EmbeddedReader) -> None:
    """Not even by mistake: its connection refuses."""
    await writer.write(destination(), [])

    connection = reader._connection()

    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM point")
    connection.close()


async def test_a_caller_who_gave_up_disturbs_nobody(writer: EmbeddedWriter, reader: EmbeddedReader) -> None:
    """A cancelled write may land; the one beside it is answered."""
    gone, stays = destination(), destination()
    lines = encoded(reading(DAY, ac_power=1.0))

    cancelled = asyncio.create_task(writer.write(gone, lines))
    await asyncio.sleep(0)
    cancelled.cancel()
    await writer.write(stays, lines)

    assert (await reader.latest(source(stays), DAY))["ac_power"].value == 1.0


async def test_concurrent_writes_share_commits_and_one_bad_write_fails_alone(
    writer: EmbeddedWriter, reader: EmbeddedReader
) -> None:
    """200 writers at once: each is answered for itself, and all the good ones are there."""
    places = [destination() for _ in range(200)]
    lines = [encoded(reading(DAY, ac_power=float(number))) for number in range(200)]
    lines[77] = [b"no line"]

    outcomes = await asyncio.gather(
        *(writer.write(place, line) for place, line in zip(places, lines, strict=True)), return_exceptions=True
    )

    assert [number for number, outcome in enumerate(outcomes) if outcome is not None] == [77]
    assert isinstance(outcomes[77], PointsRefused)
    latest = await reader.latest(source(places[199]), DAY)
    assert latest["ac_power"].value == 199.0


async def test_what_waits_is_committed_before_closing(path: Path, reader: EmbeddedReader) -> None:
    """A graceful stop loses no write that was asked for."""
    writer, to = EmbeddedWriter(path), destination()
    writes = [
        asyncio.create_task(writer.write(to, encoded(reading(DAY + timedelta(seconds=second), ac_power=1.0))))
        for second in range(50)
    ]
    await asyncio.sleep(0)

    await writer.close()
    await asyncio.gather(*writes)

    windows = await reader.windows(source(to), ["ac_power"], DAY, DAY + timedelta(seconds=60), 1)
    assert len(windows) == 50
