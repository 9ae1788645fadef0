"""The spool when its disk is full, read-only, or has flipped bits, and when its file is of the form it had at first."""

import asyncio
import sqlite3
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from bridge.counters import Counters
from bridge.edges.letter_file import OTHER_TOPICS
from bridge.edges.spool import SqliteSpool
from bridge.edges.spool_file import SpoolFile
from bridge.kept import Line, Raw, SpoolUnavailable, Tally
from bridge.refusals import Reason
from schema.timeseries.line_protocol import milliseconds
from tests.fakes import ALICE_LOGIN, NOON

pytestmark = pytest.mark.integration

ROOF, BARN = uuid4(), uuid4()
LARGE = 10**9


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the spool lies."""
    return tmp_path / "spool.db"


@pytest.fixture
async def spool(path: Path) -> AsyncIterator[SqliteSpool]:
    """An empty spool."""
    one = SqliteSpool(path, max_bytes=LARGE, counters=Counters())
    yield one
    one.close()


def _line(text: bytes, inverter_id: UUID = ROOF) -> Line:
    return Line(inverter_id, 7, NOON, text, "deye/AACE234567/reading")


async def _lines(spool: SqliteSpool, inverter_id: UUID = ROOF) -> list[bytes]:
    return [kept.line for kept in await spool.oldest_lines(inverter_id, lines=10**6, size=LARGE)]


async def _pragma(spool: SqliteSpool, text: str) -> None:
    """Outside a transaction, as SQLite wants it for some."""
    await asyncio.to_thread(lambda: spool._file.connection.execute(f"PRAGMA {text}").fetchall())


async def test_a_full_disk_refuses_takes_nothing_half_and_goes_on_when_there_is_room(spool: SqliteSpool) -> None:
    """SQLite's own "database or disk is full": the commit fails as a whole, what was there stays."""
    await spool.commit([_line(b"before")], [])
    pages = await spool.run(lambda file: file.connection.execute("PRAGMA page_count").fetchone()[0])
    await _pragma(spool, f"max_page_count={pages + 2}")
    with pytest.raises(SpoolUnavailable, match="full"):
        await spool.commit([_line(b"x" * 3_000, inverter) for inverter in (ROOF, BARN) for _ in range(20)], [])
    while_full = (await _lines(spool), await _lines(spool, BARN))

    await _pragma(spool, "max_page_count=100000")
    await spool.commit([_line(b"after"), _line(b"his", BARN)], [])

    assert while_full == ([b"before"], [])
    assert await _lines(spool) == [b"before", b"after"]
    assert await _lines(spool, BARN) == [b"his"]
    assert await spool.holdings() == {ROOF: (2, 11), BARN: (1, 3)}


async def test_a_file_system_that_became_read_only_refuses_and_recovers(spool: SqliteSpool) -> None:
    """Nothing is acknowledged on its word, and the thread goes on."""
    await spool.commit([_line(b"before")], [])
    await _pragma(spool, "query_only=ON")
    for _ in range(3):
        with pytest.raises(SpoolUnavailable, match="readonly"):
            await spool.commit([_line(b"lost?")], [])

    await _pragma(spool, "query_only=OFF")
    await spool.commit([_line(b"after")], [])

    assert await _lines(spool) == [b"before", b"after"]


async def test_below_the_floor_nothing_is_added_and_what_is_written_elsewhere_still_goes(path: Path) -> None:
    """The last bytes of the disk belong to others; forgetting makes room; it recovers by itself."""
    free = [1_000]
    spool = SqliteSpool(path, max_bytes=LARGE, counters=Counters(), floor_bytes=500, free_bytes=lambda _: free[0])
    records = await spool.commit([_line(b"one"), _line(b"two")], [])
    free[0] = 499
    with pytest.raises(SpoolUnavailable, match="DISK_FLOOR_BYTES"):
        await spool.commit([_line(b"three")], [])
    await spool.commit([], records[:1])
    below = await _lines(spool)

    free[0] = 500
    await spool.commit([_line(b"four")], [])
    lines = await _lines(spool)
    spool.close()

    assert below == [b"two"]
    assert lines == [b"two", b"four"]


async def test_the_floor_is_measured_on_the_disk_itself(path: Path) -> None:
    """Nobody has an exabyte free."""
    spool = SqliteSpool(path, max_bytes=LARGE, counters=Counters(), floor_bytes=10**18)
    with pytest.raises(SpoolUnavailable, match="bytes are free"):
        await spool.commit([_line(b"one")], [])
    spool.close()


async def test_a_failed_commit_is_forgotten_as_a_whole(spool: SqliteSpool) -> None:
    """An inverter first seen in a commit that failed has its lane made again by the next one."""

    def fails(file: object) -> None:
        raise ValueError("a defect")

    jobs = [asyncio.ensure_future(spool.commit([_line(b"one")], [])), asyncio.ensure_future(spool.run(fails))]
    first, second = await asyncio.gather(*jobs, return_exceptions=True)

    def fails_late(file: SpoolFile) -> None:
        file.insert([_line(b"never", BARN)])
        fails(file)

    with pytest.raises(SpoolUnavailable):
        await spool.run(fails_late)
    await spool.commit([_line(b"his", BARN)], [])

    assert not isinstance(first, BaseException)
    assert isinstance(second, SpoolUnavailable)
    assert await _lines(spool) == [b"one"]
    assert await spool.holdings() == {ROOF: (1, 3), BARN: (1, 3)}


