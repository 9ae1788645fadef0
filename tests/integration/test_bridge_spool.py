"""The spool on a real disk: durable, in order, whole or put aside, and never larger than allowed."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from bridge.counters import Counters
from bridge.edges.letter_file import LETTERS_PER_LOGIN, OTHER_TOPICS, TROUBLES_PER_LOGIN
from bridge.edges.spool import SqliteSpool
from bridge.kept import Letter, Line, Raw, SpoolUnavailable
from bridge.refusals import Reason
from tests.fakes import ALICE_LOGIN, BOB_LOGIN, NOON
from tests.waiting import until

pytestmark = pytest.mark.integration

ROOF, BARN = uuid4(), uuid4()
SMALL = 1_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the spool lies."""
    return tmp_path / "spool.db"


@pytest.fixture
async def spool(path: Path) -> AsyncIterator[SqliteSpool]:
    """An empty spool of a megabyte."""
    one = SqliteSpool(path, max_bytes=SMALL, counters=Counters())
    yield one
    one.close()


def _line(text: bytes, inverter_id: UUID = ROOF) -> Line:
    return Line(inverter_id, 7, NOON, text)


def _letter(topic: str = "deye/x/reading", payload: bytes = b"{", login: str = ALICE_LOGIN) -> Letter:
    return Letter(login, ROOF, topic, payload, Reason.NOT_JSON, "No.", NOON)


async def test_lines_come_back_oldest_first_for_their_inverter_alone(spool: SqliteSpool) -> None:
    """Two inverters, interleaved."""
    await spool.commit([_line(b"r1"), _line(b"b1", BARN), _line(b"r2"), _line(b"b2", BARN)], [])

    lines = [kept.line for kept in await spool.oldest_lines(ROOF, lines=10, size=10_000)]

    assert lines == [b"r1", b"r2"]
    assert await spool.backlog() == {ROOF: 2, BARN: 2}


async def test_a_batch_is_limited_in_lines_and_in_bytes_but_never_empty(spool: SqliteSpool) -> None:
    """A line larger than the limit comes alone."""
    await spool.commit([_line(b"x" * 100), _line(b"y" * 100), _line(b"z")], [])

    assert len(await spool.oldest_lines(ROOF, lines=2, size=10_000)) == 2
    assert [kept.line[:1] for kept in await spool.oldest_lines(ROOF, lines=9, size=10)] == [b"x"]


async def test_forgotten_records_are_gone_and_make_room(spool: SqliteSpool) -> None:
    """Kept, written, forgotten."""
    records = await spool.commit([_line(b"x" * 300_000), _line(b"y" * 300_000)], [])
    with pytest.raises(SpoolUnavailable, match="SPOOL_MAX_BYTES"):
        await spool.commit([_line(b"z" * 500_000)], [])

    await spool.commit([_line(b"z" * 500_000)], records)

    assert [kept.line[:1] for kept in await spool.oldest_lines(ROOF, lines=9, size=10**7)] == [b"z"]


async def test_a_full_spool_refuses_all_of_a_batch_and_keeps_what_it_has(spool: SqliteSpool) -> None:
    """Nothing is overwritten; others that asked at the same moment are served."""
    await spool.commit([_line(b"x" * 600_000)], [])

    large = spool.commit([_line(b"small"), _line(b"y" * 600_000)], [])
    small = spool.commit([_line(b"small", BARN)], [])
    answers = await asyncio.gather(large, small, return_exceptions=True)

    assert isinstance(answers[0], SpoolUnavailable)
    assert await spool.backlog() == {ROOF: 1, BARN: 1}


async def test_messages_kept_as_they_came_come_back_whole(spool: SqliteSpool) -> None:
    """Topic, bytes, time and the registry's version at receipt."""
    raw = Raw(f"deye/{ALICE_LOGIN}/ä", b"\x00\xff", NOON, 12)
    await spool.commit([raw, _line(b"a line")], [])

    assert [kept.raw for kept in await spool.oldest_raws(10)] == [raw]


