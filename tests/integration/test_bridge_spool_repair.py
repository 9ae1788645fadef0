"""A spool whose file is torn: what can be read of it goes on, whatever interrupts the repair."""

import asyncio
import contextlib
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from bridge.app import Bridge
from bridge.clock import Clock
from bridge.counters import Counters
from bridge.edges.spool import SqliteSpool
from bridge.kept import Line, SpoolUnavailable, Tally
from bridge.refusals import Reason
from tests.bridge_set_up import home
from tests.broker import broker
from tests.fakes import ALICE_LOGIN, NOON
from tests.waiting import until

pytestmark = pytest.mark.integration

ROOF = uuid4()
LARGE = 10**9


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the spool lies."""
    return tmp_path / "spool.db"


def _line(text: bytes) -> Line:
    return Line(ROOF, 7, NOON, text, "deye/AACE234567/reading")


async def _lines(spool: SqliteSpool) -> list[bytes]:
    return [kept.line for kept in await spool.oldest_lines(ROOF, lines=10**6, size=LARGE)]


def _flip(path: Path, marker: bytes) -> int:
    """Overwrite the head of the page that holds the marker; the number of that page."""
    with path.open("r+b") as file:
        content = file.read()
        page = content.index(marker) // 4096
        file.seek(page * 4096)
        file.write(b"\xff" * 16)
    return page


async def _filled(path: Path, lines: int) -> None:
    spool = SqliteSpool(path, max_bytes=LARGE, counters=Counters())
    await spool.commit([_line(b"line-%06d-" % number + b"x" * 200) for number in range(lines)], [])
    await spool.commit([Tally(ALICE_LOGIN, ROOF, Reason.TOO_FAST, "Too fast.", 3, NOON)], [])
    spool.close()


async def test_a_file_that_is_torn_inside_keeps_what_can_be_read(path: Path) -> None:
    """A page in the middle is destroyed: its lines are gone, those before and after it and the counts are not."""
    await _filled(path, 2_000)
    await asyncio.to_thread(_flip, path, b"line-001000-")

    spool = SqliteSpool(path, max_bytes=LARGE, counters=Counters())
    with pytest.raises(SpoolUnavailable, match="malformed"):
        await _lines(spool)
    lines = await _lines(spool)
    (held, _) = (await spool.holdings())[ROOF]
    await spool.commit([_line(b"after")], [])
    after = await _lines(spool)
    troubles = await spool.run(lambda file: file.connection.execute("SELECT sum(count) FROM trouble").fetchone())
    spool.close()

    assert 1_950 <= len(lines) == held < 2_000
    assert lines[0].startswith(b"line-000000-")
    assert lines[-1].startswith(b"line-001999-")
    assert after == [*lines, b"after"]
    assert troubles == (3,)
    assert len(list(path.parent.glob("spool.db.damaged-*"))) >= 1


@contextmanager
def _room_for(size: int) -> Iterator[None]:
    """No file of this process gets larger, as on a full disk."""
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))


async def test_a_repair_that_the_disk_interrupts_is_made_when_there_is_room(path: Path) -> None:
    """Torn inside on a disk that is full: nothing is promised until it is mended, and nothing is lost."""
    await _filled(path, 2_000)
    await asyncio.to_thread(_flip, path, b"line-001000-")
    with _room_for(100_000):
        for _ in range(2):
            spool = SqliteSpool(path, max_bytes=LARGE, counters=Counters())
            for _ in range(3):
                with pytest.raises(SpoolUnavailable):
                    await _lines(spool)
            with pytest.raises(SpoolUnavailable):
                await spool.commit([_line(b"new")], [])
            spool.close()

    spool = SqliteSpool(path, max_bytes=LARGE, counters=Counters())
    with pytest.raises(SpoolUnavailable, match="malformed"):
        await _lines(spool)
    lines = await _lines(spool)
    spool.close()

    assert 1_950 <= len(lines) < 2_000
    assert len(list(path.parent.glob("spool.db.damaged-*"))) == 1


async def test_a_repair_that_was_killed_at_its_end_is_finished_at_the_next_start(path: Path) -> None:
    """The broken file has been set aside, the new one has not got its name yet."""
    await _filled(path, 10)
    await asyncio.to_thread(path.rename, path.with_name("spool.db.salvaged"))

    spool = SqliteSpool(path, max_bytes=LARGE, counters=Counters())
    lines = await _lines(spool)
    spool.close()

    assert len(lines) == 10


async def test_a_torn_end_of_the_log_costs_only_what_was_never_confirmed(path: Path) -> None:
    """A power cut in the middle of a write: the last frames of the write-ahead log are half there."""
    spool = SqliteSpool(path, max_bytes=LARGE, counters=Counters())
    for number in range(20):
        await spool.commit([_line(b"%d" % number)], [])
    copy = path.with_name("copy.db")

    def cut() -> None:
        copy.write_bytes(path.read_bytes())
        log = path.with_name("spool.db-wal").read_bytes()
        copy.with_name("copy.db-wal").write_bytes(log + log[-3_000:-1_500])

    await asyncio.to_thread(cut)
    spool.close()

    again = SqliteSpool(copy, max_bytes=LARGE, counters=Counters())
    lines = await _lines(again)
    again.close()

    assert lines == [b"%d" % number for number in range(20)]


async def test_a_spool_that_takes_its_time_to_open_does_not_stop_the_bridges_signs_of_life(tmp_path: Path) -> None:
    """A repair or an older form may take minutes: who is silent for ten seconds is killed by whoever stands by."""
    with broker(tmp_path / "broker") as server:
        async with home(tmp_path, server) as place:
            place.settings.data_dir.mkdir()
            SqliteSpool(place.settings.spool_path, max_bytes=LARGE, counters=Counters()).close()
            one = Bridge(place.settings, Clock(), Counters(), asyncio.Event())
            with contextlib.closing(sqlite3.connect(place.settings.spool_path, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                opening = one.open()
                opened = asyncio.create_task(opening.__aenter__())
                await until(lambda: hasattr(one, "store") or opened.done())
                in_time = not opened.done()
                other.execute("ROLLBACK")
            await opened
            await opening.__aexit__(None, None, None)

    assert in_time
