"""What registered logins cost the bridge: its start, its memory, and a change. Run: ``python -m benchmarks.registry``.

A bridge process beside a real Mosquitto, on SQLite and on PostgreSQL where its programs are found, with few logins and
with many; everybody is silent. Each figure stands beside its target.
"""

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, update

from benchmarks.broker import broker
from benchmarks.fleet import TOKEN_KEY, environment
from benchmarks.processes import Measured, cores, start
from bridge.clock import Clock
from bridge.edges.registry import SqlRegistry
from bridge.edges.snapshot import SnapshotFile
from schema import migrate
from schema.changes import registry_changed
from schema.database import Sessions, create_engine_for, sessions_for
from schema.models import Base, Feed, Inverter, Login, Owner, OwnerPlacement, Placement, PlacementState
from schema.sealing import AesSealer
from schema.verifiers import new_login
from tests.services import postgres
from tests.waiting import until

SECRET = "secret of the bridge in a benchmark"
_STEP = 10_000


@dataclass(frozen=True, slots=True)
class Started:
    """A bridge with so many logins: seconds from its start until it was ready and of CPU until then, memory in MB."""

    logins: int
    ready_s: float
    cpu_s: float
    resident_mb: float
    peak_mb: float


@dataclass(frozen=True, slots=True)
class Change:
    """Seconds from a commit until the directory has it, and the longest time the event loop was held meanwhile."""

    applied_s: float
    held_s: float


async def build(url: str, size: int) -> UUID:
    """A database with so many owners of one inverter each; the id of one inverter."""
    engine, now, sealer = create_engine_for(url), datetime.now(UTC), AesSealer(TOKEN_KEY)
    await migrate.upgrade(engine)
    state = {"state": PlacementState.READY, "updated_at": now}
    inverter_id = uuid4()
    async with engine.begin() as connection:
        for first in range(0, size, _STEP):
            rows: dict[type[Base], list[dict[str, object]]] = {
                table: [] for table in (Owner, OwnerPlacement, Inverter, Login, Placement, Feed)
            }
            for number in range(first, min(size, first + _STEP)):
                owner_id, inverter_id, login, serial = uuid4(), uuid4(), new_login(), f"27{number:08d}"
                # As long as InfluxDB's tokens and ids are.
                sealed = sealer.seal(f"{number:088d}", row=f"placement:{inverter_id}:bridge")
                rows[Owner].append({"id": owner_id, "name": "owner", "time_zone": "UTC", "created_at": now})
                rows[OwnerPlacement].append(
                    {"owner_id": owner_id, "server": "http://influxdb:8086", "org_id": f"{number:016x}"} | state
                )
                rows[Inverter].append(
                    {"id": inverter_id, "owner_id": owner_id, "name": "roof", "serial": serial, "created_at": now}
                    | {"active_serial": serial}
                )
                rows[Login].append(
                    {"name": login, "owner_id": owner_id, "verifier": "-", "registry_version": 0, "created_at": now}
                )
                rows[Placement].append(
                    {"inverter_id": inverter_id, "bucket_id": f"{number:016x}", "bridge_token_sealed": sealed} | state
                )
                rows[Feed].append(
                    {"id": uuid4(), "login": login, "inverter_id": inverter_id, "claim_state": "active"}
                    | {"device_key": f"41{number:08d}"}
                )
            for table, some in rows.items():
                await connection.execute(insert(table), some)
    async with sessions_for(engine).begin() as session:
        await registry_changed(session)
    await engine.dispose()
    return inverter_id


async def start_bridge(folder: Path, url: str, port: int, on: set[int]) -> tuple[Measured, float, float]:
    """A bridge process, and how long and how much CPU it took to be ready."""
    log = folder / "bridge.log"
    settings = environment(folder, mqtt_port=port, server="http://127.0.0.1:1", bridge_secret=SECRET)
    began = time.monotonic()
    child = start([sys.executable, "-m", "bridge"], on=on, log=log, env=settings | {"DATABASE_URL": url})
    await until(lambda: '"bridge.ready"' in log.read_text(), limit_s=60.0)
    return child, time.monotonic() - began, child.cpu_s


