"""What inverters cost an InfluxDB server, and what moving one away costs. Run: ``python -m benchmarks.places``.

Organisations, buckets and tokens made by the provisioner, beside the same made by bare requests on a server of its own
in the same run; then everybody writes. Time, memory and descriptors for each inverter; a start with all of them; and a
history that is copied to another server. ``influxd`` must be on PATH.
"""

import argparse
import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID, uuid4

import aiohttp
import pytest
import structlog
from sqlalchemy import insert, select

from benchmarks.fleet import TOKEN_KEY
from portal.capacity import open_files
from portal.provisioner import copying, saga
from portal.provisioner.backoff import Backoff
from portal.provisioner.copying import Way
from portal.provisioner.influx_places import InfluxPlaces
from portal.provisioner.making import Keeping, Making
from schema import migrate
from schema.database import Sessions, create_engine_for, reading, sessions_for
from schema.models import Base, Inverter, Owner, OwnerPlacement, Placement
from schema.readings import Reading
from schema.sealing import AesSealer
from schema.timeseries.influx2.figures import InfluxFigures
from schema.timeseries.kinds import StoreKind
from schema.timeseries.line_protocol import encode
from schema.timeseries.port import Destination, Source
from schema.timeseries.stores import open_copier, open_manager, open_writer
from tests.influx import RealInflux, influx, set_up

KEEPING = Keeping.of(retention_days=0, shard_group_weeks=52)
SEALER = AesSealer(TOKEN_KEY)
_BATCH = 100
_NAMES = (
    "ac_power", "ac_voltage", "ac_current", "ac_frequency", "dc_pv1_power", "dc_pv1_voltage", "dc_pv1_current",
    "dc_pv2_power", "dc_pv2_voltage", "dc_pv2_current", "temperature", "total_energy",
)  # fmt: skip


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


@dataclass(frozen=True, slots=True)
class Made:
    """Where everybody writes, and the seconds that each batch of inverters took."""

    to: Sequence[Destination]
    batches: Sequence[float]

    def told(self, name: str) -> str:
        """The mean, and how it grows with what is there."""
        count = len(self.to)
        mean, last = sum(self.batches) / count, self.batches[-1] / (count - _BATCH * (len(self.batches) - 1))
        first = self.batches[0] / min(_BATCH, count)
        return f"{name}: {mean * 1000:5.1f} ms an inverter, first {first * 1000:.1f}, last {last * 1000:.1f}"


async def by_the_provisioner(folder: Path, server: RealInflux, count: int) -> Made:
    """An owner for each inverter, from their rows."""
    engine = create_engine_for(f"sqlite:///{folder}/deye.db")
    await migrate.upgrade(engine)
    sessions, manager = sessions_for(engine), open_manager(server.url, server.operator_token)
    places = InfluxPlaces(
        sessions, manager, SEALER, server=server.url, keeping=KEEPING, now=_now, backoff=Backoff(time.monotonic, _dice)
    )
    batches = []
    for first in range(0, count, _BATCH):
        await _rows(sessions, server.url, min(_BATCH, count - first))
        batches.append(await _timed(places.turn))
    statement = select(Placement, OwnerPlacement, Inverter.owner_id).join(
        Inverter, Inverter.id == Placement.inverter_id
    )
    async with reading(sessions) as session:
        joined = statement.join(OwnerPlacement, OwnerPlacement.owner_id == Inverter.owner_id)
        rows = (await session.execute(joined)).all()
    await manager.close()
    await engine.dispose()
    return Made([_destination(box, home, owner_id) for box, home, owner_id in rows], batches)


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


async def by_bare_requests(server: RealInflux, count: int) -> Made:
    """The same five objects, and nothing else: no database, no look whether they are there."""
    made: list[Destination] = []
    batches = []
    async with aiohttp.ClientSession(server.url, headers={"Authorization": f"Token {server.operator_token}"}) as http:

        async def batch(size: int) -> None:
            for _ in range(size):
                made.append(await _bare(http, server.url))  # noqa: PERF401  # each is timed

        for first in range(0, count, _BATCH):
            size = min(_BATCH, count - first)
            batches.append(await _timed(lambda size=size: batch(size)))  # type: ignore[misc]
    return Made(made, batches)


