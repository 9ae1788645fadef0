"""The spool as the bridge sees it: a thread of its own commits, one fsync for everything that waits at that moment."""

import asyncio
import queue
import shutil
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Self, TypeVar
from uuid import UUID

import structlog

from bridge.counters import Counters
from bridge.edges.spool_file import SpoolFile, is_damage
from bridge.kept import Entry, KeptLine, KeptRaw, SpoolUnavailable, Tally

_log = structlog.get_logger(__name__)

ResultT = TypeVar("ResultT")


@dataclass(slots=True)
class _Job(Generic[ResultT]):
    action: Callable[[SpoolFile], ResultT]
    future: "asyncio.Future[ResultT]"


class SqliteSpool:
    """A ``Spool`` on one SQLite file. Nothing is added while the disk has less than ``floor_bytes`` free."""

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int,
        counters: Counters,
        floor_bytes: int = 0,
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
        file: SpoolFile | None = None,
    ) -> None:
        """``file`` is the one of that path where it is open already."""
        self._loop = asyncio.get_running_loop()
        self._counters = counters
        self._folder = path.parent
        self._floor_bytes = floor_bytes
        self._free_bytes = free_bytes
        self._jobs: queue.SimpleQueue[_Job[object] | None] = queue.SimpleQueue()
        self._file = file or SpoolFile(path, max_bytes)
        self._damaged = False
        self._thread = threading.Thread(target=self._work, name="spool", daemon=True)
        self._thread.start()

    @classmethod
    async def opened(cls, path: Path, *, max_bytes: int, counters: Counters, floor_bytes: int) -> Self:
        """For a running loop: a damaged file, or an older one, may take minutes, and a bridge that gives no sign of
        life for ten seconds is killed by whoever stands by.
        """
        file = await asyncio.to_thread(SpoolFile, path, max_bytes)
        return cls(path, max_bytes=max_bytes, counters=counters, floor_bytes=floor_bytes, file=file)

    async def commit(self, entries: Sequence[Entry], forgotten: Sequence[int]) -> list[int]:
        """See ``Spool.commit``."""

        def action(file: SpoolFile) -> list[int]:
            if entries:
                self._mind_the_floor()
            # Forget first: in a full spool that is what makes room.
            file.delete(forgotten)
            return file.insert(entries)

        return await self.run(action)

    async def oldest_lines(self, inverter_id: UUID, *, lines: int, size: int) -> list[KeptLine]:
        """See ``Spool.oldest_lines``."""
        kept, damaged = await self.run(lambda file: file.oldest_lines(inverter_id, lines, size))
        self._counters.records_damaged += damaged
        return kept

    async def oldest_raws(self, limit: int) -> list[KeptRaw]:
        """See ``Spool.oldest_raws``."""
        kept, damaged = await self.run(lambda file: file.oldest_raws(limit))
        self._counters.records_damaged += damaged
        return kept

    async def holdings(self) -> dict[UUID, tuple[int, int]]:
        """See ``Spool.holdings``."""
        return await self.run(lambda file: file.holdings())

    async def backlog(self) -> dict[UUID, int]:
        """How many lines are kept for each inverter."""
        return {inverter_id: lines for inverter_id, (lines, _) in (await self.holdings()).items()}

    async def drop_lines(self, inverter_id: UUID, tally: Tally, limit: int) -> int:
        """See ``Spool.drop_lines``."""
        return await self.run(lambda file: file.drop_lines(inverter_id, tally, limit))

    async def run(self, action: Callable[[SpoolFile], ResultT]) -> ResultT:
        """Run ``action`` in the spool's thread and transaction; durable when this returns.

        Raises ``SpoolUnavailable``.
        """
        job: _Job[ResultT] = _Job(action, self._loop.create_future())
        self._jobs.put(job)  # type: ignore[arg-type]  # the queue holds jobs of any result
        return await job.future

    def close(self) -> None:
        """Finish what was asked for and close the file."""
        self._jobs.put(None)
        self._thread.join()

    def _mind_the_floor(self) -> None:
        """The file system's last bytes belong to the database and to what else runs here."""
        if self._floor_bytes and (free := self._free_bytes(self._folder)) < self._floor_bytes:
            raise SpoolUnavailable(f"{free} bytes are free on the disk, fewer than DISK_FLOOR_BYTES")

    def _work(self) -> None:
        """The thread: everything that waits, in one transaction."""
        while True:
            jobs, last = self._gathered()
            if jobs:
                outcomes = self._transaction(jobs)
                if outcomes is None:
                    # One of them failed: each by itself, so that it fails alone.
                    outcomes = [outcome for job in jobs for outcome in self._transaction([job], alone=True) or ()]
                self._loop.call_soon_threadsafe(_tell, list(zip(jobs, outcomes, strict=True)))
            if last:
                self._file.connection.close()
                return

    def _gathered(self) -> tuple[list[_Job[object]], bool]:
        jobs: list[_Job[object]] = []
        job = self._jobs.get()
        while job is not None:
            jobs.append(job)
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return jobs, False
        return jobs, True

    def _transaction(self, jobs: Sequence[_Job[object]], *, alone: bool = False) -> list[object] | None:
        """Results in order, or exceptions in their place; None where a job among several failed."""
        try:
            self._mend()
            connection = self._file.connection
            connection.execute("BEGIN IMMEDIATE")
            results = [job.action(self._file) for job in jobs]
            connection.execute("COMMIT")
        except Exception as fault:  # noqa: BLE001  # one turn of the thread: whoever asked hears of it, others go on
            self._roll_back()
            self._damaged = self._damaged or (isinstance(fault, sqlite3.DatabaseError) and is_damage(fault))
            if not alone and len(jobs) > 1:
                return None
            return [fault if isinstance(fault, SpoolUnavailable) else SpoolUnavailable(repr(fault))]
        return results

    def _mend(self) -> None:
        """What is broken now will be broken at the next try: go on with a new file and what can be read of this one."""
        if self._damaged:
            self._file.repair()
            self._damaged = False

    def _roll_back(self) -> None:
        self._file.rolled_back()
        try:
            if self._file.connection.in_transaction:
                self._file.connection.execute("ROLLBACK")
        except sqlite3.Error:
            # A disk that fails now; the next transaction says so to whoever waits for it.
            _log.exception("spool.not_rolled_back")


def _tell(outcomes: Sequence[tuple[_Job[object], object]]) -> None:
    """In the event loop: hand each result or exception to whoever waits."""
    for job, outcome in outcomes:
        if job.future.done():
            continue
        if isinstance(outcome, SpoolUnavailable):
            job.future.set_exception(outcome)
        else:
            job.future.set_result(outcome)
