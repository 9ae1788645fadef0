"""How many lines a second go into the spool while the store is away, and how many come out again.

The bridge's own way (lines → writer → keeper → SQLite, acknowledged after the fsync) beside plain SQLite with the same
bytes in the same number of rows per transaction. Nothing is decoded and nothing comes over a network.
"""

import argparse
import asyncio
import resource
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from bridge.batch import Parcel
from bridge.clock import Clock
from bridge.counters import Counters
from bridge.edges.spool import SqliteSpool
from bridge.keeper import Keeper
from bridge.lanes import Limits
from bridge.writer import Writer
from schema.timeseries.port import Destination, StoreUnavailable
from tests.fakes import FakeLive, FakeRegistry, FakeSession, route

LINE = (
    b"reading,serial=2711111111 " + b",".join(b"q%d=%d.5" % (one, one * 100) for one in range(15)) + b" 1760000000000"
)
_LARGE = 10**11


class _Session(FakeSession):
    """Wakes whoever waits for acknowledgements: a loop that asks again and again would hold the spool's thread up."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = asyncio.Event()

    def settle(self, tokens: Sequence[int]) -> int:
        """Acknowledge."""
        self.heard.set()
        return super().settle(tokens)


class _Store:
    """Away until told otherwise; then it takes ``write_s`` for a request, whatever its size."""

    durable = True

    def __init__(self, write_s: float) -> None:
        self.away = True
        self.lines = 0
        self.requests = 0
        self.fresh_waits_s: list[float] = []
        self._write_s = write_s

    async def write(self, _: Destination, lines: Sequence[bytes]) -> None:
        """Take them, or not."""
        if self.away:
            raise StoreUnavailable("away", answered=False)
        await asyncio.sleep(self._write_s)
        self.requests += 1
        self.lines += len(lines)

    async def close(self) -> None:
        """Nothing to close."""


class _Bench:
    """A bridge from the writer on, with a real spool."""

    def __init__(self, folder: Path, inverters: int, write_s: float) -> None:
        self.routes = [route(f"L{number:09d}") for number in range(inverters)]
        self.session, self.store, counters, clock = _Session(), _Store(write_s), Counters(), Clock()
        self.counters = counters
        self._folder = folder
        registry = FakeRegistry(*self.routes)
        self.spool = SqliteSpool(folder / "spool.db", max_bytes=_LARGE, counters=counters)
        self.keeper = Keeper(self.spool, self.session, counters, clock)
        self.writer = Writer(
            store=self.store,
            registry=registry,
            keeper=self.keeper,
            spool=self.spool,
            live=FakeLive(),
            counters=counters,
            clock=clock,
            limits=Limits(hold_s=2.0, probe_s=0.5, workers=64, share_bytes=_LARGE),
        )

    def size_mb(self) -> float:
        """The spool's file and its log."""
        return sum(file.stat().st_size for file in self._folder.glob("spool.db*")) / 1e6

    def parcels(self, first: int, count: int) -> list[Parcel]:
        """Lines of the inverters in turn, each with a message that waits for its acknowledgement."""
        made = []
        for number in range(first, first + count):
            place = self.routes[number % len(self.routes)]
            token = self.session.window.admit(0)
            assert token is not None
            topic = f"deye/{place.login}/reading"
            since = time.monotonic()
            made.append(
                Parcel(
                    inverter_id=place.inverter_id,
                    line=LINE,
                    tokens=[token],
                    login=place.login,
                    topic=topic,
                    since=since,
                )
            )
        return made

    async def settled(self, count: int, window: int) -> None:
        """Wait until no more than ``window`` of ``count`` messages are unsettled."""
        while count - self.session.window.settled > window:
            self.session.heard.clear()
            await self.session.heard.wait()


async def _into(bench: _Bench, lines: int, window: int, batch: int) -> tuple[float, float]:
    """Seconds of wall clock and of the processor until so many lines were acknowledged."""
    wall_s = cpu_s = 0.0
    for first in range(0, lines, batch):
        parcels = bench.parcels(first, batch)
        began, cpu = time.perf_counter(), time.process_time()
        bench.writer.add(parcels)
        await bench.settled(first + batch, window)
        wall_s += time.perf_counter() - began
        cpu_s += time.process_time() - cpu
    began = time.perf_counter()
    await bench.settled(lines, 0)
    return wall_s + time.perf_counter() - began, cpu_s


