"""A portal nobody has signed up to, two people at their browsers, and one where everybody is signed up (``cast``)."""

from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from schema.settings import BrokerEdge
from tests.broker import Broker, broker
from tests.people import Cast, Person, the_cast
from tests.portal_app import RunningPortal, running_portal
from tests.publisher import SECRET
from tests.session_set_up import LOGIN


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
