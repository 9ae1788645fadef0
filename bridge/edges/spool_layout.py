"""The tables of kept lines and messages, how a record is numbered, and what brings an older file into this form.

A record's number is its lane's number and its own place in the order of all records, in one integer. So the records of
one inverter lie together in the file and are read and dropped together, and no other index is needed: with one row
after the other and an index by inverter the replay was four times slower (docs/decisions.md, Spool).
"""

import sqlite3
from functools import lru_cache
from uuid import UUID
from zlib import crc32

LANE_BITS, PLACE_BITS = 21, 41
# Messages kept as they came have no inverter; their records stand in this lane.
RAW_LANE = 0
_MOST_LANES = 1 << LANE_BITS

_SCHEMA = """
CREATE TABLE IF NOT EXISTS lane (
    number INTEGER PRIMARY KEY, inverter BLOB NOT NULL UNIQUE, records INTEGER NOT NULL, bytes INTEGER NOT NULL,
    first_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS record (
    id INTEGER PRIMARY KEY, version INTEGER NOT NULL, received_ms INTEGER NOT NULL, topic TEXT NOT NULL,
    body BLOB NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS damaged (
    id INTEGER NOT NULL, version, received_ms, topic, body, crc);
CREATE TABLE IF NOT EXISTS place (one INTEGER PRIMARY KEY CHECK (one = 1), next INTEGER NOT NULL);
INSERT OR IGNORE INTO place VALUES (1, 1);
INSERT OR IGNORE INTO lane VALUES (0, x'', 0, 0, 0);
"""


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables where they are missing; take over what a file of the first form holds."""
    columns = [name for _, name, *_ in connection.execute("PRAGMA table_info(record)")]
    if "kind" not in columns:
        connection.executescript(_SCHEMA)
        return
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("ALTER TABLE record RENAME TO record_of_the_first_form")
    for statement in _SCHEMA.split(";"):
        connection.execute(statement)
    _take_over(connection)
    connection.execute("DROP TABLE record_of_the_first_form")
    connection.execute("COMMIT")


def _take_over(connection: sqlite3.Connection) -> None:
    """Line by line, in order. What was damaged then is damaged now; the rest gets the check sum of this form."""
    place = 1
    found = connection.execute(
        "SELECT id, kind, inverter, topic, version, received_ms, body, crc FROM record_of_the_first_form ORDER BY id"
    )
    for number, kind, inverter, topic, version, received_ms, body, crc in found:
        head = b"%d|%b|%b|%d|%d|" % (kind, inverter, topic.encode(), version, received_ms)
        if kind not in (0, 1) or crc32(body, crc32(head)) != crc:
            damaged = (number, version, received_ms, topic, body, crc)
            connection.execute("INSERT INTO damaged VALUES (?,?,?,?,?,?)", damaged)
            continue
        lane = lane_of(connection, inverter)
        row = (version, received_ms, topic, body, check_sum(inverter, version, received_ms, topic, body))
        connection.execute("INSERT INTO record VALUES (?,?,?,?,?,?)", (first_of(lane) | place, *row))
        grew = (len(body), received_ms, lane)
        connection.execute(
            "UPDATE lane SET first_ms=iif(records=0, ?2, first_ms), records=records+1, bytes=bytes+?1 WHERE number=?3",
            grew,
        )
        place += 1
    connection.execute("UPDATE place SET next=?", (place,))


def lane_of(connection: sqlite3.Connection, inverter: bytes) -> int:
    """The number of an inverter's lane, made where it has none. ``sqlite3.OperationalError`` when all are used."""
    known = connection.execute("SELECT number FROM lane WHERE inverter=?", (inverter,)).fetchone()
    if known:
        return int(known[0])
    number = connection.execute("INSERT INTO lane VALUES (NULL, ?, 0, 0, 0)", (inverter,)).lastrowid or 0
    if number >= _MOST_LANES:
        raise sqlite3.OperationalError("the spool has no number left for another inverter")
    return number


def first_of(lane: int) -> int:
    """Where a lane's records begin; they end before ``first_of(lane + 1)``."""
    return lane << PLACE_BITS


def lane_in(record: int) -> int:
    """The lane of a record."""
    return record >> PLACE_BITS


def check_sum(inverter: bytes, version: int, received_ms: int, topic: str, body: bytes) -> int:
    """Over all that matters, so that a flipped bit is noticed wherever it lies."""
    return crc32(body, crc32(topic.encode(), crc32(inverter, _seed(version, received_ms))))


@lru_cache(maxsize=256)
def _seed(version: int, received_ms: int) -> int:
    """Lines that are kept together have these in common."""
    return crc32(b"%d|%d|" % (version, received_ms))


def inverter_of(name: bytes) -> UUID:
    """The inverter a lane belongs to."""
    return UUID(bytes=name)
