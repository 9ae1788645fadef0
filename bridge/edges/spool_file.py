"""The spool's statements on one SQLite connection, used by the spool's own thread alone.

``synchronous=FULL``: a commit that returned survives a power cut (DESIGN 4.2). Each record carries a CRC over all that
matters; a record whose CRC fails is put aside and never replayed.
"""

import json
import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import structlog

from bridge.edges import spool_layout as layout
from bridge.edges.backlog_file import BacklogFile
from bridge.edges.letter_file import LetterFile
from bridge.edges.spool_repair import finish, salvaged, set_aside
from bridge.kept import LETTER_RECORDS, Entry, KeptLine, KeptRaw, Letter, Line, Raw, SpoolUnavailable, Tally, Untimed
from schema.timeseries.line_protocol import from_milliseconds, milliseconds

_log = structlog.get_logger(__name__)

# A checkpoint writes each page once, however often it was changed since the last one; this is 16 MB of changes.
_CHECKPOINT_PAGES = 4_000
_WEIGHT_OF_A_ROW = 100
_MOST_LANES_REMEMBERED = 20_000

_GREW = """
UPDATE lane SET first_ms=iif(records=0, ?3, first_ms), records=records+?1, bytes=bytes+?2 WHERE number=?4
"""
_WEIGHED = "SELECT coalesce(sum(length(body)), 0) FROM record WHERE id IN (SELECT value FROM json_each(?))"
_DELETED = "DELETE FROM record WHERE id IN (SELECT value FROM json_each(?))"
_SHRANK = """
UPDATE lane SET records=max(0, records-?1), bytes=max(0, bytes-?2), first_ms=coalesce(
    (SELECT received_ms FROM record WHERE id>=?3 AND id<?4 ORDER BY id LIMIT 1), 0) WHERE number=?5
"""


class _Row(NamedTuple):
    """A record as it lies in the table."""

    id: int
    version: int
    received_ms: int
    topic: str
    body: bytes
    crc: int


