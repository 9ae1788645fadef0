"""People at portals, a broker with one publisher, and an estate beside an InfluxDB: what several files begin with."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from pathlib import Path

import pytest

from schema.settings import BrokerEdge
from schema.timeseries.management import StoreManager
from tests.broker import Broker, broker
from tests.estate import Estate, estate
from tests.people import Cast, Person, the_cast
from tests.portal_app import RunningPortal, running_portal
from tests.publisher import SECRET
from tests.session_set_up import LOGIN
from tests.store_set_ups import STORES, StoreSetUp, opened


@pytest.fixture
async def portal(tmp_path: Path) -> AsyncGenerator[RunningPortal, None]:
    """A portal nobody has signed up to."""
    async with running_portal(tmp_path) as running:
        yield running


@pytest.fixture
async def cast(tmp_path: Path) -> AsyncGenerator[Cast, None]:
    """Everybody signed up at a portal of their own. A file whose portal is another has a fixture of this name."""
    async with running_portal(tmp_path) as portal, the_cast(portal) as people:
        yield people


@pytest.fixture
async def cast_on_each(tmp_path: Path, database_url: str) -> AsyncGenerator[Cast, None]:
    """The same over each kind of database in turn, for what the database has a say in."""
    async with running_portal(tmp_path, database_url=database_url) as portal, the_cast(portal) as people:
        yield people


@pytest.fixture
async def alice(portal: RunningPortal) -> AsyncGenerator[Person, None]:
    """Alice, who has heard of the portal."""
    async with portal.browser() as http:
        yield Person("alice", http)


@pytest.fixture
async def bob(portal: RunningPortal) -> AsyncGenerator[Person, None]:
    """Bob, at another browser."""
    async with portal.browser() as http:
        yield Person("bob", http)


@pytest.fixture(params=list(BrokerEdge))
def edge(request: pytest.FixtureRequest) -> BrokerEdge:
    """Each library under the session: both keep one contract."""
    return BrokerEdge(request.param)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Broker]:
    """A broker that knows one publisher."""
    with broker(tmp_path / "broker") as running:
        running.allow({LOGIN: SECRET})
        yield running


@pytest.fixture(params=STORES[1:])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StoreSetUp]:
    """The fake InfluxDB and the real one in turn. A file that is about every store has a fixture of this name."""
    async with opened(request.param, request, tmp_path) as one:
        yield one


@pytest.fixture
def manager(store: StoreSetUp) -> StoreManager:
    """With the operator token: the hand that changes things."""
    assert store.manager is not None
    return store.manager


@pytest.fixture
async def place(tmp_path: Path, store: StoreSetUp) -> AsyncIterator[Estate]:
    """Nobody's yet, on SQLite, beside that store. The bridge's tests have homes of this name."""
    async with estate(tmp_path, f"sqlite:///{tmp_path}/deye.db", store) as one:
        yield one