async def test_no_number_is_given_twice(path: Path) -> None:
    """Not even after everything was forgotten and the bridge restarted: whoever forgets late forgets nothing new."""
    seen: set[int] = set()
    for _ in range(3):
        spool = SqliteSpool(path, max_bytes=LARGE, counters=Counters())
        for _ in range(3):
            records = await spool.commit([_line(b"a"), _line(b"b", BARN), Raw("deye/x/y", b"1", NOON, 1)], [])
            assert seen.isdisjoint(records)
            seen.update(records)
            await spool.commit([], records)
        spool.close()

    assert len(seen) == 27


async def test_counts_and_bytes_are_right_after_anything(spool: SqliteSpool) -> None:
    """Kept, forgotten, put aside, dropped, and read back after a restart."""
    mine = await spool.commit([_line(b"12345"), _line(b"123"), _line(b"1")], [])
    await spool.commit([_line(b"his", BARN), Raw("deye/x/y", b"raw", NOON, 1)], [])
    await spool.commit([], [mine[0], mine[0], 12345])
    await spool.run(lambda file: file.connection.execute("UPDATE record SET body=x'00' WHERE id=?", (mine[1],)))

    lines = await _lines(spool)
    tally = Tally("", BARN, Reason.INVERTER_DELETED, "Gone.", 0, NOON)
    dropped = await spool.drop_lines(BARN, tally, 100)

    assert (lines, dropped) == ([b"1"], 1)
    assert await spool.holdings() == {ROOF: (1, 3)}
    assert await spool.run(lambda file: file.standing()) == (1, milliseconds(NOON))


async def test_what_is_beyond_a_quota_is_one_row_however_many_messages_it_was(spool: SqliteSpool) -> None:
    """Counted together, the newest detail shown, no payload kept."""
    tallies = [Tally(ALICE_LOGIN, ROOF, Reason.TOO_FAST, f"number {number}", 100, NOON) for number in range(5)]
    numbers = await spool.commit([*tallies, _line(b"one")], [])
    await spool.commit(tallies[:1], [])

    rows = await spool.run(
        lambda file: file.connection.execute(
            "SELECT login, topic, reason, detail, payload, count FROM trouble"
        ).fetchall()
    )
    letters = await spool.run(lambda file: file.connection.execute("SELECT count(*) FROM letter").fetchone())

    assert numbers[:5] == [0] * 5
    assert rows == [(ALICE_LOGIN, OTHER_TOPICS, "too_fast", "number 0", b"", 600)]
    assert letters == (0,)


_FIRST_FORM = """
CREATE TABLE record (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, inverter BLOB NOT NULL, topic TEXT NOT NULL,
    version INTEGER NOT NULL, received_ms INTEGER NOT NULL, body BLOB NOT NULL, crc INTEGER NOT NULL);
CREATE INDEX ix_record ON record (kind, inverter, id);
"""


def _put_in_the_first_form(path: Path) -> None:
    with sqlite3.connect(path) as old:
        old.executescript(_FIRST_FORM)
        rows = [(0, ROOF.bytes, "", b"r1"), (0, BARN.bytes, "", b"b1"), (1, b"", "deye/x/y", b"raw")]
        for kind, inverter, topic, body in [*rows, (0, ROOF.bytes, "", b"r2")]:
            head = b"%d|%b|%b|%d|%d|" % (kind, inverter, topic.encode(), 7, milliseconds(NOON))
            row = (kind, inverter, topic, 7, milliseconds(NOON), body, zlib.crc32(body, zlib.crc32(head)))
            insert = (
                "INSERT INTO record (kind, inverter, topic, version, received_ms, body, crc) VALUES (?,?,?,?,?,?,?)"
            )
            old.execute(insert, row)
        old.execute("UPDATE record SET body=x'00' WHERE body=?", (b"b1",))
    old.close()


async def test_what_an_older_file_holds_is_taken_over(path: Path) -> None:
    """Acknowledged is acknowledged, whatever form the file had; what was damaged stays aside; and only once."""
    await asyncio.to_thread(_put_in_the_first_form, path)

    for _ in range(2):
        spool = SqliteSpool(path, max_bytes=LARGE, counters=Counters())
        lines, his = await _lines(spool), await _lines(spool, BARN)
        raws = await spool.oldest_raws(10)
        aside = await spool.run(lambda file: file.connection.execute("SELECT count(*) FROM damaged").fetchone()[0])
        spool.close()

        assert (lines, his, aside) == ([b"r1", b"r2"], [], 1)
        assert [(kept.raw.topic, kept.raw.payload) for kept in raws] == [("deye/x/y", b"raw")]
