"""A write that returned survives kill -9, for each store that calls itself durable."""

import asyncio
import itertools
import sqlite3
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from schema.timeseries.line_protocol import from_milliseconds, milliseconds
from schema.timeseries.port import StoreUnavailable
from tests.influx import RealInflux
from tests.store_set_ups import ALICE, Place, StoreSetUp, embedded, reading, real_influx

pytestmark = pytest.mark.faults

ENOUGH = 500


async def stored(store: StoreSetUp, place: Place, start: datetime) -> set[int]:
    """Each second of the day that has a point, in milliseconds."""
    windows = await store.reader.windows(place.source, ["ac_power"], start, start + timedelta(days=1), 1)
    return {milliseconds(window.start) for window in windows}


@pytest.mark.parametrize("turn", range(3))
async def test_a_killed_writers_points_are_in_the_embedded_store(tmp_path: Path, turn: int) -> None:
    """The process dies in the middle of its writing; all it had been told is there, and the file is sound."""
    async with embedded(tmp_path) as store:
        assert store.writer.durable
        place = await store.place(ALICE)
        # This store's own writer must not hold the file: the child's is the only one, as in production.
        await store.writer.close()
        owner, inverter = place.destination.owner_id, place.destination.inverter_id
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.store_child", str(store.path), str(owner), str(inverter)),
            stdout=asyncio.subprocess.PIPE,
        )
        assert child.stdout is not None
        taken = [int(await child.stdout.readline()) for _ in range(ENOUGH + 37 * turn)]
        child.kill()
        taken += [int(line) for line in (await child.stdout.read()).split(b"\n")[:-1]]
        await child.wait()

        with sqlite3.connect(store.path) as connection:
            found = {at_ms for (at_ms,) in connection.execute("SELECT at_ms FROM point")}
            extras = {at_ms for (at_ms,) in connection.execute("SELECT at_ms FROM extra")}
            (sound,) = connection.execute("PRAGMA integrity_check").fetchone()
        connection.close()

    assert set(taken) <= found == extras
    assert sound == "ok"


async def test_a_killed_influxds_points_are_there_when_it_is_back(tmp_path: Path, influx_server: RealInflux) -> None:
    """204 comes after the fsync of its log: eight writers, kill -9 in the middle, every answered point is found."""
    async with real_influx(tmp_path, influx_server) as store:
        assert store.writer.durable
        place = await store.place(ALICE)
        start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
        times = itertools.count(milliseconds(start), 1000)
        taken: list[int] = []
        enough = asyncio.Event()

        async def write_until_refused() -> None:
            for at_ms in times:
                try:
                    await store.write(place, reading(from_milliseconds(at_ms), ac_power=1.5))
                except StoreUnavailable:
                    return
                taken.append(at_ms)
                if len(taken) == ENOUGH:
                    enough.set()

        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(write_until_refused())
            await enough.wait()
            await store.server.leave()
        await store.server.come_back()

        assert set(taken) <= await stored(store, place, start)
