"""An owner moves to another InfluxDB server while his logger publishes: a real broker, the whole bridge, and a
provisioner that dies at the worst moments.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from bridge.app import Bridge
from portal.provisioner import saga
from portal.provisioner.backoff import Backoff
from portal.provisioner.influx_places import InfluxPlaces
from portal.provisioner.making import Keeping, Making
from portal.provisioner.moving import Moving
from portal.provisioner.remains import Remains
from schema.changes import registry_changed
from schema.database import reading
from schema.models import MoveState, OwnerMove, OwnerPlacement, PlacementState
from schema.sealing import AesSealer
from schema.timeseries.stores import open_copier, open_manager
from tests.bridge_set_up import Home, Paired, Publisher, bridge, home
from tests.broker import broker
from tests.fake_influx import FakeInflux
from tests.influx_site import OPERATOR
from tests.ledger import Ledger
from tests.mortality import Killed, Mortality
from tests.waiting import until, until_async

pytestmark = pytest.mark.faults
KEEPING = Keeping.of(retention_days=0, shard_group_weeks=52)


class Removal:
    """Alice's inverter with a place on the first of two servers. The provisioner's clock is ``later``."""

    def __init__(self, place: Home, paired: Paired, servers: tuple[FakeInflux, FakeInflux]) -> None:
        self.place = place
        self.paired = paired
        self.ledger = Ledger(paired)
        self.old, self.new = servers
        self.later = timedelta()
        self._managers = {one.url: open_manager(one.url, OPERATOR) for one in servers}
        self._copier = open_copier()
        self._sealer = AesSealer(place.settings.token_key.get_secret_value())

    def _now(self) -> datetime:
        return datetime.now(UTC) + self.later

    async def provision(self) -> None:
        """As the saga does."""
        async with self.place.sessions.begin() as session:
            home = update(OwnerPlacement).where(OwnerPlacement.owner_id == self.paired.owner_id)
            await session.execute(home.values(server=self.old.url, state=PlacementState.PENDING))
        places = InfluxPlaces(
            self.place.sessions, self._managers[self.old.url], self._sealer, server=self.old.url, keeping=KEEPING,
            now=self._now, backoff=_impatient(),
        )  # fmt: skip
        await places.turn()

    async def ask(self) -> None:
        """To the second server, please."""
        now = self._now()
        async with self.place.sessions.begin() as session:
            await registry_changed(session, owner_id=self.paired.owner_id)
            row = OwnerMove(owner_id=self.paired.owner_id, server=self.new.url, started_at=now, updated_at=now)
            session.add(row)

    async def turn(self, mortality: Mortality | None = None) -> None:
        """The provisioner goes on, as a new process; perhaps not for long."""
        managers: dict[str, Any] = dict(self._managers)
        sessions: Any = self.place.sessions
        copier: Any = self._copier
        if mortality:
            managers = {url: mortality.manager(manager) for url, manager in managers.items()}
            sessions, copier = mortality.sessions(sessions), mortality.manager(copier)
        moving = Moving(
            sessions,
            {url: Making(manager, self._sealer, KEEPING) for url, manager in managers.items()},
            {url: Remains(manager) for url, manager in managers.items()},
            copier, self._sealer, retention_s=0, now=self._now, backoff=_impatient(),
        )  # fmt: skip
        await moving.turn()

    async def state(self) -> MoveState:
        """Of the move."""
        async with reading(self.place.sessions) as session:
            return MoveState((await session.get_one(OwnerMove, self.paired.owner_id)).state)

    async def held(self) -> bool:
        """Whether new readings are to wait in the spool."""
        async with reading(self.place.sessions) as session:
            home = await session.get_one(OwnerPlacement, self.paired.owner_id)
        return home.state == PlacementState.MOVING

    def points(self, server: FakeInflux) -> dict[datetime, float]:
        """What the inverter's bucket holds there."""
        name = saga.bucket_name(self.paired.inverter_id)
        return {
            datetime.fromtimestamp(at_ms / 1000, UTC): float(fields["ac_power"])
            for bucket in server.state.buckets.values()
            for (_, at_ms), fields in bucket.points.items()
            if bucket.name == name
        }

    async def close(self) -> None:
        """Give the connections back."""
        await self._copier.close()
        for manager in self._managers.values():
            await manager.close()


def _impatient() -> Backoff:
    return Backoff(lambda: 0.0, lambda: 1.0)


@pytest.fixture
async def removal(tmp_path: Path) -> AsyncIterator[Removal]:
    """Two servers, a broker, and nobody on the move."""
    async with FakeInflux(operator_token=OPERATOR) as old, FakeInflux(operator_token=OPERATOR) as new:
        with broker(tmp_path / "broker") as server:
            async with home(tmp_path, server, influx_url=old.url, hold_s=0.5, probe_s=0.2) as place:
                made = Removal(place, await place.pair(state=PlacementState.PENDING), (old, new))
                await made.provision()
                yield made
                await made.close()


@asynccontextmanager
async def publishing(removal: Removal) -> AsyncIterator[Bridge]:
    """A logger that goes on and on beside everything."""
    async with bridge(removal.place) as one, Publisher(removal.place.broker, removal.paired.login) as logger:
        removal.ledger.throw(logger, 200)
        await removal.ledger.acknowledged()

        async def on_and_on() -> None:
            while True:
                removal.ledger.throw(logger, 5)
                await removal.ledger.acknowledged()

        task = asyncio.create_task(on_and_on())
        try:
            yield one
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await removal.ledger.acknowledged()
        await until_async(lambda: _nothing_kept(one))


async def _nothing_kept(one: Bridge) -> bool:
    return not await one.spool.backlog()


@pytest.mark.parametrize("dies", ["never", "everywhere"])
async def test_what_is_published_during_a_move_is_at_the_new_server_once(removal: Removal, dies: str) -> None:
    """Every acknowledged reading, with its value, and no other; the page had everything at the switch."""
    async with publishing(removal) as one:
        await removal.ask()
        if dies == "everywhere":
            for boundary in range(3, 60, 8):
                try:
                    await removal.turn(Mortality(boundary))
                except Killed:
                    count = len(removal.ledger.sent)
                    await until(lambda count=count: len(removal.ledger.sent) > count + 10)  # type: ignore[misc]
        while await removal.state() != MoveState.SWITCHED:
            await removal.turn()
        assert not await removal.held()
        await _arrives(removal, lambda points: len(points) > 200)
        removal.later = timedelta(minutes=2)
        await removal.turn()
        assert await removal.state() == MoveState.DONE
        at_the_end = len(removal.points(removal.old))
        await until(lambda: len(removal.points(removal.new)) > at_the_end)
        await until_async(lambda: _nothing_kept(one))

    assert removal.points(removal.new) == removal.ledger.sent
    assert len(removal.points(removal.old)) == at_the_end < len(removal.ledger.sent)


async def _arrives(removal: Removal, enough: Callable[[dict[datetime, float]], bool]) -> None:
    await until(lambda: enough(removal.points(removal.new)))
