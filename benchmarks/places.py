"""What inverters cost an InfluxDB server, and what moving one away costs. Run: ``python -m benchmarks.places``.

Organisations, buckets and tokens made by the provisioner, beside the same made by bare requests on a server of its own
in the same run; then everybody writes. Time, memory and descriptors for each inverter; a start with all of them; and a
history that is copied to another server. ``influxd`` must be on PATH.
"""

import argparse
import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from uuid import UUID, uuid4

import aiohttp
import pytest
import structlog
from sqlalchemy import insert, select

from benchmarks.histories import KEEPING, SEALER, copied, line, timed
from portal.capacity import open_files
from portal.provisioner import saga
from portal.provisioner.backoff import Backoff
from portal.provisioner.influx_places import InfluxPlaces
from schema import migrate
from schema.database import Sessions, create_engine_for, reading, sessions_for
from schema.models import Base, Inverter, Owner, OwnerPlacement, Placement
from schema.timeseries.influx2.figures import InfluxFigures
from schema.timeseries.kinds import StoreKind
from schema.timeseries.port import Destination
from schema.timeseries.stores import open_manager, open_writer
from tests.influx import RealInflux, influx, set_up

_BATCH = 50


@dataclass(frozen=True, slots=True)
class Weight:
    """What a server's process holds: resident memory in MB, and descriptors."""

    resident_mb: float
    files: int

    @classmethod
    def of(cls, server: RealInflux) -> "Weight":
        """Now."""
        status = Path(f"/proc/{server.pid}/status").read_text(encoding="ascii")
        resident = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
        return cls(int(resident) / 1024, len(list(Path(f"/proc/{server.pid}/fd").iterdir())))


@dataclass(slots=True)
class Made:
    """Where everybody writes, and what making a batch of them took: seconds, and those of the server's CPU."""

    server: RealInflux
    to: list[Destination]
    took: list[float]
    cpu: list[float]

    async def batch(self, act: Callable[[], Awaitable[object]], size: int) -> None:
        """Make some more; the figures are for each of them."""
        cpu_s = _cpu_s(self.server)
        self.took.append(await timed(act) / size)
        self.cpu.append((_cpu_s(self.server) - cpu_s) / size)

    def told(self, name: str) -> str:
        """The median, and how it grows with what is there."""
        shown = (median(self.took), self.took[0], self.took[-1], median(self.cpu), self.cpu[0], self.cpu[-1])
        took, first, last, cpu, first_cpu, last_cpu = (1000 * one for one in shown)
        return (
            f"{name}: {took:.1f} ms an inverter (first {first:.1f}, last {last:.1f}), of the server's CPU {cpu:.1f} "
            f"({first_cpu:.1f}, {last_cpu:.1f})"
        )