async def measure(url: str, size: int, settled_s: float) -> Started:
    """One bridge on a database with so many logins."""
    load, own = cores()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with broker(folder / "broker", [], SECRET, on=load) as port:
            # The first one writes the snapshot and fills the caches of the disk.
            child, _, _ = await start_bridge(folder, url, port, own)
            snapshot = SnapshotFile(folder / "registry-snapshot.db")
            await until(lambda: len(snapshot.load()[0]) == size, limit_s=60.0)
            child.stop()
            (folder / "bridge.log").unlink()
            child, ready_s, cpu_s = await start_bridge(folder, url, port, own)
            # Everything has been read once more behind the start.
            await until(lambda: '"registry.applied"' in (folder / "bridge.log").read_text(), limit_s=60.0)
            await asyncio.sleep(settled_s)
            started = Started(size, ready_s, cpu_s, child.memory_mb("VmRSS"), child.memory_mb())
            child.stop()
    return started


async def changes(url: str, inverter_id: UUID) -> tuple[Change, Change]:
    """In this process: what one change costs, and one that names nothing, so that everything is read."""
    engine = create_engine_for(url, pooled=False)
    sessions = sessions_for(engine)
    stalls: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        snapshot = SnapshotFile(Path(name) / "snapshot.db")
        registry = SqlRegistry(
            sessions=sessions, url=url, sealer=AesSealer(TOKEN_KEY), snapshot=snapshot, clock=Clock()
        )
        await registry.start()
        tasks = [asyncio.create_task(registry.run()), asyncio.create_task(_watch(stalls))]
        await until(lambda: registry.directory.version > 0, limit_s=60.0)
        found = []
        for named in (inverter_id, None):
            stalls.clear()
            took = [await _applied(registry, sessions, named, inverter_id) for _ in range(3)]
            found.append(Change(sorted(took)[1], max(stalls)))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await engine.dispose()
    return found[0], found[1]


async def _watch(stalls: list[float]) -> None:
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        stalls.append(time.perf_counter() - began - 0.001)


async def _applied(registry: SqlRegistry, sessions: Sessions, named: UUID | None, changed: UUID) -> float:
    """From the commit to the directory that has it."""
    async with sessions() as session, session.begin():
        version = await registry_changed(session, inverter_id=named)
        await session.execute(update(Inverter).where(Inverter.id == changed).values(rated_power_w=version))
    began = time.perf_counter()
    await until(lambda: registry.directory.version >= version, limit_s=60.0)
    return time.perf_counter() - began


@contextlib.contextmanager
def databases(folder: Path) -> Iterator[dict[str, Callable[[int], str]]]:
    """By name: makes the URL of an empty database for so many logins."""
    made: dict[str, Callable[[int], str]] = {"SQLite": lambda size: f"sqlite:///{folder}/deye-{size}.db"}
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(postgres(folder))
            made["PostgreSQL"] = lambda size: server.fresh(f"registry_{size}")
        except pytest.skip.Exception as reason:
            print(f"PostgreSQL left out: {reason}")
        yield made


async def run(few: int, some: int, many: int, settled_s: float) -> None:
    """All figures, printed as they come."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        with databases(folder) as made:
            for kind, fresh in made.items():
                print(kind)
                bridges: list[Started] = []
                for size in (few, some, many):
                    url = fresh(size)
                    inverter_id = await build(url, size)
                    bridges.append(await measure(url, size, settled_s))
                show(bridges, *await changes(url, inverter_id))


def show(bridges: list[Started], one: Change, everything: Change) -> None:
    """Figures beside targets and comparisons."""
    first, last = bridges[0], bridges[-1]
    for bridge in bridges:
        print(
            f"  {bridge.logins:>7,} logins: ready after {bridge.ready_s:5.2f} s ({bridge.cpu_s:.2f} s of CPU, target 3)"
            f" idle {bridge.resident_mb:5.1f} MB, peak {bridge.peak_mb:5.1f} MB (target 80 with few)"
        )
    per_login = (last.resident_mb - first.resident_mb) * 1024**2 / (last.logins - first.logins)
    print(f"  {per_login:.0f} bytes for each registered login (target 700)")
    for name, change in (("one change", one), ("a change that names nothing, for comparison", everything)):
        print(f"  {name}: applied after {change.applied_s * 1000:,.0f} ms, loop held {change.held_s * 1000:.0f} ms")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.registry", description=__doc__)
    parser.add_argument("--few", type=int, default=100)
    parser.add_argument("--some", type=int, default=1_000)
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument("--settled-s", type=float, default=4.0, help="memory is read so long after the start")
    arguments = parser.parse_args()
    asyncio.run(run(arguments.few, arguments.some, arguments.many, arguments.settled_s))


if __name__ == "__main__":
    main()
