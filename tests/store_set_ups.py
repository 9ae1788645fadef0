"""The three stores of the contract suite, each with places for Alice's and Bob's inverters and a way to be absent."""

import secrets
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from uuid import UUID, uuid4

import pytest

from schema.readings import Reading
from schema.timeseries.kinds import StoreKind
from schema.timeseries.line_protocol import encode
from schema.timeseries.management import StoreManager
from schema.timeseries.port import Destination, PointWriter, SeriesReader, Source
from schema.timeseries.stores import open_manager, open_reader, open_writer
from tests.fake_influx import FakeInflux
from tests.influx import RealInflux, set_up

# Inside every retention the tests use, on a whole day.
DAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


@dataclass(frozen=True, slots=True)
class Place:
    """Where one inverter's readings go and come from."""

    destination: Destination
    source: Source


# A fixture with these parameters runs its tests on each store in turn.
STORES = ("embedded", "fake influx", "real influx")
ALICE, BOB = uuid4(), uuid4()


class Server(Protocol):
    """Something the store needs that can go away and come back with what it had."""

    async def leave(self) -> None:
        """Answer nobody."""

    async def come_back(self) -> None:
        """Answer again, knowing everything."""


class StoreSetUp:
    """One store with both of its ports open; ``manager`` is None where there are no organisations."""

    def __init__(self, *, kind: StoreKind, path: Path, server: Server, manager: StoreManager | None, url: str) -> None:
        """``path`` is the embedded store's file."""
        self.kind = kind
        self.path = path
        self.server = server
        self.manager = manager
        self.url = url
        self.fake: FakeInflux | None = None
        self.operator_token = ""
        self.writer: PointWriter = open_writer(kind, path=path, timeout_s=2.0)
        self.reader: SeriesReader = open_reader(kind, path=path)

    async def place(self, owner_id: UUID, *, retention_s: int = 0, org_id: str = "") -> Place:
        """A new inverter of the owner, with a bucket and tokens of its own where the store has such things."""
        inverter_id = uuid4()
        if self.manager is None:
            return Place(Destination(inverter_id, owner_id), Source(owner_id, inverter_id))
        org_id = org_id or await self.manager.find_or_create_organisation(f"test-{owner_id}")
        name = inverter_id.hex
        bucket_id = await self.manager.find_or_create_bucket(org_id, name, retention_s=retention_s)
        write = await self.manager.create_token(org_id, f"{name}:bridge", bucket_id=bucket_id, write=True)
        read = await self.manager.create_token(org_id, f"{owner_id}:read", read=True)
        return Place(
            Destination(inverter_id, owner_id, self.url, org_id, bucket_id, write.token),
            Source(owner_id, inverter_id, self.url, org_id, name, read.token),
        )

    async def write(self, place: Place, *readings: Reading, serial: str = "A1B2C3D4") -> None:
        """Encode and write."""
        await self.writer.write(place.destination, encoded(*readings, serial=serial))

    async def close(self) -> None:
        """Close both ports and the manager."""
        await self.writer.close()
        await self.reader.close()
        if self.manager is not None:
            await self.manager.close()


def encoded(*readings: Reading, serial: str = "A1B2C3D4") -> Sequence[bytes]:
    """The readings as lines."""
    return [encode(reading, serial=serial) for reading in readings]


def reading(at: datetime, **values: float) -> Reading:
    """A reading; names that start with ``x_`` are extras."""
    extra = {name: value for name, value in values.items() if name.startswith("x_")}
    return Reading(at=at, values={name: values[name] for name in values if name not in extra}, extra=extra)


class _LockedFile:
    """The embedded store is away while another process holds its file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._holder: sqlite3.Connection | None = None

    async def leave(self) -> None:
        self._holder = sqlite3.connect(self._path, isolation_level=None, timeout=5)
        self._holder.execute("BEGIN EXCLUSIVE")

    async def come_back(self) -> None:
        if self._holder is not None:
            self._holder.close()
            self._holder = None


class _FakeServer:
    def __init__(self, server: FakeInflux) -> None:
        self._server = server

    async def leave(self) -> None:
        await self._server.stop()

    async def come_back(self) -> None:
        await self._server.start()


class _RealServer:
    def __init__(self, server: RealInflux) -> None:
        self._server = server

    async def leave(self) -> None:
        if not self._server.ours:
            pytest.skip("the server of INFLUX_URL is not ours to kill")
        self._server.kill()

    async def come_back(self) -> None:
        self._server.start()


def opened(name: str, request: pytest.FixtureRequest, folder: Path) -> AbstractAsyncContextManager[StoreSetUp]:
    """The set-up of this name; a test that asks for the real one without there being one is skipped."""
    if name == "embedded":
        return embedded(folder)
    if name == "fake influx":
        return fake_influx(folder)
    return real_influx(folder, request.getfixturevalue("influx_server"))


@asynccontextmanager
async def embedded(folder: Path) -> AsyncIterator[StoreSetUp]:
    """The SQLite file."""
    path = folder / "readings.db"
    set_up_ = StoreSetUp(kind=StoreKind.EMBEDDED, path=path, server=_LockedFile(path), manager=None, url="")
    try:
        # The first write makes sure that the file is there before anybody reads it.
        await set_up_.writer.write(Destination(uuid4(), uuid4()), [])
        yield set_up_
    finally:
        await set_up_.server.come_back()
        await set_up_.close()


@asynccontextmanager
async def fake_influx(folder: Path) -> AsyncIterator[StoreSetUp]:
    """The fake InfluxDB, in this process."""
    token = secrets.token_urlsafe()
    async with FakeInflux(operator_token=token) as server:
        manager = open_manager(server.url, token)
        set_up_ = StoreSetUp(
            kind=StoreKind.INFLUX2, path=folder / "unused", server=_FakeServer(server), manager=manager, url=server.url
        )
        set_up_.fake, set_up_.operator_token = server, token
        try:
            yield set_up_
        finally:
            await set_up_.close()


@asynccontextmanager
async def real_influx(folder: Path, server: RealInflux) -> AsyncIterator[StoreSetUp]:
    """A running influxd."""
    await set_up(server)
    manager = open_manager(server.url, server.operator_token)
    set_up_ = StoreSetUp(
        kind=StoreKind.INFLUX2, path=folder / "unused", server=_RealServer(server), manager=manager, url=server.url
    )
    set_up_.operator_token = server.operator_token
    try:
        yield set_up_
    finally:
        await set_up_.close()
