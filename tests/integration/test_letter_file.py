"""Dead letters on a real file: caps, age, what an older bridge left, and what a commit takes with what it keeps."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from bridge.counters import Counters
from bridge.edges import letter_choice
from bridge.edges.letter_choice import Choice
from bridge.edges.letter_file import LETTER_BYTES_PER_LOGIN, LETTERS_PER_LOGIN, OTHER_TOPICS, TROUBLES_PER_LOGIN
from bridge.edges.spool import SqliteSpool
from bridge.edges.spool_file import SpoolFile
from bridge.kept import KeptLetter, Letter, Line, SpoolUnavailable
from bridge.refusals import Reason
from schema.letters import NO_LOGIN, PayloadForm
from schema.timeseries.line_protocol import milliseconds
from tests.fakes import ALICE_LOGIN, BOB_LOGIN, NOON

pytestmark = pytest.mark.integration

ROOF, BARN = uuid4(), uuid4()
EVERYTHING = 1 << 60


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the spool lies."""
    return tmp_path / "spool.db"


@pytest.fixture
async def spool(path: Path) -> AsyncIterator[SqliteSpool]:
    """An empty spool."""
    one = SqliteSpool(path, max_bytes=100_000_000, counters=Counters())
    yield one
    one.close()


def _letter(payload: bytes = b"{", login: str = ALICE_LOGIN, topic: str = "deye/x/y", **others: object) -> Letter:
    given = {"inverter_id": ROOF, "reason": Reason.NOT_JSON, "detail": "No.", "at": NOON} | others
    return Letter(login=login, topic=topic, payload=payload, **given)  # type: ignore[arg-type]  # as given


async def _kept(spool: SqliteSpool, choice: Choice | None = None) -> list[KeptLetter]:
    kept, _ = await spool.run(lambda file: letter_choice.next_originals(file.letters, choice or Choice(), EVERYTHING))
    return kept


async def _troubles(spool: SqliteSpool) -> list[tuple[object, ...]]:
    def asked(file: SpoolFile) -> list[tuple[object, ...]]:
        return file.connection.execute(
            "SELECT login, topic, reason, count FROM trouble ORDER BY login, topic, reason"
        ).fetchall()

    return await spool.run(asked)


async def test_one_login_cannot_fill_the_disk_with_large_messages(spool: SqliteSpool) -> None:
    """Beyond its bytes they are only counted; when some have gone there is room again."""
    large = b"x" * 16_000
    many = LETTER_BYTES_PER_LOGIN // len(large)
    await spool.commit([_letter(large) for _ in range(many + 5)], [])
    full = await _kept(spool)

    await spool.commit([], [one.record for one in full[:3]])
    await spool.commit([_letter(b"small") for _ in range(4)], [])
    kept = await _kept(spool)

    assert len(full) == many < LETTERS_PER_LOGIN
    assert [one.payload for one in kept[-4:]] == [b"small"] * 4
    assert await _troubles(spool) == [(ALICE_LOGIN, "deye/x/y", "not_json", many + 5 - 3 + 4)]


async def test_originals_that_came_at_once_are_taken_up_a_millisecond_apart(spool: SqliteSpool) -> None:
    """Two documents without a time of their own must not become one point; a moment later is a moment later."""
    await spool.commit([_letter(b"%d" % number) for number in range(3)], [])
    await spool.commit([_letter(b"later", at=NOON + timedelta(minutes=1))], [])

    times = [one.received_at - NOON for one in await _kept(spool)]

    assert times == [timedelta(milliseconds=number) for number in range(3)] + [timedelta(minutes=1)]


async def test_what_becomes_a_line_leaves_with_the_commit_that_keeps_the_line(spool: SqliteSpool) -> None:
    """One transaction: there is no moment at which it is in neither place, or in both."""
    await spool.commit([_letter(b"one"), _letter(b"two")], [])
    first, second = await _kept(spool)

    await spool.commit([Line(ROOF, 1, NOON, b"reading ac_power=1 1")], [first.record])
    with pytest.raises(SpoolUnavailable):
        await spool.commit([Line(ROOF, 1, NOON, b"x"), _letter(b"three", detail=object())], [second.record])

    assert [one.payload for one in await _kept(spool)] == [b"two"]
    assert [line.line for line in await spool.oldest_lines(ROOF, lines=9, size=1_000)] == [b"reading ac_power=1 1"]


