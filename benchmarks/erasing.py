"""How long erasing an inverter takes in the embedded store, and how long the bridge's commits take meanwhile.

A child process erases, as the provisioner does, from the file that this process's writer goes on writing to; the same
writes before it are the comparison.
"""

import argparse
import asyncio
import sqlite3
import statistics
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import structlog

from schema.quantities import CATALOGUE
from schema.readings import Reading
from schema.timeseries.kinds import StoreKind
from schema.timeseries.line_protocol import encode
from schema.timeseries.port import Destination, PointWriter
from schema.timeseries.stores import open_eraser, open_writer

_FILLED = tuple(CATALOGUE)[:16]
_WRITES_PER_S = 20


def _line(number: int) -> bytes:
    """A reading with 16 quantities, ten seconds after the one before."""
    at = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=10 * number)
    return encode(Reading(at=at, values=dict.fromkeys(_FILLED, float(number % 5_000)), extra={}), serial="2711111111")


def _fill(path: Path, inverter_id: UUID, rows: int) -> None:
    """So many rows of an inverter that has written through the front door once, made in one statement."""
    columns = ", ".join(f'"{name}"' for name in _FILLED)
    values = ", ".join("(n * 7 + 13) % 60000" for _ in _FILLED)
    with closing(sqlite3.connect(path)) as connection, connection:
        (key,) = connection.execute("SELECT id FROM inverter WHERE inverter = ?", (inverter_id.bytes,)).fetchone()
        connection.execute(
            f"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < ?) "
            f"INSERT OR IGNORE INTO point (inverter, at_ms, {columns}) "
            f"SELECT ?, 1735689600000 + n * 10000, {values} FROM c",
            (rows, key),
        )


async def _writing(writer: PointWriter, destination: Destination, waits: list[float]) -> None:
    """Like a bridge with so many readings a second, until cancelled; how long each waits for its commit, in seconds."""
    number, due = 10**7, time.perf_counter()
    while True:
        began = time.perf_counter()
        await writer.write(destination, [_line(number)])
        waits.append(time.perf_counter() - began)
        number += 1
        due += 1 / _WRITES_PER_S
        await asyncio.sleep(max(0.0, due - time.perf_counter()))


async def _erased_by_a_child(path: Path, inverter_id: UUID) -> str:
    command = [sys.executable, "-m", "benchmarks.erasing", "--erase", str(path), str(inverter_id)]
    child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    said, _ = await child.communicate()
    return said.decode().strip()


def _figures(waits: list[float]) -> str:
    ordered = sorted(waits)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"p50 {statistics.median(ordered) * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms, longest {ordered[-1] * 1e3:.0f} ms"


async def _measure(folder: Path, rows: int, alone_s: float) -> None:
    path, owner_id = folder / "readings.db", uuid4()
    doomed, neighbour = Destination(uuid4(), owner_id), Destination(uuid4(), owner_id)
    writer = open_writer(StoreKind.EMBEDDED, path=path)
    for destination in (doomed, neighbour):
        await writer.write(destination, [_line(0)])
    _fill(path, doomed.inverter_id, rows)
    size_mb = path.stat().st_size / 1e6
    alone: list[float] = []
    meanwhile: list[float] = []
    for waits in (alone, meanwhile):
        task = asyncio.create_task(_writing(writer, neighbour, waits))
        if waits is alone:
            await asyncio.sleep(alone_s)
        else:
            print(f"{await _erased_by_a_child(path, doomed.inverter_id)}, file {size_mb:,.0f} MB", flush=True)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await writer.close()
    print(f"commits of the writer, alone:     {_figures(alone)}")
    print(f"commits of the writer, meanwhile: {_figures(meanwhile)}")


async def _erase(path: Path, inverter_id: UUID) -> None:
    began = time.perf_counter()
    rows = await open_eraser(path).erase(inverter_id)
    print(f"{rows:,} rows erased in {time.perf_counter() - began:.1f} s")


def main() -> None:
    """Prints how long erasing took, and the waits beside it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.erasing")
    parser.add_argument("--rows", type=int, default=3_153_600, help="a year of a reading every ten seconds")
    parser.add_argument("--alone-s", type=float, default=20.0, help="how long the writer is measured by itself")
    parser.add_argument("--erase", nargs=2, metavar=("FILE", "INVERTER"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    if chosen.erase:
        asyncio.run(_erase(Path(chosen.erase[0]), UUID(chosen.erase[1])))
        return
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(_measure(Path(name), chosen.rows, chosen.alone_s))


if __name__ == "__main__":
    main()
