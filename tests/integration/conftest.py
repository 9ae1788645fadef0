"""A portal nobody has signed up to, and two people at their browsers; ``the_cast`` is for everybody signed up."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.people import Person
from tests.portal_app import RunningPortal, running_portal


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