async def _until(done: Callable[[], bool], every_s: float) -> None:
    while not done():  # noqa: ASYNC110  # what is waited for are plain counts
        await asyncio.sleep(every_s)


async def _out(bench: _Bench, lines: int) -> float:
    bench.store.away = False
    began = time.perf_counter()
    await _until(lambda: bench.store.lines >= lines, 0.01)
    return time.perf_counter() - began


async def _live_while_draining(bench: _Bench, lines: int, rate: int) -> list[float]:
    """While the spool is drained, so many fresh lines a second: how long each takes to its acknowledgement."""
    bench.store.away = False
    waits: list[float] = []
    number, began = 10**7, time.perf_counter()
    sent = 0
    while bench.counters.lines_replayed < lines:
        due = int((time.perf_counter() - began) * rate)
        for _ in range(sent, due):
            (parcel,) = bench.parcels(number, 1)
            number += 1
            bench.writer.add([parcel])
            waiting = asyncio.create_task(_ended(bench, parcel.tokens[0], time.perf_counter(), waits))
            waiting.add_done_callback(lambda task: task.result())
        sent = due
        await asyncio.sleep(0.002)
    return waits


async def _ended(bench: _Bench, token: int, since: float, waits: list[float]) -> None:
    await _until(lambda: not bench.session.alive(token), 0.001)
    waits.append(time.perf_counter() - since)


def _memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _plain(folder: Path, lines: int, batch: int) -> float:
    """The same bytes by ``executemany``, so many rows in each transaction, ``synchronous=FULL``."""
    connection = sqlite3.connect(folder / "plain.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE record (id INTEGER PRIMARY KEY, body BLOB)")
    began = time.perf_counter()
    for first in range(0, lines, batch):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO record VALUES (?,?)", [(first + one, LINE) for one in range(batch)])
        connection.execute("COMMIT")
    took = time.perf_counter() - began
    connection.close()
    return took


async def _measure(folder: Path, lines: int, inverters: int, window: int) -> None:
    batch = window // 2
    plain_s = _plain(folder, lines, batch)
    bench = _Bench(folder, inverters, write_s=0.002)
    await bench.writer.start()
    loops = [bench.writer.work(), bench.writer.sweep(), bench.keeper.run()]
    tasks = [asyncio.create_task(loop) for loop in loops]
    wall_s, cpu_s = await _into(bench, lines, window, batch)
    print(
        f"into the spool, {inverters:5,} inverters, window {window:6,}: {lines / wall_s:9,.0f} lines/s"
        f"  {cpu_s / lines * 1e6:5.1f} us CPU   plain SQLite, as many rows at once: {lines / plain_s:9,.0f} rows/s",
        flush=True,
    )
    size_mb, memory_mb = bench.size_mb(), _memory_mb()
    print(f"  {size_mb:,.0f} MB on the disk, {memory_mb:,.0f} MB of memory at most so far")
    waits = await _live_while_draining(bench, lines // 2, rate=500)
    out_s = await _out(bench, lines)
    requests = bench.store.requests
    if waits:
        p99 = statistics.quantiles(waits, n=100)[98] if len(waits) > 100 else max(waits)
        print(f"  fresh lines at 500/s meanwhile: p50 {statistics.median(waits) * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms")
    print(f"  out again: the second half in {out_s:.1f} s = {lines / 2 / out_s:9,.0f} lines/s, {requests:,} requests")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    bench.spool.close()


def main() -> None:
    """Prints what went in and out."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.spool")
    parser.add_argument("--lines", type=int, default=200_000)
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    # More than a million lines are an hour of a fleet's outage: one shape says enough.
    shapes = ((1_000, 1_000), (1_000, 10_000), (1, 1_000)) if chosen.lines < 10**6 else ((1_000, 1_000),)
    for inverters, window in shapes:
        with tempfile.TemporaryDirectory() as name:
            asyncio.run(_measure(Path(name), chosen.lines, inverters, window))


if __name__ == "__main__":
    main()
