"""One inverter leaves the embedded store for good, beside a writer that goes on; its neighbours lose nothing."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from schema.timeseries.embedded import eraser
from schema.timeseries.embedded.eraser import EmbeddedEraser
from schema.timeseries.embedded.reader import EmbeddedReader
from schema.timeseries.embedded.writer import EmbeddedWriter
from schema.timeseries.port import Destination, Sample, Source, StoreMisconfigured, StoreUnavailable
from tests.store_set_ups import ALICE, DAY, encoded, reading

pytestmark = pytest.mark.integration
ROWS = 25
CANARY = "x_canary_of_alice"


class Killed(Exception):
    """The process ends here."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file is."""
    return tmp_path / "readings.db"


@pytest.fixture
async def writer(path: Path) -> AsyncIterator[EmbeddedWriter]:
    """The bridge's, which knows its inverters by heart."""
    opened = EmbeddedWriter(path)
    yield opened
    await opened.close()


@pytest.fixture(autouse=True)
def small_bites(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several for each series, so that there is a between."""
    monkeypatch.setattr(eraser, "ROWS_AT_ONCE", 10)


async def _inverter(writer: EmbeddedWriter, watts: float = 412.0) -> Destination:
    """One of Alice's with readings, an extra name among them."""
    made = Destination(uuid4(), ALICE)
    values = {"ac_power": watts, CANARY: watts + 0.5}
    await writer.write(made, encoded(*(reading(DAY + timedelta(seconds=one), **values) for one in range(ROWS))))
    return made


async def _newest(path: Path, of: Destination) -> dict[str, Sample]:
    reader = EmbeddedReader(path)
    try:
        return await reader.latest(Source(of.owner_id, of.inverter_id), DAY)
    finally:
        await reader.close()


def _bytes(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.iterdir() if file.name.startswith(path.name))


def _spoil(path: Path) -> None:
    path.write_bytes(b"this is no database, " * 500)


async def test_nothing_of_it_is_left_and_nothing_of_others_is_gone(path: Path, writer: EmbeddedWriter) -> None:
    """Not in an answer, not in a table, not in the bytes of file and log."""
    other_name = Destination(uuid4(), ALICE)
    doomed, kept = await _inverter(writer), await _inverter(writer, 17.0)
    await writer.write(other_name, encoded(reading(DAY, x_other_name=3.0)))
    await writer.write(doomed, encoded(reading(DAY, x_only_here=3.0)))

    rows = await EmbeddedEraser(path).erase(doomed.inverter_id)

    assert rows == 2 * ROWS + 1
    assert await _newest(path, doomed) == {}
    assert (await _newest(path, kept))["ac_power"].value == 17.0
    assert (await _newest(path, other_name))["x_other_name"].value == 3.0
    with closing(sqlite3.connect(path)) as connection:
        tables = {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("point", "extra", "extra_name", "seen")
        }
    assert tables == {"point": ROWS, "extra": ROWS + 1, "extra_name": 2, "seen": 1}
    assert b"x_only_here" not in _bytes(path)
    assert b"x_other_name" in _bytes(path)


async def test_a_late_line_is_refused_and_the_writer_goes_on(path: Path, writer: EmbeddedWriter) -> None:
    """The bridge's writer has its key by heart: it must neither use it nor meet anybody else under it."""
    kept, doomed = await _inverter(writer, 17.0), await _inverter(writer)

    await EmbeddedEraser(path).erase(doomed.inverter_id)
    with pytest.raises(StoreMisconfigured) as refused:
        await writer.write(doomed, encoded(reading(DAY, ac_power=1.0, x_late=1.0)))
    new = await _inverter(writer, 33.0)
    await writer.write(kept, encoded(reading(DAY + timedelta(hours=1), ac_power=18.0)))

    assert refused.value.status == 404
    assert await _newest(path, doomed) == {}
    assert (await _newest(path, new))["ac_power"].value == 33.0
    assert (await _newest(path, kept))["ac_power"].value == 18.0
    with closing(sqlite3.connect(path)) as connection:
        keys = dict(connection.execute("SELECT inverter, id FROM inverter"))
    assert len(set(keys.values())) == 3


async def test_one_that_never_wrote_cannot_begin_afterwards(path: Path, writer: EmbeddedWriter) -> None:
    """Its first message may be on its way while it is erased."""
    doomed = Destination(uuid4(), ALICE)
    await _inverter(writer)

    rows = await EmbeddedEraser(path).erase(doomed.inverter_id)

    assert rows == 0
    with pytest.raises(StoreMisconfigured):
        await writer.write(doomed, encoded(reading(DAY, ac_power=1.0)))


async def test_killed_after_any_bite_it_ends_the_same(path: Path, writer: EmbeddedWriter) -> None:
    """Every bite is a commit of its own; whoever comes after it finds the rest."""
    died = 0

    async def die_at_the(left: list[int]) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Killed

    for dies_at in range(1, 40):
        doomed, left = await _inverter(writer), [dies_at]
        try:
            await EmbeddedEraser(path, sleep=lambda _, left=left: die_at_the(left)).erase(doomed.inverter_id)  # type: ignore[misc]  # bound now
        except Killed:
            died += 1
        await EmbeddedEraser(path).erase(doomed.inverter_id)

        assert await _newest(path, doomed) == {}
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute(
                "SELECT (SELECT count(*) FROM point), (SELECT count(*) FROM extra)"
            ).fetchone() == (
                0,
                0,
            )

    assert died >= 8


async def test_without_a_file_there_is_no_word_of_success(tmp_path: Path) -> None:
    """A wrong data folder looks like this: what is elsewhere is not erased, and no file is made."""
    with pytest.raises(StoreUnavailable, match="not there"):
        await EmbeddedEraser(tmp_path / "readings.db").erase(uuid4())

    assert _bytes(tmp_path / "readings.db") == b""


async def test_a_file_that_is_none_is_a_store_that_is_away(path: Path) -> None:
    """It is tried again later; nothing is taken for erased."""
    _spoil(path)

    with pytest.raises(StoreUnavailable):
        await EmbeddedEraser(path).erase(uuid4())
