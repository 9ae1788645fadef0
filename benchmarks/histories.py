"""A history of readings that is copied from one InfluxDB server to another, for ``benchmarks.places``."""

import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from benchmarks.fleet import TOKEN_KEY
from portal.provisioner import copying
from portal.provisioner.copying import Way
from portal.provisioner.making import Keeping, Making
from schema.readings import Reading
from schema.sealing import AesSealer
from schema.timeseries.kinds import StoreKind
from schema.timeseries.line_protocol import encode
from schema.timeseries.port import Destination, Source
from schema.timeseries.stores import open_copier, open_manager, open_writer
from tests.influx import RealInflux

KEEPING = Keeping.of(retention_days=0, shard_group_weeks=52)
SEALER = AesSealer(TOKEN_KEY)
_NAMES = (
    "ac_power", "ac_voltage", "ac_current", "ac_frequency", "dc_pv1_power", "dc_pv1_voltage", "dc_pv1_current",
    "dc_pv2_power", "dc_pv2_voltage", "dc_pv2_current", "temperature", "total_energy",
)  # fmt: skip


def line(at: datetime) -> bytes:
    """A reading of twelve values."""
    values = {name: 100.0 + number + at.microsecond % 97 for number, name in enumerate(_NAMES)}
    return encode(Reading(at=at, values=values, extra={}), serial="2700000000")


async def copied(servers: Sequence[RealInflux], days: int) -> str:
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
    start = copying.midnight(datetime.now(UTC)) - timedelta(days=days)
    writer = open_writer(StoreKind.INFLUX2, path=Path("unused"), timeout_s=60.0)
    for day in range(days):
        began = start + timedelta(days=day)
        lines = [line(began + timedelta(minutes=5 * slot, microseconds=1_000 * slot)) for slot in range(288)]
        await writer.write(ends[0][1], lines)
    await writer.close()
    copier, way = open_copier(), Way(ends[0][0], ends[1][0], ends[1][1])
    spans = list(copying.stretches(start, datetime.now(UTC) - timedelta(days=1)))

    async def even() -> None:
        for span in spans:
            await copying.even(copier, way, span)

    copying_s, comparing_s = await timed(even), await timed(even)
    await copier.close()
    values = days * 288 * len(_NAMES)
    return (
        f"moving {days} days of 5 minutes, {values:,} values: copied in {copying_s:.1f} s "
        f"({values / copying_s:,.0f} values/s), compared in {comparing_s:.2f} s"
    )


async def timed(act: Callable[[], Awaitable[object]]) -> float:
    """Seconds that it takes."""
    began = time.monotonic()
    await act()
    return time.monotonic() - began
