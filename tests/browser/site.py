"""The portal behind a real uvicorn in a thread, over SQLite and the embedded store, with people and days of readings.

The bridge is not here: its live rows and points are written by hand. Alice's zone is one where it is afternoon now, so
that "today" has a curve whenever the tests run.
"""

import asyncio
import math
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import uvicorn
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from portal.accounts import service as accounts
from portal.app import create_app, make_parts
from portal.auth import make_auth
from portal.parts import Parts
from schema import live, migrate
from schema.database import create_engine_for, sessions_for
from schema.live import open_live
from schema.models import Audience, Grant, Inverter, LoginSession, Placement, PlacementState, Rung
from schema.readings import Reading
from schema.timeseries.line_protocol import encode
from schema.timeseries.port import Destination
from schema.timeseries.stores import open_reader, open_writer
from tests.portal_app import CHEAP, portal_settings
from tests.services import free_port

ResultT = TypeVar("ResultT")

_CITIES = (
    "Pacific/Honolulu", "America/Anchorage", "America/Los_Angeles", "America/Denver", "America/Chicago",
    "America/New_York", "America/Halifax", "America/Sao_Paulo", "Atlantic/South_Georgia", "Atlantic/Azores",
    "Africa/Dakar", "Africa/Lagos", "Africa/Cairo", "Africa/Nairobi", "Asia/Dubai", "Asia/Karachi", "Asia/Dhaka",
    "Asia/Bangkok", "Asia/Manila", "Asia/Tokyo", "Australia/Brisbane", "Pacific/Noumea", "Pacific/Fiji",
)  # fmt: skip
PASSWORD = "correct horse battery staple"


def afternoon_zone(now: datetime) -> str:
    """A city in whose zone it is nearest to three in the afternoon."""
    return min(_CITIES, key=lambda city: abs(now.astimezone(ZoneInfo(city)).hour - 15))


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account, signed in on one device."""

    account_id: UUID
    owner_id: UUID
    session_id: UUID
    cookie: dict[str, Any] = field(repr=False)


class Site:
    """What a test may do with the running portal, from its own thread."""

    def __init__(self, url: str, parts: Parts, loop: asyncio.AbstractEventLoop) -> None:
        self.url = url
        self.parts = parts
        self._loop = loop
        self._writer = open_writer(parts.settings.store, path=parts.settings.readings_path)
        self._version = 0

    def do(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Run it where the portal runs, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def close(self) -> None:
        """Let the store's file go."""
        self.do(self._writer.close())

    def person(self, email: str, *, zone: str | None = None) -> Person:
        """An account that has confirmed its address and is signed in."""
        return self.do(self._person(email, zone or afternoon_zone(datetime.now(UTC))))

    async def _person(self, email: str, zone: str) -> Person:
        now = datetime.now(UTC)
        hashed = await self.parts.passwords.hashed(PASSWORD)
        async with self.parts.sessions.begin() as session:
            account = await accounts.create(session, email, hashed, zone, now=now)
            assert account is not None
            await accounts.mark_verified(session, account.id, server="", now=now)
            row = LoginSession(
                id=uuid4(),
                account_id=account.id,
                audience=Audience.PAGE,
                created_at=now,
                expires_at=now + timedelta(days=1),
            )
            session.add(row)
            owner_id = await _owner_of(session, account.id)
        cookie = make_auth(self.parts.settings).page_cookie(row)
        return Person(account.id, owner_id, row.id, {"name": cookie.key, "value": cookie.value, "url": self.url})

    def inverter(self, person: Person, name: str, serial: str) -> UUID:
        """An inverter whose place is ready."""
        return self.do(self._inverter(person, name, serial))

    async def _inverter(self, person: Person, name: str, serial: str) -> UUID:
        now = datetime.now(UTC)
        made = Inverter(id=uuid4(), owner_id=person.owner_id, name=name, serial=serial, created_at=now)
        async with self.parts.sessions.begin() as session:
            session.add(made)
            await session.flush()
            session.add(Placement(inverter_id=made.id, state=PlacementState.READY, updated_at=now))
        return made.id

    def publish(
        self, inverter: UUID, values: dict[str, float], *, at: datetime | None = None, **columns: object
    ) -> None:
        """Write the live row as the bridge would after a reading."""
        self._version += 1
        when = at or datetime.now(UTC)
        row: dict[str, object] = {
            "inverter_id": inverter, "version": self._version, "rung": Rung.VALUES_PLAUSIBLE, "values": values,
            "reading_at": when, "seen_at": when, "refusal": "", "refusal_detail": "", "refused_at": None,
        }  # fmt: skip
        self.do(live.put(self.parts.live_engine, [row | columns]))

    def record(self, person: Person, inverter: UUID, readings: list[Reading]) -> None:
        """Write points into the store."""
        destination = Destination(inverter, person.owner_id)
        self.do(self._writer.write(destination, [encode(reading, serial="TEST") for reading in readings]))


