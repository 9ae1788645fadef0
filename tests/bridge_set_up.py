"""A whole bridge on real parts: Mosquitto, SQLite or PostgreSQL, a real store or a fake one."""

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol
from uuid import UUID, uuid4

from sqlalchemy import make_url, select, update

from bridge.app import Bridge
from bridge.clock import Clock
from bridge.counters import Counters
from bridge.keeper import Outcome
from schema import bridge_role, live
from schema.changes import registry_changed
from schema.database import Sessions, create_engine_for, is_sqlite, sessions_for
from schema.models import (
    ClaimState,
    DeadLetter,
    Feed,
    Inverter,
    LiveRow,
    Login,
    Owner,
    OwnerPlacement,
    Placement,
    PlacementState,
)
from schema.settings import BridgeSettings
from schema.timeseries.kinds import StoreKind
from schema.timeseries.port import PointWriter, Sample, Source
from schema.timeseries.stores import open_reader
from schema.verifiers import new_login
from tests.broker import BRIDGE_PASSWORD, Broker
from tests.databases import bring_up_to_date
from tests.publisher import SECRET as SECRET  # noqa: PLC0414  # whoever sets a bridge up publishes too
from tests.publisher import Publisher as Publisher  # noqa: PLC0414
from tests.waiting import until, until_async


@dataclass(frozen=True, slots=True)
class Paired:
    """One owner's inverter with its login."""

    owner_id: UUID
    inverter_id: UUID
    login: str
    serial: str

    def topic(self, tail: str = "reading") -> str:
        """A topic below the login."""
        return f"deye/{self.login}/{tail}"


class Process(Protocol):
    """A child process of a test."""

    def end(self) -> None:
        """Kill it if the test has left it behind."""


class Home:
    """The database and the broker of one test, and the settings of a bridge between them."""

    def __init__(self, folder: Path, broker: Broker, database_url: str, **settings: object) -> None:
        self.broker = broker
        self.folder = folder
        self.settings = BridgeSettings.model_validate(
            {
                "database_url": as_bridge(database_url),
                "live_database_url": f"sqlite:///{folder}/live.db",
                "data_dir": folder / "data",
                "token_key": base64.b64encode(os.urandom(32)).decode(),
                "bridge_mqtt_password": BRIDGE_PASSWORD,
                "mqtt_port": broker.port,
                "log_format": "console",
            }
            | settings
        )
        self.processes: list[Process] = []
        self.engine = create_engine_for(database_url)
        self.sessions: Sessions = sessions_for(self.engine)

    def environment(self) -> dict[str, str]:
        """The settings as a bridge process reads them."""
        return {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": self.settings.database_url,
            "LIVE_DATABASE_URL": self.settings.live_database_url,
            "DATA_DIR": str(self.settings.data_dir),
            "TOKEN_KEY": self.settings.token_key.get_secret_value(),
            "BRIDGE_MQTT_PASSWORD": BRIDGE_PASSWORD,
            "MQTT_PORT": str(self.settings.mqtt_port),
            "LOG_FORMAT": "json",
        }

    async def pair(
        self,
        *,
        serial: str = "2711111111",
        state: PlacementState = PlacementState.READY,
        owner_id: UUID | None = None,
        rated_power_w: int | None = None,
    ) -> Paired:
        """A new owner with one inverter and its login, as the portal and the provisioner would make them."""
        now = datetime.now(UTC)
        login = new_login()
        async with self.sessions() as session, session.begin():
            if owner_id is None:
                owner = Owner(id=uuid4(), name="an owner", created_at=now)
                session.add(owner)
                await session.flush()
                owner_id = owner.id
                session.add(OwnerPlacement(owner_id=owner_id, state=PlacementState.READY, updated_at=now))
            inverter = Inverter(
                id=uuid4(),
                owner_id=owner_id,
                name="roof",
                serial=serial,
                rated_power_w=rated_power_w,
                created_at=now,
            )
            session.add(inverter)
            version = await registry_changed(session)
            session.add(Login(name=login, owner_id=owner_id, verifier="-", registry_version=version, created_at=now))
            await session.flush()
            session.add(Feed(login=login, inverter_id=inverter.id))
            session.add(Placement(inverter_id=inverter.id, state=state, updated_at=now))
        self.broker.allow({login: SECRET})
        return Paired(owner_id, inverter.id, login, serial)

    async def place(self, paired: Paired) -> None:
        """Provisioning finishes."""
        async with self.sessions() as session, session.begin():
            ready = update(Placement).where(Placement.inverter_id == paired.inverter_id)
            await session.execute(ready.values(state=PlacementState.READY))
            await registry_changed(session)

    async def revoke(self, paired: Paired) -> None:
        """The owner withdraws the login."""
        async with self.sessions() as session, session.begin():
            gone = update(Login).where(Login.name == paired.login)
            await session.execute(gone.values(revoked_at=datetime.now(UTC)))
            await registry_changed(session)

    async def delete(self, paired: Paired) -> None:
        """The owner deletes the inverter; its login goes on for another one."""
        async with self.sessions() as session, session.begin():
            gone = update(Inverter).where(Inverter.id == paired.inverter_id)
            await session.execute(gone.values(deleted_at=datetime.now(UTC), active_serial=None))
            await registry_changed(session)

    async def doom(self, paired: Paired) -> None:
        """The days in which it could be brought back are over: the provisioner begins to erase it."""
        async with self.sessions() as session, session.begin():
            leaving = update(Placement).where(Placement.inverter_id == paired.inverter_id)
            await session.execute(leaving.values(state=PlacementState.ERASING))
            await registry_changed(session)

    async def feed(self, paired: Paired) -> Feed:
        """The feed's row as it is now."""
        async with self.sessions() as session:
            return (await session.scalars(select(Feed).where(Feed.login == paired.login))).one()

    async def claim(self, paired: Paired) -> ClaimState:
        """The feed's claim state now."""
        return ClaimState((await self.feed(paired)).claim_state)

    async def letters(self) -> list[DeadLetter]:
        """The dead letters the pages would show."""
        async with self.sessions() as session:
            return list((await session.scalars(select(DeadLetter))).all())

    async def live(self, paired: Paired) -> LiveRow | None:
        """The live row the pages would show."""
        engine = await live.open_live(self.settings.live_url)
        try:
            return (await live.of(engine, [paired.inverter_id])).get(paired.inverter_id)
        finally:
            await engine.dispose()

    async def latest(self, paired: Paired) -> dict[str, Sample]:
        """What the embedded store answers for this inverter, newest of each quantity."""
        reader = open_reader(StoreKind.EMBEDDED, path=self.settings.readings_path)
        try:
            source = Source(paired.owner_id, paired.inverter_id)
            return await reader.latest(source, datetime(2020, 1, 1, tzinfo=UTC))
        finally:
            await reader.close()

    async def points(self, paired: Paired, quantity: str = "ac_power") -> dict[datetime, float]:
        """Every point of one quantity in the embedded store, asked in windows of one second."""
        reader = open_reader(StoreKind.EMBEDDED, path=self.settings.readings_path)
        start = datetime.now(UTC) - timedelta(hours=3)
        try:
            source = Source(paired.owner_id, paired.inverter_id)
            found = await reader.windows(source, [quantity], start, start + timedelta(hours=4), 1)
            return {window.start: window.means[quantity] for window in found if quantity in window.means}
        finally:
            await reader.close()