async def _bare(http: aiohttp.ClientSession, url: str) -> Destination:
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
                await writer.write(one, [_line(_now())])
                sent += 1
                if seconds and time.monotonic() > end:
                    return
            turn += 1

    await asyncio.gather(*(lane(number) for number in range(min(at_once, len(to)))))
    await writer.close()
    return sent / (time.monotonic() - began)


def _line(at: datetime) -> bytes:
    values = {name: 100.0 + number + at.microsecond % 97 for number, name in enumerate(_NAMES)}
    return encode(Reading(at=at, values=values, extra={}), serial="2700000000")


async def told_by(name: str, server: RealInflux, made: Made, idle: Weight, seconds: float) -> None:
    """Everybody writes; what that costs."""
    count = len(made.to)
    print(f"  {made.told(name)}")
    first = await _timed(lambda: written(made.to, at_once=8))
    full, figures = Weight.of(server), await InfluxFigures(server.url).figures()
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
    again = await _timed(lambda: asyncio.to_thread(server.start))
    print(f"    started again in {again:.1f} s, {Weight.of(server).resident_mb:,.0f} MB")


async def copied(servers: Sequence[RealInflux], days: int) -> None:
    """One inverter with a reading each five minutes goes from the first server to the second."""
    owner_id, inverter_id = uuid4(), uuid4()
    ends: list[tuple[Source, Destination]] = []
    for server in servers:
        manager = open_manager(server.url, server.operator_token)
        making = Making(manager, SEALER, KEEPING)
        org_id = await making.organisation(owner_id)
        bucket_id, name = await making.bucket(org_id, inverter_id)
        tokens = [(await manager.create_token(org_id, "r", read=True)).token]
        tokens.append((await manager.create_token(org_id, "w", bucket_id=bucket_id, write=True)).token)
        await manager.close()
        source = Source(owner_id, inverter_id, server.url, org_id, name, tokens[0])
        ends.append((source, Destination(inverter_id, owner_id, server.url, org_id, bucket_id, tokens[1])))
    start = copying.midnight(_now()) - timedelta(days=days)
    writer = open_writer(StoreKind.INFLUX2, path=Path("unused"), timeout_s=60.0)
    for day in range(days):
        began = start + timedelta(days=day)
        lines = [_line(began + timedelta(minutes=5 * slot, microseconds=1_000 * slot)) for slot in range(288)]
        await writer.write(ends[0][1], lines)
    await writer.close()
    copier, way = open_copier(), Way(ends[0][0], ends[1][0], ends[1][1])
    spans = list(copying.stretches(start, _now() - timedelta(days=1)))

    async def even() -> None:
        for span in spans:
            await copying.even(copier, way, span)

    copying_s, comparing_s = await _timed(even), await _timed(even)
    await copier.close()
    values = days * 288 * len(_NAMES)
    print(
        f"moving {days} days of 5 minutes, {values:,} values: copied in {copying_s:.1f} s "
        f"({values / copying_s:,.0f} values/s), compared in {comparing_s:.2f} s"
    )


async def _timed(act: Callable[[], Awaitable[object]]) -> float:
    began = time.monotonic()
    await act()
    return time.monotonic() - began


def _now() -> datetime:
    return datetime.now(UTC)


def _dice() -> float:
    return 1.0


async def run(count: int, seconds: float, days: int) -> None:
    """All figures, printed as they come."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        for kind in ("bare", "ours", "here", "there"):
            (folder / kind).mkdir()
        with influx(folder / "bare") as bare, influx(folder / "ours") as ours:
            for server in (bare, ours):
                await set_up(server)
            print(f"{count:,} inverters, each with an organisation, a bucket and three tokens")
            idle = Weight.of(bare)
            await told_by("bare requests", bare, await by_bare_requests(bare, count), idle, seconds)
            idle = Weight.of(ours)
            await told_by("provisioner  ", ours, await by_the_provisioner(folder, ours, count), idle, seconds)
        with influx(folder / "here") as here, influx(folder / "there") as there:
            for server in (here, there):
                await set_up(server)
            await copied((here, there), days)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
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