async def test_a_flipped_bit_is_put_aside_and_stops_nobody(spool: SqliteSpool, path: Path) -> None:
    """The record's neighbours come back; the damaged one is counted and never replayed."""
    records = await spool.commit([_line(b"one"), _line(b"two"), _line(b"three")], [])
    with sqlite3.connect(path) as other:
        other.execute("UPDATE record SET body = x'747764' WHERE id = ?", (records[1],))
    other.close()

    lines = [kept.line for kept in await spool.oldest_lines(ROOF, lines=9, size=1000)]

    assert lines == [b"one", b"three"]
    assert spool._counters.records_damaged == 1
    assert await spool.backlog() == {ROOF: 2}


async def test_a_file_that_is_no_database_is_set_aside(path: Path) -> None:
    """The bridge starts with an empty spool and keeps the old file for a person to look at."""
    await asyncio.to_thread(path.write_bytes, b"this is not a database" * 1000)

    one = SqliteSpool(path, max_bytes=SMALL, counters=Counters())
    await one.commit([_line(b"one")], [])
    one.close()

    (aside,) = path.parent.glob("spool.db.damaged-*")
    assert aside.read_bytes().startswith(b"this is not")


async def test_equal_trouble_is_counted_and_originals_are_kept_up_to_a_limit(spool: SqliteSpool, path: Path) -> None:
    """Outcome (e): beyond its share a login's letters are counted durably, another login's are kept."""
    await spool.commit([_letter(payload=b"%d" % number) for number in range(LETTERS_PER_LOGIN + 5)], [])
    await spool.commit([_letter(login=BOB_LOGIN)], [])

    with sqlite3.connect(path) as other:
        originals = dict(other.execute("SELECT login, count(*) FROM letter GROUP BY login").fetchall())
        counts = dict(other.execute("SELECT login, count FROM trouble").fetchall())
    other.close()
    assert originals == {ALICE_LOGIN: LETTERS_PER_LOGIN, BOB_LOGIN: 1}
    assert counts == {ALICE_LOGIN: LETTERS_PER_LOGIN + 5, BOB_LOGIN: 1}


async def test_a_login_that_invents_topics_cannot_fill_the_table(spool: SqliteSpool, path: Path) -> None:
    """After some hundred different topics the rest are one row."""
    await spool.commit([_letter(topic=f"deye/x/{number}") for number in range(TROUBLES_PER_LOGIN + 50)], [])

    with sqlite3.connect(path) as other:
        rows = dict(other.execute("SELECT topic, count FROM trouble").fetchall())
    other.close()
    assert len(rows) == TROUBLES_PER_LOGIN + 1
    assert rows[OTHER_TOPICS] == 50


_CHILD = """
import asyncio, sys
from pathlib import Path
from uuid import UUID
from bridge.counters import Counters
from bridge.edges.spool import SqliteSpool
from bridge.kept import Line
from tests.fakes import NOON

async def main():
    spool = SqliteSpool(Path(sys.argv[1]), max_bytes=10**9, counters=Counters())
    number = 0
    while True:
        await spool.commit([Line(UUID(int=1), 1, NOON, b"%d" % (number + step)) for step in range(5)], [])
        number += 5
        print(number, flush=True)

asyncio.run(main())
"""


def _started(path: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", _CHILD, str(path)], stdout=subprocess.PIPE, text=True)


async def test_what_was_confirmed_outlives_a_kill(path: Path) -> None:
    """SIGKILL in the middle of commits: every confirmed line is there."""
    child = _started(path)
    assert child.stdout is not None
    confirmed = 0
    while confirmed < 200:
        confirmed = int(await asyncio.to_thread(child.stdout.readline))
    child.kill()
    rest = child.stdout.read().split()
    confirmed = int(rest[-1]) if rest else confirmed
    child.wait()
    child.stdout.close()

    spool = SqliteSpool(path, max_bytes=SMALL, counters=Counters())
    kept = {int(one.line) for one in await spool.oldest_lines(UUID(int=1), lines=10**6, size=10**9)}
    spool.close()

    assert kept >= set(range(confirmed))


async def test_commits_that_wait_together_share_one_transaction(spool: SqliteSpool) -> None:
    """Fifty at once cost far fewer than fifty fsyncs."""
    transactions = 0

    def counted(statement: str) -> None:
        nonlocal transactions
        transactions += statement.startswith("COMMIT")

    await spool.run(lambda file: file.connection.set_trace_callback(counted))
    await asyncio.gather(*(spool.commit([_line(b"x")], []) for _ in range(50)))
    await until(lambda: transactions > 0)

    assert transactions < 25