def _role_of(url: str) -> str:
    """A role belongs to the whole server, and tests beside this one use that too."""
    return f"bridge_of_{make_url(url).database}"


def as_bridge(url: str) -> str:
    """The URL by which the bridge alone uses this database, once its role is there."""
    return url if is_sqlite(url) else make_url(url).set(username=_role_of(url)).render_as_string(hide_password=False)


@asynccontextmanager
async def home(folder: Path, broker: Broker, database_url: str = "", **settings: object) -> AsyncIterator[Home]:
    """A migrated database beside a running broker."""
    place = Home(folder, broker, database_url or f"sqlite:///{folder}/deye.db", **settings)
    await bring_up_to_date(place.engine)
    if not is_sqlite(place.settings.database_url):
        # Every bridge of the tests has no more rights than its own role gives it.
        await bridge_role.ensure(place.engine, BRIDGE_PASSWORD, role=_role_of(database_url))
    try:
        yield place
    finally:
        for process in place.processes:
            process.end()
        await place.engine.dispose()


@asynccontextmanager
async def bridge(place: Home, store: PointWriter | None = None, *, clock: Clock | None = None) -> AsyncIterator[Bridge]:
    """A bridge in this event loop, subscribed; it is stopped in order at the end."""
    one = Bridge(place.settings, clock or Clock(), Counters(), asyncio.Event())
    async with one.open(store):
        serving = asyncio.create_task(one.serve())
        try:
            await until(lambda: one.session.subscribed or serving.done())
            yield one
        finally:
            one.stopping.set()
            await serving


def outcomes(one: Bridge) -> dict[str, int]:
    """How messages ended, without what the bridge itself sent to try the broker's rules."""
    ended = one.counters.outcomes.copy()
    ended[Outcome.NOT_A_READING] -= one.counters.not_readings["self_check"]
    return {str(outcome): count for outcome, count in ended.items() if count}


async def settled(one: Bridge, count: int) -> None:
    """Wait until the bridge has settled so many messages of others and holds none; its sum is right."""
    window = one.session.window
    await until(lambda: sum(outcomes(one).values()) >= count and not len(window))
    await until(lambda: not one.keeper.pending)
    assert window.received == window.settled + len(window) + window.dropped
    assert window.settled == sum(one.counters.outcomes.values())


async def reached(place: Home, paired: Paired, rung: int) -> LiveRow:
    """Wait until the live row has reached a rung; the row."""

    async def row() -> LiveRow | None:
        found = await place.live(paired)
        return found if found is not None and found.rung >= rung else None

    found = await until_async(row)
    assert found is not None
    return found
