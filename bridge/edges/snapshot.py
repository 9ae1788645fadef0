"""The last registry beside the spool, tokens sealed, from which a bridge starts while the database is away.

A SQLite file of records with a checksum each, so that one changed login is one small write. Losing it loses nothing.
"""

import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from uuid import UUID
from zlib import crc32

import structlog

_log = structlog.get_logger(__name__)

# Raised whenever records change their form: an older file counts as none.
_FORMAT = 4
_TABLES = """
    DROP TABLE IF EXISTS login; DROP TABLE IF EXISTS state;
    CREATE TABLE login (name TEXT PRIMARY KEY, crc INTEGER NOT NULL, record BLOB NOT NULL);
    CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL, mark TEXT NOT NULL);
"""
_PUT = """
    INSERT INTO login VALUES (?, ?, ?)
    ON CONFLICT (name) DO UPDATE SET crc = excluded.crc, record = excluded.record WHERE record != excluded.record
"""


class State(NamedTuple):
    """Up to which version of the registry the file has everything; below 0 where that is not known."""

    version: int = -1
    mark: UUID | None = None


_UNKNOWN = State()


class SnapshotFile:
    """Every method does I/O on the disk: call them in a thread."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def save(self, changed: Mapping[str, bytes], gone: Collection[str] = (), state: State = _UNKNOWN) -> bool:
        """Keep these logins, drop those: then the file has all of ``state``. One transaction; a failure is logged, for
        the bridge runs without it.
        """
        try:
            with closing(self._open()) as file, file:
                file.executemany(_PUT, ((name, crc32(record), record) for name, record in changed.items()))
                file.executemany("DELETE FROM login WHERE name = ?", ((name,) for name in gone))
                file.execute("INSERT OR REPLACE INTO state VALUES (1, ?, ?)", (state.version, str(state.mark or "")))
        except (sqlite3.Error, OSError) as fault:
            _log.warning("snapshot.not_saved", detail=str(fault))
            return False
        return True

    def load(self) -> tuple[dict[str, bytes], State]:
        """The logins of the last snapshot; none where there is no readable one, and without those that are damaged:
        then its state is not known.
        """
        try:
            with closing(self._open()) as file:
                version, mark = file.execute("SELECT version, mark FROM state").fetchone() or (-1, "")
                damaged: list[str] = []
                sound = dict(self._sound(file, damaged))
                with file:
                    file.executemany("DELETE FROM login WHERE name = ?", ((name,) for name in damaged))
                return sound, _UNKNOWN if damaged else State(version, UUID(mark) if mark else None)
        except (sqlite3.Error, OSError, ValueError) as fault:
            _log.warning("snapshot.unreadable", detail=str(fault))
            return {}, _UNKNOWN

    @staticmethod
    def _sound(file: sqlite3.Connection, damaged: list[str]) -> Iterator[tuple[str, bytes]]:
        for name, crc, record in file.execute("SELECT name, crc, record FROM login"):
            if isinstance(record, bytes) and crc32(record) == crc:
                yield name, record
            else:
                _log.warning("snapshot.damaged", login=str(name)[:10])
                damaged.append(name)

    def _open(self) -> sqlite3.Connection:
        """The file, made anew where it is of another form or no database at all."""
        self._path.touch(mode=0o600)
        try:
            return self._opened()
        except sqlite3.DatabaseError as fault:
            if isinstance(fault, sqlite3.OperationalError):
                raise
            _log.warning("snapshot.unreadable", detail=str(fault))
            self._path.unlink()
            self._path.touch(mode=0o600)
            return self._opened()

    def _opened(self) -> sqlite3.Connection:
        file = sqlite3.connect(self._path)
        try:
            file.execute("PRAGMA synchronous = NORMAL")
            if file.execute("PRAGMA user_version").fetchone()[0] != _FORMAT:
                file.executescript(f"{_TABLES} PRAGMA user_version = {_FORMAT}")
        except BaseException:
            file.close()
            raise
        return file
