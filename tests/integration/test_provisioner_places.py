"""The saga that makes an owner's and an inverter's place in InfluxDB, killed after every single step."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from portal.provisioner import saga
from portal.provisioner.backoff import Backoff
from portal.provisioner.embedded_places import EmbeddedPlaces
from portal.provisioner.influx_places import InfluxPlaces
from portal.provisioner.making import Keeping
from portal.provisioner.placing import Placing, Room
from schema.changes import registry_version
from schema.database import Sessions, create_engine_for, reading, sessions_for
from schema.models import Inverter, Owner, OwnerPlacement, Placement, PlacementState
from schema.sealing import AesSealer
from schema.timeseries.kinds import StoreKind
from schema.timeseries.port import Destination, StoreMisconfigured, StoreUnavailable
from schema.timeseries.stores import open_manager, open_writer
from tests.databases import bring_up_to_date
from tests.fake_influx import FakeInflux
from tests.influx import RealInflux, set_up

pytestmark = pytest.mark.integration
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
SEALER = AesSealer("k1k1k1k1k1k1k1k1k1k1k1k1k1k1k1k1k1k1k1k1k1k=")
KEEPING = Keeping.of(retention_days=730, shard_group_weeks=52)


class Killed(Exception):
    """The provisioner dies here; no part of it may catch this."""


class MortalManager:
    """A manager whose process dies at its n-th call, before or after InfluxDB has done what was asked."""

    def __init__(self, inner: Any, *, dies_at: int, after: bool) -> None:
        self._inner = inner
        self._left = dies_at
        self._after = after

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(*arguments: object, **named: object) -> object:
            self._left -= 1
            if self._left == 0 and not self._after:
                raise Killed
            answer = await getattr(self._inner, name)(*arguments, **named)
            if self._left == 0:
                raise Killed
            return answer

        return call


class AwayManager:
    """A server that does not answer, or refuses everything."""

    def __init__(self, error: Exception) -> None:
        self.calls = 0
        self._error = error

    def __getattr__(self, _: str) -> Callable[..., Any]:
        async def call(*_: object, **__: object) -> object:
            self.calls += 1
            raise self._error

        return call


class Refusing:
    """A manager whose server takes everything but one organisation."""

    def __init__(self, inner: Any, refused: str) -> None:
        self._inner = inner
        self.refused = refused

    async def find_or_create_organisation(self, name: str) -> str:
        """Refused for one name."""
        if name == self.refused:
            raise StoreMisconfigured("no such name", status=422)
        return str(await self._inner.find_or_create_organisation(name))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@dataclass(slots=True)
class Home:
    """A database with Alice and her inverter, both waiting for a place."""

    sessions: Sessions
    owner_id: UUID
    inverter_id: UUID

    async def rows(self) -> tuple[OwnerPlacement, Placement]:
        """Both rows as they stand."""
        async with reading(self.sessions) as session:
            owner = await session.get(OwnerPlacement, self.owner_id)
            inverter = await session.get(Placement, self.inverter_id)
        assert owner is not None
        assert inverter is not None
        return owner, inverter


@asynccontextmanager
async def _home(url: str) -> AsyncIterator[Home]:
    engine = create_engine_for(url)
    await bring_up_to_date(engine)
    home = Home(sessions_for(engine), uuid4(), uuid4())
    async with home.sessions.begin() as session:
        session.add(Owner(id=home.owner_id, name="Alice", created_at=NOW))
        await session.flush()
        session.add(OwnerPlacement(owner_id=home.owner_id, updated_at=NOW))
        session.add(Inverter(id=home.inverter_id, owner_id=home.owner_id, name="x", serial="S23456", created_at=NOW))
        await session.flush()
        session.add(Placement(inverter_id=home.inverter_id, updated_at=NOW))
    try:
        yield home
    finally:
        await engine.dispose()


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    """On SQLite: the database's kind makes no difference to the steps."""
    async with _home(f"sqlite:///{tmp_path}/deye.db") as one:
        yield one


class Chosen:
    """The choice of a server, then that one server's places."""

    def __init__(self, home: Home, places: InfluxPlaces, server: str) -> None:
        self._placing = Placing(home.sessions, [Room(server, 10)], now=lambda: NOW)
        self._places = places

    async def turn(self) -> float | None:
        """As the provisioner's tasks take their turns."""
        await self._placing.turn()
        return await self._places.turn()


def _places(home: Home, manager: Any, server: str, clock: Callable[[], float] = lambda: 0.0) -> Chosen:
    places = InfluxPlaces(
        home.sessions,
        manager,
        SEALER,
        server=server,
        keeping=KEEPING,
        now=lambda: NOW,
        backoff=Backoff(clock, lambda: 1.0),
    )
    return Chosen(home, places, server)


