"""The embedded store's file: its tables, made from the catalogue, and connections to it. No reading, no writing here.

``point`` is wide: a column for each quantity, an integer in units of 1/scale, NULL where the inverter said nothing.
``quantity`` keeps each column's scale as it was when the column was made: a later catalogue cannot change old rows.
``seen`` names the columns an inverter has ever filled, so that nobody searches a whole history for the others.
An inverter whose ``owner`` is empty was erased: only its key is left.
Source of the settings: SQLite documentation, "Write-Ahead Logging" and "PRAGMA synchronous" (in WAL only FULL syncs at
each commit; ``stack-measurements.md`` 9 counted it).
"""

import sqlite3
from pathlib import Path

from schema.quantities import CATALOGUE

Scales = dict[str, int]

_TABLES = (
    """CREATE TABLE IF NOT EXISTS inverter (
        id INTEGER PRIMARY KEY, inverter BLOB NOT NULL UNIQUE, owner BLOB NOT NULL) STRICT""",
    "CREATE TABLE IF NOT EXISTS quantity (name TEXT PRIMARY KEY, scale INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS point (
        inverter INTEGER NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (inverter, at_ms)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS seen (
        inverter INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY (inverter, name)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS extra_name (
        id INTEGER PRIMARY KEY, inverter INTEGER NOT NULL, name TEXT NOT NULL, UNIQUE (inverter, name)) STRICT""",
    """CREATE TABLE IF NOT EXISTS extra (
        name INTEGER NOT NULL, at_ms INTEGER NOT NULL, value REAL NOT NULL, PRIMARY KEY (name, at_ms)
        ) STRICT, WITHOUT ROWID""",
)


def open_for_writing(path: Path, *, busy_timeout_s: float, any_thread: bool = False) -> sqlite3.Connection:
    """A connection in autocommit whose commits are on the disk when they return. Raises ``sqlite3.Error``.

    With ``any_thread`` any thread may use it, one at a time.
    """
    connection = sqlite3.connect(
        path,
        timeout=busy_timeout_s,
        isolation_level=None,
        check_same_thread=not any_thread,
        cached_statements=512,
    )
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        _bring_up_to_date(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
    """A connection that cannot write and never makes the file; any thread may use it, one at a time.

    Raises ``sqlite3.Error``, also where there is no file: the writer makes it when it starts.
    """
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=5.0, check_same_thread=False)
    try:
        connection.execute("PRAGMA query_only=ON")
    except BaseException:
        connection.close()
        raise
    return connection


def scales(connection: sqlite3.Connection) -> Scales:
    """The columns this file has, each with the number its values were multiplied by."""
    return dict(connection.execute("SELECT name, scale FROM quantity"))


def _bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Make the tables, and a column for each quantity the catalogue has gained since the file was made."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in _TABLES:
            connection.execute(statement)
        known = scales(connection)
        for quantity in CATALOGUE.values():
            if quantity.name not in known:
                connection.execute(f'ALTER TABLE point ADD COLUMN "{quantity.name}" INTEGER')
                connection.execute("INSERT INTO quantity VALUES (?, ?)", (quantity.name, quantity.scale))
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
