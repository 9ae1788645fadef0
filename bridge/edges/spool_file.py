"""The spool's tables and statements on one SQLite connection, used by the spool's own thread alone.

``synchronous=FULL``: a commit that returned survives a power cut (DESIGN 4.2). Each record carries a CRC over all that
matters; a record whose CRC fails is put aside and never replayed.
"""

import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import structlog

from bridge.ports import Entry, KeptLine, KeptRaw, Letter, Line, Raw, SpoolUnavailable
from schema.timeseries.line_protocol import from_milliseconds, milliseconds

_log = structlog.get_logger(__name__)

_LINE, _RAW, _DAMAGED = 0, 1, 9
# Beyond these a login's dead letters are only counted: outcome (e) of DESIGN 4.2.
LETTERS_PER_LOGIN = 1_000
TROUBLES_PER_LOGIN = 200
OTHER_TOPICS = "…"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS record (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, inverter BLOB NOT NULL, topic TEXT NOT NULL,
    version INTEGER NOT NULL, received_ms INTEGER NOT NULL, body BLOB NOT NULL, crc INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS ix_record ON record (kind, inverter, id);
CREATE TABLE IF NOT EXISTS letter (
    id INTEGER PRIMARY KEY AUTOINCREMENT, login TEXT NOT NULL, inverter BLOB, topic TEXT NOT NULL, reason TEXT NOT NULL,
    detail TEXT NOT NULL, at_ms INTEGER NOT NULL, payload BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS ix_letter ON letter (login);
CREATE TABLE IF NOT EXISTS trouble (
    login TEXT NOT NULL, topic TEXT NOT NULL, reason TEXT NOT NULL, inverter BLOB, detail TEXT NOT NULL,
    payload BLOB NOT NULL, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, count INTEGER NOT NULL,
    copied INTEGER NOT NULL, PRIMARY KEY (login, topic, reason)) WITHOUT ROWID;
"""


class _Row(NamedTuple):
    """The columns of a record between its number and its CRC."""

    kind: int
    inverter: bytes
    topic: str
    version: int
    received_ms: int
    body: bytes


class SpoolFile:
    """One file. Every method may raise ``sqlite3.Error``, which ``Spool`` turns into ``SpoolUnavailable``."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.connection = _opened(path)
        except sqlite3.DatabaseError:
            aside = path.with_name(f"{path.name}.damaged-{int(time.time())}")
            _log.exception("spool.damaged", moved_to=aside.name)
            path.rename(aside)
            self.connection = _opened(path)
        self._letters = self._counts("SELECT login, count(*) FROM letter GROUP BY login")
        self._troubles = self._counts("SELECT login, count(*) FROM trouble GROUP BY login")

    def _counts(self, query: str) -> dict[str, int]:
        return dict(self.connection.execute(query).fetchall())

    def size(self) -> int:
        """Bytes in use; pages that were freed count as free."""
        (pages,) = self.connection.execute("PRAGMA page_count").fetchone()
        (free,) = self.connection.execute("PRAGMA freelist_count").fetchone()
        (page_size,) = self.connection.execute("PRAGMA page_size").fetchone()
        return int((pages - free) * page_size)

    def insert(self, entries: Sequence[Entry]) -> list[int]:
        """Insert within the transaction under way; the record numbers. Raises ``SpoolUnavailable`` when full."""
        if entries and self.size() + sum(map(_weight, entries)) > self._max_bytes:
            raise SpoolUnavailable(f"the spool has reached SPOOL_MAX_BYTES ({self._max_bytes})")
        return [self._insert(entry) for entry in entries]

    def _insert(self, entry: Entry) -> int:
        if isinstance(entry, Letter):
            return self._insert_letter(entry)
        at = milliseconds(entry.received_at)
        if isinstance(entry, Line):
            row = _Row(_LINE, entry.inverter_id.bytes, "", entry.registry_version, at, entry.line)
        else:
            row = _Row(_RAW, b"", entry.topic, entry.registry_version, at, entry.payload)
        statement = "INSERT INTO record (kind, inverter, topic, version, received_ms, body, crc) VALUES (?,?,?,?,?,?,?)"
        return self.connection.execute(statement, (*row, _crc(row))).lastrowid or 0

    def _insert_letter(self, letter: Letter) -> int:
        inverter = letter.inverter_id.bytes if letter.inverter_id else None
        at = milliseconds(letter.at)
        number = 0
        if self._letters.get(letter.login, 0) < LETTERS_PER_LOGIN:
            row = (letter.login, inverter, letter.topic, letter.reason, letter.detail, at, letter.payload)
            statement = (
                "INSERT INTO letter (login, inverter, topic, reason, detail, at_ms, payload) VALUES (?,?,?,?,?,?,?)"
            )
            number = self.connection.execute(statement, row).lastrowid or 0
            self._letters[letter.login] = self._letters.get(letter.login, 0) + 1
        key = (letter.login, letter.topic, letter.reason)
        known = self.connection.execute("SELECT 1 FROM trouble WHERE login=? AND topic=? AND reason=?", key).fetchone()
        if known is None and self._troubles.get(letter.login, 0) >= TROUBLES_PER_LOGIN:
            key = (letter.login, OTHER_TOPICS, letter.reason)
        elif known is None:
            self._troubles[letter.login] = self._troubles.get(letter.login, 0) + 1
        self.connection.execute(
            "INSERT INTO trouble (login, topic, reason, inverter, detail, payload, first_ms, last_ms, count, copied)"
            " VALUES (?,?,?,?,?,?,?,?,1,0) ON CONFLICT (login, topic, reason) DO UPDATE SET inverter=excluded.inverter,"
            " detail=excluded.detail, payload=excluded.payload, last_ms=excluded.last_ms, count=count+1",
            (*key, inverter, letter.detail, letter.payload, at, at),
        )
        return number

    def delete(self, records: Iterable[int]) -> None:
        """Drop records within the transaction under way."""
        self.connection.executemany("DELETE FROM record WHERE id=?", ((record,) for record in records))

    def oldest_lines(self, inverter_id: UUID, lines: int, size: int) -> tuple[list[KeptLine], int]:
        """The oldest lines of an inverter, and how many damaged ones were put aside on the way."""
        kept: list[KeptLine] = []
        damaged: list[int] = []
        weight = 0
        for record, row in self._select(_LINE, inverter_id.bytes, lines, damaged):
            if kept and weight + len(row.body) > size:
                break
            kept.append(KeptLine(record, row.body))
            weight += len(row.body)
        self._put_aside(damaged)
        return kept, len(damaged)

    def oldest_raws(self, limit: int) -> tuple[list[KeptRaw], int]:
        """The oldest messages kept as they came, and how many damaged ones were put aside on the way."""
        damaged: list[int] = []
        kept = [
            KeptRaw(record, Raw(row.topic, row.body, from_milliseconds(row.received_ms), row.version))
            for record, row in self._select(_RAW, b"", limit, damaged)
        ]
        self._put_aside(damaged)
        return kept, len(damaged)

    def _select(self, kind: int, inverter: bytes, limit: int, damaged: list[int]) -> Iterator[tuple[int, _Row]]:
        """Sound records, oldest first; the numbers of others go into ``damaged``."""
        found = self.connection.execute(
            "SELECT id, crc, kind, inverter, topic, version, received_ms, body FROM record"
            " WHERE kind=? AND inverter=? ORDER BY id LIMIT ?",
            (kind, inverter, limit),
        )
        for record, crc, *columns in found.fetchall():
            row = _Row(*columns)
            if _crc(row) == crc:
                yield record, row
            else:
                damaged.append(record)

    def _put_aside(self, damaged: Sequence[int]) -> None:
        for record in damaged:
            _log.error("spool.record_damaged", record=record)
            self.connection.execute("UPDATE record SET kind=? WHERE id=?", (_DAMAGED, record))

    def backlog(self) -> dict[UUID, int]:
        """How many lines are kept for each inverter."""
        rows = self.connection.execute("SELECT inverter, count(*) FROM record WHERE kind=? GROUP BY inverter", (_LINE,))
        return {UUID(bytes=inverter): count for inverter, count in rows}


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000"):
        connection.execute(f"PRAGMA {pragma}")
    connection.executescript(_SCHEMA)
    path.chmod(0o600)
    return connection


def _weight(entry: Entry) -> int:
    if isinstance(entry, Line):
        return len(entry.line) + 100
    return len(entry.payload) + len(entry.topic) + 100


def _crc(row: _Row) -> int:
    """Over all that matters, so that a flipped bit is noticed wherever it lies."""
    head = b"%d|%b|%b|%d|%d|" % (row.kind, row.inverter, row.topic.encode(), row.version, row.received_ms)
    return zlib.crc32(row.body, zlib.crc32(head))
