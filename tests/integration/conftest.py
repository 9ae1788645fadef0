"""A portal nobody has signed up to, and two people at their browsers; ``the_cast`` is for everybody signed up."""

from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from schema.settings import BrokerEdge
from tests.broker import Broker, broker
from tests.people import Person
from tests.portal_app import RunningPortal, running_portal
from tests.publisher import SECRET
from tests.session_set_up import LOGIN


@pytest.fixture
async def portal(tmp_path: Path) -> AsyncGenerator[RunningPortal, None]:
    """A portal nobody has signed up to."""
    async with running_portal(tmp_path) as running:
        yield running


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