async def test_what_fails_again_is_the_same_original_under_another_reason(spool: SqliteSpool) -> None:
    """Its own topic, payload and time, whatever the refusal of a whole cycle shows; done twice it is done once."""
    await spool.commit([_letter(b"1", topic="deye/x/a"), _letter(b"2", topic="deye/x/b")], [])
    before = await _kept(spool)
    refusal = _letter(
        b'{"a": 1, "b": 2}',
        topic="deye/x/b",
        reason=Reason.IMPLAUSIBLE,
        at=NOON + timedelta(hours=1),
        form=PayloadForm.VALUES,
        replaces=tuple(one.record for one in before),
    )

    await spool.commit([refusal], [])
    await spool.commit([refusal], [])
    after = await _kept(spool)

    assert [one[3:] for one in after] == [one[3:] for one in before]
    assert min(one.record for one in after) > max(one.record for one in before)
    assert await _troubles(spool) == [
        (ALICE_LOGIN, "deye/x/a", "implausible", 1),
        (ALICE_LOGIN, "deye/x/a", "not_json", 0),
        (ALICE_LOGIN, "deye/x/b", "implausible", 1),
        (ALICE_LOGIN, "deye/x/b", "not_json", 0),
    ]


async def test_what_is_too_old_is_forgotten(spool: SqliteSpool) -> None:
    """Originals by their own age; a kind when the last of it is too old."""
    await spool.commit([_letter(b"old", at=NOON - timedelta(days=20)), _letter(b"new")], [])
    await spool.commit([_letter(b"old", login=BOB_LOGIN, at=NOON - timedelta(days=20))], [])

    gone = await spool.run(lambda file: file.letters.expire(milliseconds(NOON - timedelta(days=14))))

    assert gone == 2
    assert [one.payload for one in await _kept(spool)] == [b"new"]
    assert await _troubles(spool) == [
        (ALICE_LOGIN, "deye/x/y", "not_json", 2),
        (BOB_LOGIN, "deye/x/y", "not_json", 0),
    ]


@pytest.mark.parametrize(
    ("choice", "left"),
    [
        (Choice(), []),
        (Choice(login=ALICE_LOGIN), [b"bobs", b"nobodys"]),
        (Choice(login=NO_LOGIN), [b"hers", b"her other", b"bobs"]),
        (Choice(reason="too_deep"), [b"hers", b"bobs", b"nobodys"]),
        (Choice(topic="deye/x/z"), [b"hers", b"bobs", b"nobodys"]),
        (Choice(inverter_id=BARN), [b"hers", b"her other", b"nobodys"]),
        (Choice(login=ALICE_LOGIN, reason="moonlight"), [b"hers", b"her other", b"bobs", b"nobodys"]),
    ],
)
async def test_a_purge_takes_what_it_names(spool: SqliteSpool, choice: Choice, left: list[bytes]) -> None:
    """By any of login, topic, reason and inverter; nobody's letters are none of everybody's."""
    await spool.commit(
        [
            _letter(b"hers"),
            _letter(b"her other", topic="deye/x/z", reason=Reason.TOO_DEEP),
            _letter(b"bobs", login=BOB_LOGIN, inverter_id=BARN),
            _letter(b"nobodys", login="", inverter_id=None, topic="deye"),
        ],
        [],
    )

    messages = await spool.run(lambda file: letter_choice.purge(file.letters, choice))
    counted = sum(int(str(count)) for *_, count in await _troubles(spool))

    assert sorted(one.payload for one in await _kept(spool)) == sorted(left)
    assert (messages, counted) == (4 - len(left), len(left))


async def test_a_replay_does_not_take_up_what_came_after_it_was_asked_for(spool: SqliteSpool) -> None:
    """The boundary outlives the process that drew it."""
    await spool.commit([_letter(b"before")], [])
    request, choice = uuid4(), Choice(login=ALICE_LOGIN)
    begun = await spool.run(lambda file: letter_choice.progress(file.letters, request, choice, starting=True))
    await spool.commit([_letter(b"after")], [])

    again = await spool.run(lambda file: letter_choice.progress(file.letters, request, choice, starting=True))
    kept, _ = await spool.run(lambda file: letter_choice.next_originals(file.letters, choice, again.upto))

    assert (begun.chosen, again.chosen, again.left, again.starts) == (1, 1, 1, 2)
    assert [one.payload for one in kept] == [b"before"]


