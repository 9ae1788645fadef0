"""The embedded store's reader: each question in a thread, on a connection of its own that cannot write."""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from schema.timeseries.embedded.questions import counter_days, latest, windows
from schema.timeseries.embedded.tables import open_for_reading
from schema.timeseries.line_protocol import check_fields
from schema.timeseries.port import CounterDay, Sample, Source, StoreUnavailable, Window

_Answer = TypeVar("_Answer")


class _Running:
    """The connection that a thread is asking at the moment, so that who waits for the answer can stop it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._given_up = False

    @contextmanager
    def on(self, connection: sqlite3.Connection) -> Iterator[None]:
        """One question. Raises ``sqlite3.OperationalError`` where it would begin and nobody waits for it."""
        with self._lock:
            if self._given_up:
                raise sqlite3.OperationalError("interrupted")
            self._connection = connection
        try:
            yield
        finally:
            with self._lock:
                self._connection = None

    def give_up(self) -> None:
        """End what is being asked; a connection that somebody else may have by now is left alone."""
        with self._lock:
            self._given_up = True
            if self._connection is not None:
                self._connection.interrupt()


class EmbeddedReader:
    """A ``SeriesReader`` on one SQLite file; the bridge's process may be writing to it."""

    def __init__(self, path: Path) -> None:
        """Read from ``path``, opened at the first question."""
        self._path = path
        self._idle: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._closed = False

    async def latest(self, source: Source, since: datetime) -> dict[str, Sample]:
        """The newest sample of every quantity at or after ``since``."""
        return await self._ask(lambda connection: latest(connection, source, since))

    async def windows(
        self, source: Source, quantities: Sequence[str], start: datetime, end: datetime, every_s: int
    ) -> list[Window]:
        """Means per window aligned to the epoch."""
        check_fields(quantities)
        return await self._ask(
            lambda connection: windows(connection, source, quantities, start=start, end=end, every_s=every_s)
        )

    async def counter_days(
        self, source: Source, quantity: str, ranges: Sequence[tuple[datetime, datetime]]
    ) -> list[CounterDay]:
        """What a counter showed in each range."""
        check_fields([quantity])
        return await self._ask(lambda connection: counter_days(connection, source, quantity, ranges))

    async def close(self) -> None:
        """Close idle connections; one that is answering closes when it has."""
        self._closed = True
        self._drain()

    async def _ask(self, question: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        running = _Running()
        try:
            return await asyncio.to_thread(self._answered, question, running)
        except asyncio.CancelledError:
            # Nobody waits any more: without this the thread would go on, and soon all threads of the process would.
            running.give_up()
            raise

    def _answered(self, question: Callable[[sqlite3.Connection], _Answer], running: _Running) -> _Answer:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        try:
            connection = self._connection()
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{self._path.name}: {error}") from error
        try:
            with running.on(connection):
                answer = question(connection)
        except sqlite3.Error as error:
            connection.close()
            raise StoreUnavailable(f"{type(error).__name__}: {error}") from error
        except BaseException:
            connection.close()
            raise
        self._idle.put(connection)
        if self._closed:
            self._drain()
        return answer

    def _connection(self) -> sqlite3.Connection:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            return open_for_reading(self._path)

    def _drain(self) -> None:
        with suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()
