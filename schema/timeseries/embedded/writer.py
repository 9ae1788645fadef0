"""The embedded store's writer: one thread owns the file and commits everything that waits in one transaction.

A write returns after the commit that holds it, with ``synchronous=FULL``: so one fsync serves all writes under way, and
a returned write survives a power cut. Any fault of the file closes the connection; the next turn opens a new one.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from schema.timeseries.embedded.keys import Keys
from schema.timeseries.embedded.rows import Point, Rows, points, upsert
from schema.timeseries.embedded.tables import Scales, open_for_writing, scales
from schema.timeseries.port import Destination, StoreError, StoreUnavailable

_LOG = structlog.get_logger(__name__)

# More would hold the first writer's answer back for longer than another commit costs.
_LINES_PER_COMMIT = 10_000


@dataclass(frozen=True, slots=True)
class _Request:
    destination: Destination
    lines: Sequence[bytes]
    answer: asyncio.Future[None]


@dataclass(slots=True)
class _File:
    """``version`` is SQLite's: another one means that somebody else has written, and ``keys`` may be wrong by now."""

    connection: sqlite3.Connection
    scales: Scales
    keys: Keys
    version: int


class EmbeddedWriter:
    """A ``PointWriter`` on one SQLite file. Use it from one event loop, and one writer per file."""

    durable = True

    def __init__(self, path: Path, *, busy_timeout_s: float = 5.0) -> None:
        """Start the thread; it makes or upgrades the file at ``path`` now, at the next write again if that failed."""
        self._path = path
        self._busy_timeout_s = busy_timeout_s
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._closed = False
        self._file: _File | None = None
        self._dropped_extras = 0
        self._failed_turns = 0
        self._thread = threading.Thread(target=self._run, name="embedded-writer", daemon=True)
        self._thread.start()

    @property
    def dropped_extras(self) -> int:
        """Values whose name was one more than ``MAX_EXTRA_PER_INVERTER`` for their inverter, since the start."""
        return self._dropped_extras

    @property
    def failed_turns(self) -> int:
        """Turns of the thread that ended in a fault nobody foresaw; each is in the log."""
        return self._failed_turns

    async def write(self, destination: Destination, lines: Sequence[bytes]) -> None:
        """Store all lines of one inverter durably, or none and raise a ``StoreError``."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests.put(_Request(destination, lines, answer))
        await answer

    async def close(self) -> None:
        """Commit what was asked for before, then let go of the file."""
        if not self._closed:
            self._closed = True
            self._requests.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        try:
            self._opened()
        except sqlite3.Error as error:
            _LOG.warning("embedded_store_unavailable", path=str(self._path), error=str(error))
        more = True
        while more:
            requests, more = self._waiting()
            if requests:
                self._turn(requests)
        self._let_go()

    def _waiting(self) -> tuple[list[_Request], bool]:
        """At least one request, and all that wait behind it up to the limit; false at the end."""
        requests: list[_Request] = []
        lines = 0
        request = self._requests.get()
        while request is not None:
            requests.append(request)
            lines += len(request.lines)
            if lines >= _LINES_PER_COMMIT:
                return requests, True
            try:
                request = self._requests.get_nowait()
            except queue.Empty:
                return requests, True
        return requests, False

    def _turn(self, requests: list[_Request]) -> None:
        try:
            outcomes = self._committed(requests)
        except sqlite3.Error as error:
            self._let_go()
            outcomes = [StoreUnavailable(f"{type(error).__name__}: {error}", answered=False) for _ in requests]
        except Exception as error:  # noqa: BLE001  # one turn of the loop: a dead thread leaves every later write hanging
            self._let_go()
            self._failed_turns += 1
            _LOG.exception("embedded_store_turn_failed", requests=len(requests))
            outcomes = [StoreUnavailable(type(error).__name__, answered=False) for _ in requests]
        _answer(requests, outcomes)

    def _committed(self, requests: list[_Request]) -> list[StoreError | None]:
        """One outcome for each request, all that were taken committed. Raises ``sqlite3.Error``: nothing was."""
        file = self._opened()
        rows = Rows()
        outcomes: list[StoreError | None] = []
        file.connection.execute("BEGIN IMMEDIATE")
        if file.version != (version := _version(file.connection)):
            # An inverter was erased beside us (``eraser``): nothing may be written to its keys.
            file.version, file.keys = version, Keys(file.connection)
        for request in requests:
            try:
                taken = points(request.lines, file.scales)
                self._add(rows, file.keys, request.destination, taken)
            except StoreError as refusal:
                outcomes.append(refusal)
            else:
                outcomes.append(None)
        for columns, group in rows.by_columns().items():
            file.connection.executemany(upsert(columns), group)
        file.connection.executemany(
            "INSERT OR REPLACE INTO extra (name, at_ms, value) VALUES (?, ?, ?)",
            [(*instant, value) for instant, value in rows.extras.items()],
        )
        file.connection.execute("COMMIT")
        return outcomes

    def _add(self, rows: Rows, keys: Keys, destination: Destination, taken: Iterable[Point]) -> None:
        inverter = keys.inverter(destination)
        for point in taken:
            if point.columns:
                keys.see(inverter, point.columns.keys())
                rows.points.setdefault((inverter, point.at_ms), {}).update(point.columns)
            for name, value in point.extras.items():
                key = keys.extra_name(inverter, name)
                if key is None:
                    self._dropped_extras += 1
                else:
                    rows.extras[key, point.at_ms] = value

    def _opened(self) -> _File:
        if self._file is None:
            connection = open_for_writing(self._path, busy_timeout_s=self._busy_timeout_s)
            self._file = _File(connection, scales(connection), Keys(connection), _version(connection))
        return self._file

    def _let_go(self) -> None:
        """Close the file; an open transaction is rolled back and the keys it made are forgotten."""
        if self._file is not None:
            self._file.connection.close()
            self._file = None


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA data_version").fetchone()[0])


def _answer(requests: list[_Request], outcomes: Sequence[StoreError | None]) -> None:
    """Hand the outcomes to the event loop in one call, which costs less than waking it for each."""
    loop = requests[0].answer.get_loop()
    try:
        loop.call_soon_threadsafe(_settle, requests, outcomes)
    except RuntimeError:
        # The loop was closed while we committed: nobody waits for these answers any more.
        _LOG.warning("embedded_store_unheard", requests=len(requests))


def _settle(requests: list[_Request], outcomes: Sequence[StoreError | None]) -> None:
    for request, outcome in zip(requests, outcomes, strict=True):
        if request.answer.done():  # the caller was cancelled and listens no more
            continue
        if outcome is None:
            request.answer.set_result(None)
        else:
            request.answer.set_exception(outcome)
