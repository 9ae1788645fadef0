"""Erases one inverter from the embedded store while the bridge goes on writing into the same file.

SQLite has one writer at a time, so this one takes small bites and rests after each: nobody waits for it longer than for
a commit of his own. What is erased is overwritten (``secure_delete``), not only forgotten. A row without an owner stays
in ``inverter``: its key is never given again, and a late write for it is refused (``keys.Keys``).
"""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from uuid import UUID

from schema.timeseries.embedded.keys import ERASED
from schema.timeseries.embedded.tables import open_for_writing
from schema.timeseries.port import StoreUnavailable

ROWS_AT_ONCE = 1_000
SHORTEST_REST_S = 0.01
_BUSY_TIMEOUT_S = 5.0
# The bridge goes first: what cannot be tidied up without waiting for it is tidied up another time.
_TIDY_TIMEOUT_MS = 200


class EmbeddedEraser:
    """A ``ReadingsEraser`` on one SQLite file."""

    def __init__(self, path: Path, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Erase from ``path``, which the bridge makes; opened for each inverter."""
        self._path = path
        self._sleep = sleep

    async def erase(self, inverter_id: UUID) -> int:
        """How many rows were erased; done again after a crash it goes on. Raises ``StoreUnavailable``."""
        try:
            with closing(await asyncio.to_thread(self._opened)) as connection:
                return await self._erase(connection, inverter_id)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{type(error).__name__}: {error}") from error

    async def _erase(self, connection: sqlite3.Connection, inverter_id: UUID) -> int:
        inverter = await self._bite(lambda: _disown(connection, inverter_id))
        rows = await self._gone(lambda: _bite_of(connection, "point", "inverter", inverter))
        for (name,) in connection.execute("SELECT id FROM extra_name WHERE inverter = ?", (inverter,)).fetchall():
            rows += await self._gone(lambda name=name: _bite_of(connection, "extra", "name", name))  # type: ignore[misc]  # bound now, called now
        await self._bite(lambda: _forget_names(connection, inverter))
        await asyncio.to_thread(_tidy, connection)
        return rows

    async def _gone(self, bite: Callable[[], int]) -> int:
        """Bite until nothing is left; how many rows there were."""
        rows = 0
        while bitten := await self._bite(bite):
            rows += bitten
        return rows

    async def _bite(self, bite: Callable[[], int]) -> int:
        """One transaction in a thread, then a rest as long as it took."""
        began = time.monotonic()
        done = await asyncio.to_thread(bite)
        await self._sleep(max(SHORTEST_REST_S, time.monotonic() - began))
        return done

    def _opened(self) -> sqlite3.Connection:
        if not self._path.exists():
            raise StoreUnavailable(f"{self._path.name} is not there: the bridge has not run on this data folder")
        connection = open_for_writing(self._path, busy_timeout_s=_BUSY_TIMEOUT_S, any_thread=True)
        connection.execute("PRAGMA secure_delete=ON")
        return connection


def _disown(connection: sqlite3.Connection, inverter_id: UUID) -> int:
    """From now on nobody finds it and nobody writes to it, also where it has never written; its key."""
    claim = (
        "INSERT INTO inverter (inverter, owner) VALUES (?, ?) "
        "ON CONFLICT (inverter) DO UPDATE SET owner = excluded.owner RETURNING id"
    )
    ((key,),) = connection.execute(claim, (inverter_id.bytes, ERASED)).fetchall()
    return int(key)


def _bite_of(connection: sqlite3.Connection, table: str, column: str, key: int) -> int:
    """The oldest rows of a series: they lie together, so whole pages become free."""
    next_one = connection.execute(
        f"SELECT at_ms FROM {table} WHERE {column} = ? ORDER BY at_ms LIMIT 1 OFFSET {ROWS_AT_ONCE}", (key,)
    ).fetchone()
    upto, bound = (" AND at_ms < ?", (key, next_one[0])) if next_one else ("", (key,))
    return connection.execute(f"DELETE FROM {table} WHERE {column} = ?{upto}", bound).rowcount


def _forget_names(connection: sqlite3.Connection, inverter: int) -> int:
    connection.execute("BEGIN IMMEDIATE")
    names = connection.execute("DELETE FROM extra_name WHERE inverter = ?", (inverter,)).rowcount
    columns = connection.execute("DELETE FROM seen WHERE inverter = ?", (inverter,)).rowcount
    connection.execute("COMMIT")
    return names + columns


def _tidy(connection: sqlite3.Connection) -> None:
    """The log still holds pages as they were: bring it into the file and cut it, unless somebody needs it just now."""
    connection.execute(f"PRAGMA busy_timeout={_TIDY_TIMEOUT_MS}")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