class SpoolFile:
    """One file. Every method may raise ``sqlite3.Error``, which ``SqliteSpool`` turns into ``SpoolUnavailable``."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        path.parent.mkdir(parents=True, exist_ok=True)
        finish(path)
        try:
            self._open()
        except sqlite3.DatabaseError as fault:
            if not is_damage(fault):
                raise
            self._replace(salvaged(path, _prepared))

    def _open(self) -> None:
        self.connection = _opened(self._path)
        self.letters = LetterFile(self.connection)
        self.untimed = BacklogFile(self.connection)
        self._lanes: dict[UUID, tuple[int, bytes]] = {}

    def repair(self) -> None:
        """Set the broken file aside and go on with a new one that has what can be read of it. Where that fails, a full
        disk for instance, all is as it was: try again.
        """
        fresh = salvaged(self._path, _prepared)
        # Closed later it would take the new file's log for its own.
        self.connection.close()
        self._replace(fresh)

    def _replace(self, fresh: Path) -> None:
        aside = set_aside(self._path, int(time.time()))
        fresh.rename(self._path)
        _log.error("spool.damaged", moved_to=aside.name)
        self._open()

    def size(self) -> int:
        """Bytes in use; pages that were freed count as free."""
        (pages,) = self.connection.execute("PRAGMA page_count").fetchone()
        (free,) = self.connection.execute("PRAGMA freelist_count").fetchone()
        (page_size,) = self.connection.execute("PRAGMA page_size").fetchone()
        return int((pages - free) * page_size)

    def rolled_back(self) -> None:
        """Forget what was remembered of a transaction that did not happen."""
        self._lanes.clear()
        self.untimed.rolled_back()

    def insert(self, entries: Sequence[Entry]) -> list[int]:
        """Insert within the transaction under way; the record numbers. Raises ``SpoolUnavailable`` when full."""
        if entries and self.size() + sum(map(_weight, entries)) > self._max_bytes:
            raise SpoolUnavailable(f"the spool has reached SPOOL_MAX_BYTES ({self._max_bytes})")
        (place,) = self.connection.execute("SELECT next FROM place").fetchone()
        numbers: list[int] = []
        rows: list[_Row] = []
        tallies: list[Tally] = []
        for entry in entries:
            if isinstance(entry, (Line, Raw)):
                rows.append(self._row(entry, place))
                numbers.append(rows[-1].id)
                place += 1
            elif isinstance(entry, Letter):
                numbers.append(self.letters.insert(entry))
            elif isinstance(entry, Tally):
                tallies.append(entry)
                numbers.append(0)
            else:
                numbers.append(self.untimed.put(entry))
        if rows:
            self._insert_rows(rows)
            self.connection.execute("UPDATE place SET next=?", (place,))
        for tally in _summed(tallies):
            self.letters.count(tally)
        return numbers

    def _row(self, entry: Line | Raw, place: int) -> _Row:
        if isinstance(entry, Line):
            lane, inverter = self._lane(entry.inverter_id)
            version, body = entry.registry_version, entry.line
        else:
            lane, inverter, body = layout.RAW_LANE, b"", entry.payload
            # A message of a backlog has its version turned negative; where none was known yet, it counts as 0.
            version = max(0, entry.registry_version)
            version = ~version if entry.backlog else version
        at = milliseconds(entry.received_at)
        crc = layout.check_sum(inverter, version, at, entry.topic, body)
        return _Row(layout.first_of(lane) | place, version, at, entry.topic, body, crc)

    def _lane(self, inverter_id: UUID) -> tuple[int, bytes]:
        """The number of an inverter's lane, and the inverter as it stands in the table."""
        known = self._lanes.get(inverter_id)
        if known is None:
            if len(self._lanes) >= _MOST_LANES_REMEMBERED:
                self._lanes.clear()
            inverter = inverter_id.bytes
            known = self._lanes[inverter_id] = (layout.lane_of(self.connection, inverter), inverter)
        return known

    def _insert_rows(self, rows: list[_Row]) -> None:
        """In the order in which they lie in the file: that is twice as fast."""
        rows.sort()
        grown: dict[int, list[int]] = {}
        for row in rows:
            lane = grown.setdefault(layout.lane_in(row.id), [0, 0, row.received_ms])
            lane[0] += 1
            lane[1] += len(row.body)
        self.connection.executemany("INSERT INTO record VALUES (?,?,?,?,?,?)", rows)
        self.connection.executemany(_GREW, [(*lane, number) for number, lane in grown.items()])

    def delete(self, records: Iterable[int]) -> None:
        """Drop records, dead letters among them, within the transaction under way."""
        gone = sorted(records)
        for lane, ours in groupby((record for record in gone if record < LETTER_RECORDS), layout.lane_in):
            self._delete_from(lane, list(ours))
        self.letters.forget(record for record in gone if record >= LETTER_RECORDS)

    def _delete_from(self, lane: int, records: Sequence[int]) -> None:
        """With statements for all of them at once: each one lets the event loop's thread go on meanwhile."""
        numbers = (json.dumps(records),)
        (size,) = self.connection.execute(_WEIGHED, numbers).fetchone()
        count = self.connection.execute(_DELETED, numbers).rowcount
        self.connection.execute(_SHRANK, (count, size, layout.first_of(lane), layout.first_of(lane + 1), lane))

    def drop_lines(self, inverter_id: UUID, tally: Tally, limit: int) -> int:
        """Drop an inverter's oldest lines, at most ``limit``, and count them; how many they were."""
        first = layout.first_of(self._lane(inverter_id)[0])
        found = self.connection.execute(
            "SELECT id FROM record WHERE id>=? AND id<? ORDER BY id LIMIT ?",
            (first, first + layout.first_of(1), limit),
        ).fetchall()
        self.delete(record for (record,) in found)
        if found:
            self.letters.count(tally._replace(times=len(found)))
        return len(found)

    def oldest_lines(self, inverter_id: UUID, lines: int, size: int) -> tuple[list[KeptLine], int]:
        """The oldest lines of an inverter, and how many damaged ones were put aside on the way."""
        kept: list[KeptLine] = []
        damaged: list[int] = []
        weight = 0
        for row in self._select(*self._lane(inverter_id), lines, damaged):
            if kept and weight + len(row.body) > size:
                break
            kept.append(KeptLine(row.id, row.body, row.topic))
            weight += len(row.body)
        self._put_aside(damaged)
        return kept, len(damaged)

    def oldest_raws(self, limit: int) -> tuple[list[KeptRaw], int]:
        """The oldest messages kept as they came, and how many damaged ones were put aside on the way."""
        damaged: list[int] = []
        kept = [KeptRaw(row.id, _raw(row)) for row in self._select(layout.RAW_LANE, b"", limit, damaged)]
        self._put_aside(damaged)
        return kept, len(damaged)

    def _select(self, lane: int, inverter: bytes, limit: int, damaged: list[int]) -> Iterator[_Row]:
        """Sound records, oldest first; the numbers of others go into ``damaged``."""
        found = self.connection.execute(
            "SELECT id, version, received_ms, topic, body, crc FROM record WHERE id>=? AND id<? ORDER BY id LIMIT ?",
            (layout.first_of(lane), layout.first_of(lane + 1), limit),
        )
        for row in map(_Row._make, found.fetchall()):
            if _is_sound(row, inverter):
                yield row
            else:
                damaged.append(row.id)

    def _put_aside(self, damaged: Sequence[int]) -> None:
        for record in damaged:
            _log.error("spool.record_damaged", record=record)
            self.connection.execute("INSERT INTO damaged SELECT * FROM record WHERE id=?", (record,))
        self.delete(damaged)

    def holdings(self) -> dict[UUID, tuple[int, int]]:
        """How many lines are kept for each inverter, and how many bytes they have."""
        rows = self.connection.execute(
            "SELECT inverter, records, bytes FROM lane WHERE number<>? AND records>0", (layout.RAW_LANE,)
        )
        return {layout.inverter_of(inverter): (records, size) for inverter, records, size in rows}

    def standing(self) -> tuple[int, int | None]:
        """How many messages are kept as they came, and when the oldest record of all came, in epoch milliseconds."""
        (raws,) = self.connection.execute("SELECT records FROM lane WHERE number=?", (layout.RAW_LANE,)).fetchone()
        (oldest,) = self.connection.execute("SELECT min(first_ms) FROM lane WHERE records>0").fetchone()
        return raws, oldest


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    pragmas = ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000", f"wal_autocheckpoint={_CHECKPOINT_PAGES}")
    try:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
        layout.prepare(connection)
        path.chmod(0o600)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepared(path: Path) -> sqlite3.Connection:
    """A new file with all its tables."""
    connection = _opened(path)
    LetterFile(connection)
    BacklogFile(connection)
    return connection