# Onboarding, organisation looked for and made, three tokens, bucket: seven calls, each killed before and after.
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("dies_at", range(1, 8))
async def test_a_provisioner_killed_at_any_step_ends_with_one_of_each(home: Home, dies_at: int, after: bool) -> None:
    """One organisation, one bucket, three tokens, all stored, whenever the process dies."""
    token = secrets.token_urlsafe()
    async with FakeInflux() as server:
        manager = open_manager(server.url, token)
        with pytest.raises(Killed):
            await _places(home, MortalManager(manager, dies_at=dies_at, after=after), server.url).turn()

        await _places(home, manager, server.url).turn()
        await manager.close()

    owner, inverter = await home.rows()
    ours = [one for one in server.state.authorizations.values() if not one.operator]
    assert sorted(server.state.organisations.values()) == ["operator", f"owner-{home.owner_id}"]
    assert [one.name for one in server.state.buckets.values() if one.name != "operator"] == [inverter.bucket_name]
    assert {one.id for one in ours} == {
        owner.read_authorization_id,
        inverter.bridge_authorization_id,
        inverter.external_authorization_id,
    }
    assert len(ours) == 3
    assert (owner.state, inverter.state) == (PlacementState.READY, PlacementState.READY)
    assert (owner.last_error, inverter.last_error) == ("", "")


async def test_the_tokens_do_what_their_names_say_and_no_more(home: Home, influx_server: RealInflux) -> None:
    """On a real InfluxDB: both write tokens write into this bucket, the read token does not."""
    await set_up(influx_server)
    manager = open_manager(influx_server.url, influx_server.operator_token)
    await _places(home, manager, influx_server.url).turn()
    await manager.close()
    owner, inverter = await home.rows()
    assert owner.read_token_sealed is not None
    assert inverter.bridge_token_sealed is not None
    assert inverter.external_token_sealed is not None
    tokens = {
        "bridge": SEALER.open(inverter.bridge_token_sealed, row=saga.write_row(home.inverter_id, "bridge")),
        "external": SEALER.open(inverter.external_token_sealed, row=saga.write_row(home.inverter_id, "external")),
        "read": SEALER.open(owner.read_token_sealed, row=saga.read_row(home.owner_id)),
    }
    writer = open_writer(StoreKind.INFLUX2, path=Path("unused"))

    async def write(token: str) -> None:
        place = Destination(home.inverter_id, home.owner_id, influx_server.url, owner.org_id, inverter.bucket_id, token)
        await writer.write(place, [f"reading ac_power=1.0 {int(datetime.now(UTC).timestamp() * 1000)}".encode()])

    await write(tokens["bridge"])
    await write(tokens["external"])
    with pytest.raises(StoreMisconfigured):
        await write(tokens["read"])
    await writer.close()


async def test_a_server_that_is_away_is_tried_again_later_and_says_so_in_every_row(home: Home) -> None:
    """One call per try, not one per row; the rows name the reason; after the wait it goes on."""
    now = [0.0]
    manager = AwayManager(StoreUnavailable("connection refused"))
    places = _places(home, manager, "http://influxdb.invalid", lambda: now[0])

    waits = [await places.turn(), await places.turn()]
    calls = manager.calls
    now[0] += 1.0
    await places.turn()
    owner, inverter = await home.rows()

    assert waits[0] == pytest.approx(1.0)
    assert (calls, manager.calls) == (1, 2)
    assert "does not answer" in owner.last_error
    assert "does not answer" in inverter.last_error
    assert owner.state == PlacementState.PENDING


async def test_one_owners_trouble_does_not_hold_back_the_next(home: Home) -> None:
    """A row that can never be made ready notes why; Bob gets his place in the same turn."""
    bob = uuid4()
    async with home.sessions.begin() as session:
        session.add(Owner(id=bob, name="Bob", created_at=NOW))
        await session.flush()
        session.add(OwnerPlacement(owner_id=bob, updated_at=NOW))

    async with FakeInflux() as server:
        manager = open_manager(server.url, "operator-token")
        await _places(home, Refusing(manager, f"owner-{home.owner_id}"), server.url).turn()
        await manager.close()
    async with reading(home.sessions) as session:
        rows = {row.owner_id: row for row in await session.scalars(select(OwnerPlacement))}

    assert rows[home.owner_id].last_error == "no such name"
    assert rows[bob].state == PlacementState.READY


async def test_a_place_that_an_administrator_wants_now_is_tried_before_its_pause_is_over(home: Home) -> None:
    """The clock stands: with its error noted the row waits, with the error emptied it gets its place."""
    async with FakeInflux() as server:
        manager = Refusing(open_manager(server.url, "operator-token"), f"owner-{home.owner_id}")
        places = _places(home, manager, server.url)
        await places.turn()
        manager.refused = ""
        await places.turn()
        waiting, _ = await home.rows()
        async with home.sessions.begin() as session:
            await session.execute(update(OwnerPlacement).values(last_error=""))
        await places.turn()
        await manager.close()
    tried, _ = await home.rows()

    assert (waiting.state, tried.state) == (PlacementState.PENDING, PlacementState.READY)


async def test_the_embedded_store_needs_no_steps(database_url: str) -> None:
    """On both databases: everything pending is ready after one turn, and a turn without work changes nothing."""
    async with _home(database_url) as home:
        places = EmbeddedPlaces(home.sessions, now=lambda: NOW)

        await places.turn()
        await places.turn()
        owner, inverter = await home.rows()
        async with reading(home.sessions) as session:
            version = await registry_version(session)

    assert (owner.state, inverter.state, version) == (PlacementState.READY, PlacementState.READY, 1)
