"""The tables of dead letters in the spool's SQLite file, and the way from an older file to them. No decisions here."""

import sqlite3

# ``letter`` holds originals. ``shown_as`` is the topic of the trouble that counts it; ``whole`` is 0 where a replay
# would not say what the message said. ``trouble`` counts equal ones; ``version`` rises with each change and ``copied``
# is the version the pages have. ``tally`` is what each login has kept (a line out of the
# spool counts for its inverter). ``letter_request`` is how far a replay has come.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS letter (
    id INTEGER PRIMARY KEY AUTOINCREMENT, login TEXT NOT NULL, inverter BLOB, topic TEXT NOT NULL, reason TEXT NOT NULL,
    detail TEXT NOT NULL, at_ms INTEGER NOT NULL, payload BLOB NOT NULL, form TEXT NOT NULL DEFAULT 'message',
    whole INTEGER NOT NULL DEFAULT 0, backlog INTEGER NOT NULL DEFAULT 0, shown_as TEXT NOT NULL DEFAULT '',
    crc INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS trouble (
    login TEXT NOT NULL, topic TEXT NOT NULL, reason TEXT NOT NULL, inverter BLOB, detail TEXT NOT NULL,
    payload BLOB NOT NULL, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, count INTEGER NOT NULL,
    copied INTEGER NOT NULL, size INTEGER NOT NULL DEFAULT 0, form TEXT NOT NULL DEFAULT 'message',
    response TEXT NOT NULL DEFAULT '', version INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (login, topic, reason)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tally (
    login TEXT PRIMARY KEY, letters INTEGER NOT NULL, bytes INTEGER NOT NULL, last_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS letter_request (
    id BLOB PRIMARY KEY, upto INTEGER NOT NULL, chosen INTEGER NOT NULL, again INTEGER NOT NULL,
    starts INTEGER NOT NULL) WITHOUT ROWID;
"""

_INDEXES = """
DROP INDEX IF EXISTS ix_letter;
CREATE INDEX IF NOT EXISTS ix_letter_trouble ON letter (login, reason, shown_as, whole);
CREATE INDEX IF NOT EXISTS ix_letter_at ON letter (at_ms);
"""

# What a file of the first version lacks. It cut originals at 4,096 bytes without saying so; shorter ones are whole.
_ADDED = {
    "letter": (
        "form TEXT NOT NULL DEFAULT 'message'",
        "whole INTEGER NOT NULL DEFAULT 0",
        "backlog INTEGER NOT NULL DEFAULT 0",
        "shown_as TEXT NOT NULL DEFAULT ''",
        "crc INTEGER NOT NULL DEFAULT 0",
    ),
    "trouble": (
        "size INTEGER NOT NULL DEFAULT 0",
        "form TEXT NOT NULL DEFAULT 'message'",
        "response TEXT NOT NULL DEFAULT ''",
        "version INTEGER NOT NULL DEFAULT 0",
    ),
}


def prepare(connection: sqlite3.Connection) -> bool:
    """Make the tables, or complete those of an older file; True where an older file was completed."""
    connection.executescript(_SCHEMA)
    older = False
    for table, columns in _ADDED.items():
        present = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        for column in columns:
            if column.split(" ", 1)[0] not in present:
                connection.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
                older = True
    connection.executescript(_INDEXES)
    if older:
        connection.executescript(
            "UPDATE letter SET shown_as = iif(EXISTS (SELECT 1 FROM trouble t WHERE t.login = letter.login"
            " AND t.topic = letter.topic AND t.reason = letter.reason), topic, '…');"
            "UPDATE letter SET form = 'line' WHERE reason = 'store_refused';"
            "UPDATE letter SET whole = 1 WHERE length(payload) < 4096;"
            "UPDATE trouble SET form = 'line' WHERE reason = 'store_refused';"
            "UPDATE trouble SET copied = 0, version = 1, size = length(payload);"
            "INSERT OR REPLACE INTO tally SELECT iif(login='', lower(hex(coalesce(inverter, x''))), login), count(*),"
            " sum(length(payload)), max(at_ms) FROM letter GROUP BY 1;"
        )
    return older
