"""An outage without times: how fast what waited in the broker is taken, spread and stored, and the memory that takes.

``python -m benchmarks.backlog``: cycles of 40 scalars from many inverters wait in a real Mosquitto, no bridge runs;
a bridge that was last alive an hour ago takes them.
"""

import argparse
import asyncio
import os
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.bridge import fleet, ready, until
from benchmarks.fleet import Device, environment
from benchmarks.mqtt_load import Publishers
from benchmarks.processes import cores, start
from benchmarks.sinks import EmbeddedStore


def _count(file: Path, sql: str) -> int:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        return int(connection.execute(sql).fetchone()[0])


async def _publish(publishers: Publishers, devices: list[Device], cycles: int) -> None:
    for _ in range(cycles):
        for device in devices:
            publishers.publish(device.login, device.cycle())
            await publishers.acknowledged(device.login)


async def _measure(folder: Path, inverters: int, messages: int) -> None:
    loaded, measured = cores()
    os.sched_setaffinity(0, loaded)
    store = EmbeddedStore(folder)
    async with fleet(folder, store, inverters, on=loaded) as (devices, port, secret, publishers):
        settings = environment(folder, mqtt_port=port, server="", bridge_secret=secret)
        command, log = [sys.executable, "-m", "bridge"], folder / "bridge.log"
        # The session that keeps the queue, and the feeds' first readings, which claim them.
        bridge = start(command, on=measured, log=log, env=settings)
        await ready(bridge, log, "bridge.ready")
        await publishers.connect({device.login: device.secret for device in devices})
        await _publish(publishers, devices, 1)
        await until(lambda: store.points() >= inverters)
        bridge.stop()

        cycles = max(1, messages // (inverters * len(devices[0].cycle())))
        await _publish(publishers, devices, cycles)
        since = datetime.now(UTC) - timedelta(hours=1)
        (folder / "sign-of-life").write_text(f"{since.isoformat(timespec='milliseconds')}\n")
        began = time.perf_counter()
        bridge = start(command, on=measured, log=log, env=settings)
        try:
            await ready(bridge, log, "bridge.ready")
            idle_mb = bridge.memory_mb("VmRSS")
            spool = folder / "spool.db"
            await until(lambda: _count(spool, "SELECT count(*) FROM outage WHERE NOT open") > 0, patience_s=600)
            taken_s = time.perf_counter() - began
            await until(lambda: store.points() >= inverters * (cycles + 1), patience_s=600)
            stored_s = time.perf_counter() - began
            waited = inverters * cycles * len(devices[0].cycle())
            print(
                f"{waited:,} untimed messages of {inverters:,} inverters: acknowledged after {taken_s:.1f} s"
                f" ({waited / taken_s:,.0f}/s), stored as {inverters * cycles:,} readings after {stored_s:.1f} s,"
                f" {bridge.cpu_s / waited * 1e6:.0f} us CPU each, memory {idle_mb:.0f} MB at the start,"
                f" {bridge.memory_mb():.0f} MB at most, spool {spool.stat().st_size / 1e6:.0f} MB",
                flush=True,
            )
        finally:
            bridge.stop()


def main() -> None:
    """Prints one line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backlog")
    parser.add_argument("--inverters", type=int, default=500)
    parser.add_argument("--messages", type=int, default=400_000, help="the broker's queue takes 500,000")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(_measure(Path(name), chosen.inverters, chosen.messages))


if __name__ == "__main__":
    main()