async def test_lines_of_two_inverters_without_a_login_are_not_counted_together(spool: SqliteSpool) -> None:
    """Out of the spool a line names its inverter alone; each inverter has its own cap and its own row."""
    lines = [
        _letter(b"line", login="", inverter_id=one, topic=f"inverter/{one}", form=PayloadForm.LINE)
        for one in [ROOF] * LETTERS_PER_LOGIN + [BARN]
    ]
    await spool.commit(lines, [])

    def tally(file: SpoolFile) -> list[tuple[object, ...]]:
        return file.connection.execute("SELECT login, letters FROM tally ORDER BY letters").fetchall()

    assert await spool.run(tally) == [(BARN.hex, 1), (ROOF.hex, LETTERS_PER_LOGIN)]
    assert [row[3] for row in sorted(await _troubles(spool), key=lambda row: int(str(row[3])))] == [
        1,
        LETTERS_PER_LOGIN,
    ]


@pytest.mark.parametrize(
    ("form", "reason", "whole", "fit"),
    [
        (PayloadForm.MESSAGE, Reason.NOT_JSON, True, True),
        (PayloadForm.MESSAGE, Reason.TOO_LARGE, False, False),
        (PayloadForm.LINE, Reason.STORE_REFUSED, True, True),
        (PayloadForm.LINE, Reason.ANOTHER_DEVICE, True, False),
        (PayloadForm.VALUES, Reason.IMPLAUSIBLE, True, False),
    ],
)
async def test_only_what_says_again_what_was_said_is_taken_up(
    spool: SqliteSpool, form: PayloadForm, reason: Reason, whole: bool, fit: bool
) -> None:
    """A line that was refused for who speaks must not reach the store by a detour."""
    await spool.commit([_letter(b"x", form=form, reason=reason, whole=whole)], [])

    assert (len(await _kept(spool)) == 1) is fit


_FIRST_VERSION = """
CREATE TABLE letter (
    id INTEGER PRIMARY KEY AUTOINCREMENT, login TEXT NOT NULL, inverter BLOB, topic TEXT NOT NULL, reason TEXT NOT NULL,
    detail TEXT NOT NULL, at_ms INTEGER NOT NULL, payload BLOB NOT NULL);
CREATE INDEX ix_letter ON letter (login);
CREATE TABLE trouble (
    login TEXT NOT NULL, topic TEXT NOT NULL, reason TEXT NOT NULL, inverter BLOB, detail TEXT NOT NULL,
    payload BLOB NOT NULL, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, count INTEGER NOT NULL,
    copied INTEGER NOT NULL, PRIMARY KEY (login, topic, reason)) WITHOUT ROWID;
"""


async def test_letters_of_an_older_bridge_are_taken_over(path: Path) -> None:
    """Short messages can be replayed, one that may have been cut cannot, lines are lines; all are copied again."""
    at = milliseconds(NOON)
    with sqlite3.connect(path) as older:
        older.executescript(_FIRST_VERSION)
        for topic, reason, payload in (
            ("deye/x/a", "unknown_login", b"1"),
            ("deye/x/a", "too_large", b"x" * 4_096),
            ("deye/x/new", "unknown_login", b"2"),
            ("deye/x/a", "store_refused", b"reading ac_power=1 1"),
        ):
            row = (ALICE_LOGIN, topic, reason, "No.", at, payload)
            older.execute("INSERT INTO letter (login, topic, reason, detail, at_ms, payload) VALUES (?,?,?,?,?,?)", row)
            shown_as = topic if topic == "deye/x/a" else OTHER_TOPICS
            older.execute(
                "INSERT INTO trouble (login, topic, reason, detail, payload, first_ms, last_ms, count, copied)"
                " VALUES (?,?,?,'No.',?,?,?,700,700)",
                (ALICE_LOGIN, shown_as, reason, payload, at, at),
            )
    older.close()

    spool = SqliteSpool(path, max_bytes=100_000_000, counters=Counters())
    kept = await _kept(spool)
    others = await _kept(spool, Choice(topic=OTHER_TOPICS))
    uncopied: Callable[[SpoolFile], int] = lambda file: file.connection.execute(  # noqa: E731
        "SELECT count(*) FROM trouble WHERE copied<version"
    ).fetchone()[0]
    waiting = await spool.run(uncopied)
    spool.close()
    again = SqliteSpool(path, max_bytes=100_000_000, counters=Counters())
    kept_again = await _kept(again)
    again.close()

    assert [(one.payload, one.form) for one in kept] == [
        (b"1", PayloadForm.MESSAGE),
        (b"2", PayloadForm.MESSAGE),
        (b"reading ac_power=1 1", PayloadForm.LINE),
    ]
    assert [one.payload for one in others] == [b"2"]
    assert waiting == 4 < TROUBLES_PER_LOGIN
    assert kept_again == kept