def is_damage(fault: sqlite3.DatabaseError) -> bool:
    """Whether the file itself is broken: no database, or torn inside. A full or read-only disk is neither."""
    # What Python's module says by itself (a closed connection, an odd type) has no code of SQLite's.
    return getattr(fault, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _is_sound(row: _Row, inverter: bytes) -> bool:
    try:
        return layout.check_sum(inverter, row.version, row.received_ms, row.topic, row.body) == row.crc
    except (TypeError, AttributeError):
        # A flipped bit can change the type of a column too.
        return False


def _raw(row: _Row) -> Raw:
    version = max(row.version, ~row.version)
    return Raw(row.topic, row.body, from_milliseconds(row.received_ms), version, backlog=row.version < 0)


def _summed(tallies: Sequence[Tally]) -> Iterator[Tally]:
    """One for each login, inverter and reason, with the newest detail."""
    alike: dict[tuple[object, ...], list[Tally]] = defaultdict(list)
    for tally in tallies:
        alike[tally.login, tally.inverter_id, tally.reason].append(tally)
    for same in alike.values():
        yield same[-1]._replace(times=sum(tally.times for tally in same))


def _weight(entry: Entry) -> int:
    if isinstance(entry, Line):
        return len(entry.line) + _WEIGHT_OF_A_ROW
    if isinstance(entry, (Raw, Letter, Untimed)):
        return len(entry.payload) + len(entry.topic) + _WEIGHT_OF_A_ROW
    return _WEIGHT_OF_A_ROW