async def _owner_of(session: AsyncSession, account_id: UUID) -> UUID:
    return (await session.scalars(select(Grant.owner_id).where(Grant.account_id == account_id))).one()


def sunny_days(
    days: int, *, peak_w: float, now: datetime, zone: str, total_kwh: float = 1200.0, battery: bool = False
) -> list[Reading]:
    """Readings every five minutes of daylight of the last ``days`` days, the counter counting along."""
    readings = []
    start = (
        (now - timedelta(days=days - 1)).astimezone(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0)
    )
    at = start.astimezone(UTC)
    while at <= now:
        local = at.astimezone(ZoneInfo(zone))
        height = math.sin(math.pi * (local.hour + local.minute / 60 - 6) / 13)
        cloud = 0.72 + 0.28 * math.sin(local.toordinal() * 1.7 + local.minute / 9) * math.cos(local.hour / 2.1)
        watts = max(height, 0.0) * peak_w * cloud * (1 - 0.06 * (local.toordinal() % 5))
        total_kwh += watts / 12_000
        gap = local.hour == 11 and local.minute < 40
        if height > 0 and not gap:
            values = {
                "ac_power": round(watts, 1), "total_energy": round(total_kwh, 1), "temperature": 41.5,
                "dc_pv1_power": round(watts * 0.55, 1), "dc_pv2_power": round(watts * 0.49, 1),
                "dc_pv1_voltage": 38.4, "dc_pv2_voltage": 37.9, "dc_pv1_current": 4.31, "dc_pv2_current": 3.87,
                "ac_voltage": 231.4, "ac_frequency": 50.01, "status": 2.0,
            }  # fmt: skip
            if battery:
                values |= {"dc_power": round(watts * 1.04, 1), "battery_soc": 76.0, "battery_power": -640.0,
                           "battery_voltage": 52.1, "battery_temperature": 23.5, "battery_day_charge": 3.4,
                           "grid_power": -210.0, "grid_day_export": 2.1, "grid_day_import": 0.4,
                           "load_power": 480.0}  # fmt: skip
            readings.append(Reading(at=at, values=values, extra={}))
        at += timedelta(minutes=5)
    return readings


@asynccontextmanager
async def _portal(folder: Path, port: int) -> AsyncIterator[tuple[Parts, uvicorn.Server]]:
    settings = portal_settings(folder, base_url=f"http://127.0.0.1:{port}")
    engine, live_engine = create_engine_for(settings.database_url), await open_live(settings.live_url)
    await migrate.upgrade(engine)
    reader = open_reader(settings.store, path=settings.readings_path)
    parts = make_parts(
        settings,
        sessions=sessions_for(engine),
        live_engine=live_engine,
        reader=reader,
        hasher=CHEAP,
        say=lambda _: None,
    )
    config = uvicorn.Config(
        create_app(parts), host="127.0.0.1", port=port, log_config=None, access_log=False, timeout_graceful_shutdown=1
    )
    try:
        yield parts, uvicorn.Server(config)
    finally:
        await reader.close()
        await live_engine.dispose()
        await engine.dispose()


@contextmanager
def running_site(folder: Path) -> Iterator[Site]:
    """A portal that answers at ``site.url`` until the block ends."""
    port = free_port()
    ready = threading.Event()
    made: list[Any] = []

    async def serve() -> None:
        async with _portal(folder, port) as (parts, server):
            made.extend((parts, server, asyncio.get_running_loop()))
            running = asyncio.create_task(server.serve(), name="site")
            while not server.started and not running.done():
                await asyncio.sleep(0.01)
            ready.set()
            await running

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="site", daemon=True)
    thread.start()
    assert ready.wait(20), "the portal did not start"
    parts, server, loop = made
    site = Site(f"http://127.0.0.1:{port}", parts, loop)
    try:
        yield site
    finally:
        site.close()
        parts.live_feed.close()
        server.should_exit = True
        thread.join(10)
