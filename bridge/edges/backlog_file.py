"""Untimed messages of a backlog on the spool's SQLite file: by outage, source and cycle.

Used by the spool's own thread alone, within its transactions. A message whose CRC fails is put aside as outage 0 and
never spread.
"""

import sqlite3
import zlib
from collections.abc import Sequence

import structlog

from bridge.kept import KeptUntimed, Known, Outage, Untimed, sent
from schema.timeseries.line_protocol import from_milliseconds, milliseconds

_log = structlog.get_logger(__name__)

_PUT_ASIDE = 0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS outage (
    epoch INTEGER PRIMARY KEY, since_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL, open INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS untimed (
    id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, source TEXT NOT NULL, cycle INTEGER NOT NULL,
    topic TEXT NOT NULL, payload BLOB NOT NULL, received_ms INTEGER NOT NULL, crc INTEGER NOT NULL,
    packet_id INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS ix_untimed ON untimed (epoch, source, cycle, id);
"""


class BacklogFile:
    """The two tables on a connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._entered: Outage | None = None
        connection.executescript(_SCHEMA)
        if "packet_id" not in [name for _, name, *_ in connection.execute("PRAGMA table_info(untimed)")]:
            connection.execute("ALTER TABLE untimed ADD COLUMN packet_id INTEGER NOT NULL DEFAULT 0")

    def rolled_back(self) -> None:
        """Forget what was remembered of a transaction that did not happen."""
        self._entered = None

    def put(self, entry: Untimed | Outage) -> int:
        """Keep a message with its outage, or bring an outage up to date; the message's number."""
        if isinstance(entry, Outage):
            self._enter(entry)
            return 0
        if entry.outage is not self._entered:
            self._enter(entry.outage)
        at = milliseconds(entry.received_at)
        row = (entry.outage.epoch, entry.source, entry.cycle, entry.topic, at)
        statement = (
            "INSERT INTO untimed (epoch, source, cycle, topic, received_ms, payload, crc, packet_id)"
            " VALUES (?,?,?,?,?,?,?,?)"
        )
        crc = _crc(row, entry.payload)
        return self._connection.execute(statement, (*row, entry.payload, crc, entry.packet_id)).lastrowid or 0

    def _enter(self, one: Outage) -> None:
        """One that is closed stays as it is: its messages may have got their times already."""
        self._connection.execute(
            "INSERT INTO outage (epoch, since_ms, until_ms, open) VALUES (?,?,?,?) ON CONFLICT (epoch) DO UPDATE SET"
            " until_ms=iif(outage.open, excluded.until_ms, outage.until_ms), open=outage.open AND excluded.open",
            (one.epoch, milliseconds(one.since), milliseconds(one.until), one.open),
        )
        self._entered = one

    def known(self, last: int) -> Known:
        """What is open, with the newest cycle of each of its sources, and so many of the messages kept last."""
        outages = [_outage(*row) for row in self._connection.execute("SELECT * FROM outage WHERE open")]
        (newest,) = self._connection.execute(
            "SELECT max(coalesce((SELECT max(epoch) FROM outage), 0), coalesce((SELECT max(epoch) FROM untimed), 0))"
        ).fetchone()
        outage = outages[-1] if outages else None
        epoch = outage.epoch if outage else _PUT_ASIDE - 1
        query = "SELECT source, max(cycle) FROM untimed WHERE epoch=? GROUP BY source"
        cycles = dict(self._connection.execute(query, (epoch,)).fetchall())
        weighed = "SELECT coalesce(sum(length(payload) + length(topic) + 160), 0) FROM untimed WHERE epoch=?"
        (size,) = self._connection.execute(weighed, (epoch,)).fetchone()
        # A flipped bit can change the type of a column too.
        lately = (
            "SELECT packet_id, topic, payload, epoch, cycle FROM untimed WHERE packet_id AND typeof(payload)='blob'"
            " AND typeof(topic)='text' ORDER BY id DESC LIMIT ?"
        )
        rows = self._connection.execute(lately, (last,)).fetchall()
        return Known(outage, newest, cycles, size, {sent(*row[:3]): tuple(row[3:]) for row in reversed(rows)})

    def closed(self) -> list[Outage]:
        """Outages that may be spread, oldest first."""
        return [_outage(*row) for row in self._connection.execute("SELECT * FROM outage WHERE NOT open ORDER BY epoch")]

    def sources(self, epoch: int, after: str, limit: int) -> list[tuple[str, int]]:
        """Sources after ``after`` with the number of their last cycle: it goes last, so the number stays the same."""
        query = "SELECT source, max(cycle) FROM untimed WHERE epoch=? AND source>? GROUP BY source ORDER BY 1 LIMIT ?"
        return self._connection.execute(query, (epoch, after, limit)).fetchall()

    def oldest(self, epoch: int, source: str, limit: int) -> tuple[list[KeptUntimed], int]:
        """The first messages of a source, and how many damaged ones were put aside on the way."""
        found = self._connection.execute(
            "SELECT id, cycle, topic, payload, received_ms, crc FROM untimed WHERE epoch=? AND source=?"
            " ORDER BY cycle, id LIMIT ?",
            (epoch, source, limit),
        ).fetchall()
        kept: list[KeptUntimed] = []
        for record, cycle, topic, payload, received_ms, crc in found:
            if isinstance(payload, bytes) and _crc((epoch, source, cycle, topic, received_ms), payload) == crc:
                kept.append(KeptUntimed(record, cycle, topic, payload, from_milliseconds(received_ms)))
            else:
                _log.error("spool.record_damaged", untimed=record)
                self._connection.execute("UPDATE untimed SET epoch=? WHERE id=?", (_PUT_ASIDE, record))
        return kept, len(found) - len(kept)

    def delete(self, records: Sequence[int]) -> None:
        """Drop messages."""
        self._connection.executemany("DELETE FROM untimed WHERE id=?", ((record,) for record in records))

    def finish(self, epoch: int) -> bool:
        """Forget an outage without messages; false where it has some."""
        if self._connection.execute("SELECT 1 FROM untimed WHERE epoch=? LIMIT 1", (epoch,)).fetchone():
            return False
        self._connection.execute("DELETE FROM outage WHERE epoch=? AND NOT open", (epoch,))
        self._entered = None
        return True


def _outage(epoch: int, since_ms: int, until_ms: int, is_open: int) -> Outage:
    return Outage(epoch, from_milliseconds(since_ms), from_milliseconds(until_ms), bool(is_open))


def _crc(head: tuple[int, str, int, str, int], payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(repr(head).encode()))
