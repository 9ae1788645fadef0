"""The lease of several hosts, asked over a connection that PostgreSQL or the network has ended."""

import asyncio

import asyncpg
import pytest

from bridge.edges.database_lease import Answer, DatabaseLease
from tests.services import Postgres

pytestmark = pytest.mark.integration


class _Torn:
    """A session that was cut in the middle of an answer; asyncpg 0.32 says this of the next question (seen)."""

    async def execute(self, *_: object) -> None:
        raise asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress")

    def terminate(self) -> None:
        """Nothing is left to end."""


async def test_a_lease_whose_session_was_torn_is_away_and_is_taken_again(postgres_server: Postgres) -> None:
    """Whatever the driver calls it, the bridge goes on and asks over a new connection."""
    url = postgres_server.fresh("torn_lease")
    lease = DatabaseLease(url, "")
    taken = await lease.ask()
    lease._session.terminate()
    lease._session = _Torn()

    torn = await lease.ask()
    async with asyncio.timeout(10):
        # The server frees the lock when it has noticed that the first session is gone.
        while (again := await lease.ask()) is not Answer.OURS:
            assert again is Answer.AWAY
            await asyncio.sleep(0.01)
    lease.drop()

    assert (taken, torn) == (Answer.OURS, Answer.AWAY)