def _cpu_s(server: RealInflux) -> float:
    fields = Path(f"/proc/{server.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def made(folder: Path, bare: RealInflux, ours: RealInflux, count: int) -> tuple[Made, Made]:
    """By bare requests and by the provisioner in turn, so that what else the machine does meets both."""
    engine = create_engine_for(f"sqlite:///{folder}/deye.db")
    await migrate.upgrade(engine)
    sessions, manager = sessions_for(engine), open_manager(ours.url, ours.operator_token)
    places = InfluxPlaces(
        sessions, manager, SEALER, server=ours.url, keeping=KEEPING, now=_now, backoff=Backoff(time.monotonic, _dice)
    )
    one, other = Made(bare, [], [], []), Made(ours, [], [], [])
    async with aiohttp.ClientSession(bare.url, headers={"Authorization": f"Token {bare.operator_token}"}) as http:

        async def by_bare_requests(size: int) -> None:
            for _ in range(size):
                one.to.append(await _bare(http, bare.url))  # one after the other

        for first in range(0, count, _BATCH):
            size = min(_BATCH, count - first)
            await one.batch(partial(by_bare_requests, size), size)
            await _rows(sessions, ours.url, size)
            await other.batch(places.turn, size)
    statement = select(Placement, OwnerPlacement, Inverter.owner_id).join(
        Inverter, Inverter.id == Placement.inverter_id
    )
    async with reading(sessions) as session:
        joined = statement.join(OwnerPlacement, OwnerPlacement.owner_id == Inverter.owner_id)
        rows = (await session.execute(joined)).all()
    other.to.extend(_destination(box, home, owner_id) for box, home, owner_id in rows)
    await manager.close()
    await engine.dispose()
    return one, other


def _destination(box: Placement, home: OwnerPlacement, owner_id: UUID) -> Destination:
    assert box.bridge_token_sealed is not None
    token = SEALER.open(box.bridge_token_sealed, row=saga.write_row(box.inverter_id, "bridge"))
    return Destination(box.inverter_id, owner_id, home.server, home.org_id, box.bucket_id, token)


async def _rows(sessions: Sessions, server: str, count: int) -> None:
    rows: dict[type[Base], list[dict[str, object]]] = {one: [] for one in (Owner, OwnerPlacement, Inverter, Placement)}
    now = _now()
    for _ in range(count):
        owner_id, inverter_id = uuid4(), uuid4()
        rows[Owner].append({"id": owner_id, "name": "owner", "time_zone": "UTC", "created_at": now})
        rows[OwnerPlacement].append({"owner_id": owner_id, "server": server, "updated_at": now})
        mine = {"id": inverter_id, "owner_id": owner_id, "name": "roof", "serial": "2700000000", "created_at": now}
        rows[Inverter].append(mine)
        rows[Placement].append({"inverter_id": inverter_id, "updated_at": now})
    async with sessions.begin() as session:
        for table, some in rows.items():
            await session.execute(insert(table), some)


async def _bare(http: aiohttp.ClientSession, url: str) -> Destination:
    """The same five objects, and nothing else: no database, no look whether they are there."""
    owner_id, inverter_id = uuid4(), uuid4()

    async def post(path: str, **asked: object) -> dict[str, str]:
        async with http.post(f"/api/v2/{path}", json=asked) as answer:
            assert answer.status == 201, await answer.text()
            told: dict[str, str] = await answer.json()
            return told

    async def token(action: str, **bucket: str) -> str:
        resource = {"type": "buckets", "orgID": org_id, **bucket}
        right = {"action": action, "resource": resource}
        return (await post("authorizations", orgID=org_id, permissions=[right]))["token"]

    org_id = (await post("orgs", name=saga.organisation_name(owner_id)))["id"]
    rule = {"type": "expire", "everySeconds": 0, "shardGroupDurationSeconds": KEEPING.shard_group_s}
    bucket_id = (await post("buckets", orgID=org_id, name=saga.bucket_name(inverter_id), retentionRules=[rule]))["id"]
    await token("read")
    await token("write", id=bucket_id)
    return Destination(inverter_id, owner_id, url, org_id, bucket_id, await token("write", id=bucket_id))


async def written(to: Sequence[Destination], *, at_once: int, seconds: float = 0.0) -> float:
    """A reading in each request, to everybody once or for so long; requests a second."""
    writer = open_writer(StoreKind.INFLUX2, path=Path("unused"), timeout_s=60.0)
    began, end, sent = time.monotonic(), time.monotonic() + seconds, 0

    async def lane(number: int) -> None:
        nonlocal sent
        turn = 0
        while turn == 0 or time.monotonic() < end:
            for one in to[number::at_once]:
                await writer.write(one, [line(_now())])
                sent += 1
                if seconds and time.monotonic() > end:
                    return
            turn += 1

    await asyncio.gather(*(lane(number) for number in range(min(at_once, len(to)))))
    await writer.close()
    return sent / (time.monotonic() - began)


async def told_by(name: str, made: Made, idle: Weight, seconds: float) -> None:
    """Everybody writes; what that costs."""
    server, count = made.server, len(made.to)
    print(f"  {made.told(name)}")
    first = await timed(lambda: written(made.to, at_once=8))
    full, figures = Weight.of(server), await InfluxFigures(server.url, timeout_s=300.0).figures()
    memory, files = (full.resident_mb - idle.resident_mb) / count, (full.files - idle.files) / count
    print(
        f"    first write to each bucket {first / count * 1000:.1f} ms; then {full.resident_mb:,.0f} MB (idle "
        f"{idle.resident_mb:.0f}), {memory:.2f} MB and {files:.1f} descriptors an inverter"
    )
    expected = open_files(buckets=figures.buckets or 0, shards=figures.shards or 0)
    held = (figures.memory_bytes or 0) / 1024**2
    print(f"    descriptors {full.files:,}; /admin/servers would say {expected:,}, and {held:,.0f} MB of memory")
    rates = [f"{await written(made.to, at_once=some, seconds=seconds):,.0f}" for some in (1, 8, 32)]
    print(f"    one reading a request, 1 / 8 / 32 at once: {' / '.join(rates)} per s")
    server.stop()
    again = await timed(lambda: asyncio.to_thread(server.start))
    print(f"    started again in {again:.1f} s, {Weight.of(server).resident_mb:,.0f} MB")


def _now() -> datetime:
    return datetime.now(UTC)


def _dice() -> float:
    return 1.0


async def run(count: int, seconds: float, days: int) -> None:
    """All figures, printed as they come."""
    with TemporaryDirectory() as path:
        folder = Path(path)
        for kind in ("bare", "ours", "here", "there"):
            (folder / kind).mkdir()
        with influx(folder / "bare") as bare, influx(folder / "ours") as ours:
            for server in (bare, ours):
                await set_up(server)
            print(f"{count:,} inverters, each with an organisation, a bucket and three tokens")
            idle = Weight.of(bare)
            for name, one in zip(("bare requests", "provisioner"), await made(folder, bare, ours, count), strict=True):
                await told_by(name, one, idle, seconds)
        with influx(folder / "here") as here, influx(folder / "there") as there:
            for server in (here, there):
                await set_up(server)
            print(await copied((here, there), days))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.places", description=__doc__)
    parser.add_argument("--inverters", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each kind of writing")
    parser.add_argument("--days", type=int, default=365, help="of the history that is copied")
    arguments = parser.parse_args()
    # A line for each of a thousand places would hide the figures.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    try:
        asyncio.run(run(arguments.inverters, arguments.seconds, arguments.days))
    except pytest.skip.Exception as reason:
        print(f"left out: {reason}")


if __name__ == "__main__":
    main()
