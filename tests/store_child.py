"""A process that writes to the embedded store until it is killed, and says which points the store took.

``python -m tests.store_child PATH OWNER INVERTER``: 8 writers at once; each line printed is a time whose
write returned.
"""

import asyncio
import itertools
import os
import sys
from pathlib import Path
from uuid import UUID

from schema.timeseries.kinds import StoreKind
from schema.timeseries.port import Destination, PointWriter
from schema.timeseries.stores import open_writer


async def _write_for_ever(writer: PointWriter, destination: Destination, times: "itertools.count[int]") -> None:
    for at_ms in times:
        await writer.write(destination, [b"reading,serial=A1 ac_power=1.5,x_a=2.0 %d" % at_ms])
        os.write(1, b"%d\n" % at_ms)


async def _main(path: Path, owner_id: UUID, inverter_id: UUID) -> None:
    writer = open_writer(StoreKind.EMBEDDED, path=path)
    times = itertools.count(1_700_000_000_000)
    destination = Destination(inverter_id, owner_id)
    await asyncio.gather(*(_write_for_ever(writer, destination, times) for _ in range(8)))


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), UUID(sys.argv[2]), UUID(sys.argv[3])))
