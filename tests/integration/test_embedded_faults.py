"""The embedded store's file when the disk fails it: full, missing, spoiled. Unavailable, never empty, never wrong."""

import asyncio
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from schema.timeseries.embedded.reader import EmbeddedReader
from schema.timeseries.embedded.writer import EmbeddedWriter
from schema.timeseries.line_protocol import milliseconds
from schema.timeseries.port import Destination, Source, StoreUnavailable
from tests.store_set_ups import ALICE, DAY, encoded, reading

pytestmark = pytest.mark.faults


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file is going to be."""
    return tmp_path / "readings.db"


def destination() -> Destination:
    """A new inverter of Alice's."""
    return Destination(uuid4(), ALICE)


def source() -> Source:
    """An inverter of Alice's, to read."""
    return Source(ALICE, uuid4())


async def test_a_full_disk_is_unavailable_until_there_is_room(path: Path) -> None:
    """Nothing of the refused write is there, and the next one after room was made is taken."""
    to = destination()
    writer = EmbeddedWriter(path)
    await writer.write(to, [])
    file = writer._opened()
    many = encoded(*(reading(DAY + timedelta(seconds=second), ac_power=1.0) for second in range(20_000)))
    limited = _Limited(file.connection, _pages(path) + 5)
    writer._file = type(file)(limited, file.scales, file.keys, file.version)  # type: ignore[arg-type]  # stands in for a connection

    with pytest.raises(StoreUnavailable, match="full"):
        await writer.write(to, many)
    await writer.write(to, many[:1])
    await writer.close()

    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM point").fetchone() == (1,)
    connection.close()


def _spoil(path: Path) -> None:
    path.write_bytes(b"this is no database, " * 500)


def _is_there(path: Path) -> bool:
    return path.exists()


async def test_a_question_that_nobody_waits_for_any_more_ends(path: Path) -> None:
    """A year by the second is too much for whoever asks; the thread is free for the next question at once."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    to, writer, reader = destination(), EmbeddedWriter(path), EmbeddedReader(path)
    await writer.write(to, encoded(reading(DAY, ac_power=1.0)))
    await writer.close()
    connection = sqlite3.connect(path)
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000)"
    connection.execute(
        f"INSERT INTO point (inverter, at_ms, ac_power) {many} SELECT 1, ? + i, i FROM n", (milliseconds(DAY),)
    )
    connection.commit()
    connection.close()
    hers = Source(to.owner_id, to.inverter_id)
    year = (DAY, DAY + timedelta(days=366), 86_400)

    began = time.perf_counter()
    whole = await reader.windows(hers, ["ac_power"], *year)
    takes_s = time.perf_counter() - began
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(takes_s / 10):
            await reader.windows(hers, ["ac_power"], *year)
    began = time.perf_counter()
    next_one = await reader.windows(hers, ["ac_power"], DAY, DAY + timedelta(seconds=1), 60)
    waited_s = time.perf_counter() - began
    again = await reader.windows(hers, ["ac_power"], *year)
    await reader.close()

    assert len(next_one) == 1
    assert waited_s < takes_s / 2
    assert again == whole


class _Limited:
    """A connection whose file may not grow beyond some pages: a disk that is full. The writer's thread uses it."""

    def __init__(self, connection: sqlite3.Connection, pages: int) -> None:
        self._connection = connection
        self._pages = pages

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)

    def executemany(self, statement: str, rows: list[tuple[int, ...]]) -> None:
        self._connection.execute(f"PRAGMA max_page_count = {self._pages}")
        self._connection.executemany(statement, rows)


def _pages(path: Path) -> int:
    connection = sqlite3.connect(path)
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.close()
    return int(pages)


async def test_a_file_that_cannot_be_made_is_unavailable_until_it_can(tmp_path: Path) -> None:
    """The folder is missing at the start, and is there later: no restart is needed."""
    folder = tmp_path / "later"
    writer, to = EmbeddedWriter(folder / "readings.db"), destination()

    with pytest.raises(StoreUnavailable):
        await writer.write(to, encoded(reading(DAY, ac_power=1.0)))
    await asyncio.to_thread(folder.mkdir)
    await writer.write(to, encoded(reading(DAY, ac_power=1.0)))
    await writer.close()

    assert _is_there(folder / "readings.db")


async def test_a_file_that_is_no_database_is_unavailable(path: Path) -> None:
    """Neither side takes it for an empty store."""
    _spoil(path)
    writer, reader = EmbeddedWriter(path), EmbeddedReader(path)

    with pytest.raises(StoreUnavailable):
        await writer.write(destination(), encoded(reading(DAY, ac_power=1.0)))
    with pytest.raises(StoreUnavailable):
        await reader.latest(source(), DAY)

    await writer.close()
    await reader.close()


async def test_a_reader_without_a_file_says_so_and_makes_none(path: Path) -> None:
    """ "Could not look" is not "nothing there", and the portal never makes the bridge's file."""
    reader = EmbeddedReader(path)

    with pytest.raises(StoreUnavailable):
        await reader.latest(source(), DAY)

    assert not _is_there(path)
    await reader.close()
