"""Where fault scenarios happen: owners who publish, a broker and a store behind networks that can break, a bridge in
this process or as one of its own; and the oracle of DESIGN 5 over all of it.
"""

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path

from bridge.app import Bridge
from bridge.clock import Clock
from tests.bridge_process import BridgeProcess
from tests.bridge_set_up import Publisher, bridge, home
from tests.broker import broker
from tests.fake_influx import FakeInflux
from tests.fault_proxy import FaultProxy, fault_proxy
from tests.influx_site import OPERATOR, Site, Tenant
from tests.ledger import Ledger
from tests.waiting import until, until_async

# Short pauses, so that an outage of seconds stands for one of hours.
QUICK = {"hold_s": 0.5, "probe_s": 0.5, "store_timeout_s": 1.0, "mqtt_keepalive_s": 4, "disk_floor_bytes": 0}
MOST_RESIDENT_BYTES = 200 * 1024**2
RECOVERED_WITHIN_S = 60.0
_PACE_S = 0.01


class Arena:
    """One run of one scenario. All chance comes from the seed."""

    def __init__(
        self,
        site: Site,
        broker_road: FaultProxy,
        store_road: FaultProxy,
        *,
        settings: Mapping[str, object],
        seed: int,
        publishing: AsyncExitStack,
    ) -> None:
        self.site = site
        self.broker_road = broker_road
        self.store_road = store_road
        self.dice = random.Random(f"{seed}/fault")
        # Those whose ledgers count, and all that ever were.
        self.tenants: list[Tenant] = []
        self.everybody: list[Tenant] = []
        self.loggers: dict[str, Publisher] = {}
        self.refused: dict[str, set[datetime]] = {}
        self._load_dice = random.Random(f"{seed}/load")
        self._settings = settings
        self._publishing = publishing

    @property
    def influx(self) -> FakeInflux:
        """The store, and its log of requests."""
        return self.site.influx

    @property
    def sent(self) -> int:
        """Readings published so far."""
        return sum(len(one.ledger.sent) for one in self.everybody)

    @property
    def stored(self) -> int:
        """Points in all buckets that are there."""
        return sum(len(bucket.points) for bucket in self.influx.state.buckets.values())

    async def tenant(self, *, seconds_ago: int) -> Tenant:
        """One owner more, with a logger that is connected."""
        made = await self.site.tenant(f"27{len(self.everybody):08}")
        made.ledger = Ledger(made.paired, seconds_ago=seconds_ago)
        self.tenants.append(made)
        self.everybody.append(made)
        logger = Publisher(self.site.place.broker, made.paired.login)
        self.loggers[made.paired.login] = await self._publishing.enter_async_context(logger)
        return made

    def throw(self, tenant: Tenant, count: int) -> None:
        """Publish so many readings of one owner."""
        tenant.ledger.throw(self.loggers[tenant.paired.login], count)

    @asynccontextmanager
    async def stream(self, *, pace_s: float = _PACE_S) -> AsyncIterator[None]:
        """All owners publish, at moments of chance, for as long as this lasts; a hundred readings at least."""
        done = asyncio.Event()
        pouring = asyncio.create_task(self._pour(done, self.sent + 100, pace_s))
        try:
            yield
        finally:
            done.set()
            await pouring

    async def _pour(self, done: asyncio.Event, least: int, pace_s: float) -> None:
        while not done.is_set() or self.sent < least:
            self.throw(self._load_dice.choice(self.tenants), self._load_dice.randrange(1, 6))
            await asyncio.sleep(self._load_dice.uniform(0, pace_s))  # the pace of the load, not a wait

    async def moment(self, least: int = 20, most: int = 150) -> None:
        """Wait for a moment of chance, measured in readings published meanwhile."""
        goal = self.sent + self.dice.randrange(least, most)
        await until(lambda: self.sent >= goal)

    async def under_way(self) -> None:
        """The stream has begun to arrive."""
        goal = self.stored + self.dice.randrange(5, 60)
        await until(lambda: self.stored >= goal, limit_s=RECOVERED_WITHIN_S)

    @asynccontextmanager
    async def bridge(self, *, clock: Clock | None = None) -> AsyncIterator[Bridge]:
        """A bridge in this process; at its end it has failed on nothing and its sum comes out."""
        async with bridge(self.site.place, clock=clock) as one:
            yield one
            await self._window_empty(one)
            # Nothing is under way any more: neither may there be one too many.
            assert self.set_aside() == self._to_be_set_aside
        assert one.counters.faults == 0
        window = one.session.window
        assert window.received == window.settled + len(window) + window.dropped
        assert window.settled == sum(one.counters.outcomes.values())

    async def _window_empty(self, one: Bridge) -> None:
        await self.acknowledged()
        await until(lambda: one.session.subscribed and not len(one.session.window), limit_s=RECOVERED_WITHIN_S)

    async def acknowledged(self) -> None:
        """The broker has acknowledged everything published."""
        for tenant in self.tenants:
            await tenant.ledger.acknowledged()

    async def process(self) -> BridgeProcess:
        """A bridge as a process, subscribed."""
        environment = {name.upper(): str(value) for name, value in self._settings.items()}
        process = BridgeProcess(self.site.place, **environment)
        await process.ready()
        return process

    def kept(self) -> int:
        """Records in the spool, of every kind that must have gone in the end."""
        return sum(self.spool_count(table) for table in ("record", "untimed"))

    def spool_count(self, table: str) -> int:
        """Rows of a table of the spool, 0 where there is none yet."""
        return int(self.ask_spool(f"SELECT count(*) FROM {table}")[0][0] or 0)

    def ask_spool(self, query: str) -> Sequence[tuple[int, ...]]:
        """What the spool's file answers; one zero where it has no such table, or no file is there."""
        try:
            connection = sqlite3.connect(f"file:{self.site.place.settings.spool_path}?mode=ro", uri=True)
        except sqlite3.OperationalError:
            return [(0,)]
        try:
            return connection.execute(query).fetchall()
        except sqlite3.OperationalError:
            return [(0,)]
        finally:
            connection.close()

    def set_aside(self) -> int:
        """Dead letters of the owners whose ledgers count, repetitions counted."""
        logins = ",".join(f"'{one.paired.login}'" for one in self.tenants)
        return int(self.ask_spool(f"SELECT coalesce(sum(count), 0) FROM trouble WHERE login IN ({logins})")[0][0])

    @property
    def _to_be_set_aside(self) -> int:
        return sum(map(len, self.refused.values()))

    async def arrived(self) -> None:
        """The oracle: each bucket equals its ledger but for what was refused by design, which is a dead letter; nothing
        is left in the spool; no request carried a wrong triple; the spool kept its cap.
        """
        for tenant in self.tenants:
            sent = await tenant.ledger.acknowledged()
            apart = self.refused.get(tenant.bucket_id, set())
            expected = {at: value for at, value in sent.items() if at not in apart}
            await until_async(lambda tenant=tenant, expected=expected: self._equals(tenant, expected), limit_s=60.0)  # type: ignore[misc]
        await until(lambda: not self.kept(), limit_s=RECOVERED_WITHIN_S)
        await until(lambda: self.set_aside() == self._to_be_set_aside)
        self.site.check_requests(*self.everybody)
        assert self.site.place.settings.spool_path.stat().st_size <= self.site.place.settings.spool_max_bytes * 1.2

    async def _equals(self, tenant: Tenant, expected: Mapping[datetime, float]) -> bool:
        return self.site.points(tenant) == expected

    async def ended_well(self, process: BridgeProcess) -> None:
        """The process is as small as it should be, has failed on nothing, and stops in order."""
        assert process.resident_bytes < MOST_RESIDENT_BYTES
        process.terminate()
        assert await process.ended() == 0
        records = process.records()
        assert [record for record in records if "exception" in record] == []
        (last,) = [record for record in records if record["event"] == "bridge.stopped"]
        assert (last["in_window"], last.get("faults", 0)) == (0, 0)


@asynccontextmanager
async def arena(
    folder: Path, seed: int, owners: int, *, ledger_age_s: int = 9_000, **settings: object
) -> AsyncIterator[Arena]:
    """Everything built, so many owners paired and publishing, no bridge yet."""
    async with AsyncExitStack() as stack:
        influx = await stack.enter_async_context(FakeInflux(operator_token=OPERATOR))
        server = stack.enter_context(broker(folder / "broker"))
        store_road = await stack.enter_async_context(fault_proxy(influx.port))
        broker_road = await stack.enter_async_context(fault_proxy(server.port))
        address = f"http://127.0.0.1:{store_road.port}"
        chosen = (
            QUICK | {"influx_url": address, "mqtt_port": broker_road.port, "mqtt_loggers_port": server.port} | settings
        )
        place = await stack.enter_async_context(home(folder, server, "", **chosen))
        publishing = await stack.enter_async_context(AsyncExitStack())
        made = Arena(
            Site(place, influx, server=address),
            broker_road,
            store_road,
            settings=chosen,
            seed=seed,
            publishing=publishing,
        )
        for _ in range(owners):
            await made.tenant(seconds_ago=ledger_age_s)
        yield made
