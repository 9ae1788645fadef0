"""PostgreSQL behind a network that falls silent: a dead listener is noticed, replaced, and none is left behind."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from bridge.ports import RegistryUnavailable
from schema.database import create_engine_for
from tests.registry_set_up import PATIENCE_S, Site, site
from tests.services import Postgres
from tests.stalling_proxy import StallingProxy, stalling_proxy
from tests.waiting import until, until_async

pytestmark = pytest.mark.faults

# A ping every two seconds that is given three, a second until the next connection, and two for a dead one in the pool.
NOTICED_WITHIN_S = 10.0


@pytest.fixture
async def place(tmp_path: Path, postgres_server: Postgres) -> AsyncIterator[Site]:
    """PostgreSQL, reached directly."""
    async with site(tmp_path, postgres_server.fresh("registry_network")) as made:
        yield made


@pytest.fixture
async def proxy(place: Site) -> AsyncIterator[StallingProxy]:
    """The same server behind a network that can fall silent."""
    async with stalling_proxy(place.engine.url.port or 0) as made:
        yield made


def _through(place: Site, proxy: StallingProxy) -> str:
    return place.url.replace(f":{place.engine.url.port}/", f":{proxy.port}/")


async def _listeners(place: Site) -> set[int]:
    """The server processes of connections that have asked to be told of registry changes and are still there."""
    engine = create_engine_for(place.url)
    try:
        async with engine.connect() as connection:
            asks = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query = 'SELECT 1'"
            return set((await connection.execute(text(asks))).scalars().all())
    finally:
        await engine.dispose()


async def test_a_half_open_listener_is_replaced_and_none_is_left_over(place: Site, proxy: StallingProxy) -> None:
    """Both ends believe in the connection and nothing comes through: within seconds changes arrive by another one, and
    the server ends the abandoned one.
    """
    async with place.registry(url=_through(place, proxy), sweep_s=600.0) as bridge:
        await bridge.applied(0)
        before = await until_async(lambda: _listeners(place))
        proxy.stall()
        login, _ = await place.pair()
        await until(lambda: bridge.knows(login), limit_s=NOTICED_WITHIN_S)

        async def others() -> set[int]:
            return await _listeners(place) - before

        after = await until_async(others)
        second, _ = await place.pair()
        await until(lambda: bridge.knows(second), limit_s=NOTICED_WITHIN_S)

        async def only_one() -> bool:
            return await _listeners(place) == after

        await until_async(only_one)

    assert (len(before), len(after)) == (1, 1)


async def test_a_silent_database_is_an_absent_one(place: Site, proxy: StallingProxy) -> None:
    """Not an error and not an answer: whoever asks is told in time that nobody could be asked."""
    login, _ = await place.pair()
    async with place.registry(url=_through(place, proxy)) as bridge:
        await until(lambda: bridge.knows(login))
        proxy.refuse()
        with pytest.raises(RegistryUnavailable):
            await bridge.registry.look_up(["AAAAAAAAAA"])
        proxy.resume()
        new, _ = await place.pair()
        await until(lambda: bridge.knows(new), limit_s=NOTICED_WITHIN_S + 3 * PATIENCE_S)

    assert bridge.knows(login)


async def test_a_bridge_starts_while_nobody_answers(place: Site, proxy: StallingProxy) -> None:
    """The network is cut before the start: the snapshot serves within the time that an answer is waited for."""
    login, _ = await place.pair()
    async with place.registry():
        await until(lambda: login in place.snapshot.load()[0])
    proxy.refuse()
    async with place.registry(url=_through(place, proxy)) as bridge:
        known = bridge.knows(login)
        proxy.resume()
        await bridge.applied(1, limit_s=NOTICED_WITHIN_S)

    assert known
