"""The broker is restarted and killed, the database goes away: nothing that was acknowledged is lost."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.keeper import Outcome
from schema.models import ClaimState, Rung
from tests.bridge_set_up import Home, Publisher, bridge, home, outcomes, reached, settled
from tests.broker import broker
from tests.ledger import Ledger
from tests.services import Postgres
from tests.waiting import until, until_async

pytestmark = pytest.mark.faults


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Home]:
    """SQLite and the embedded store beside a broker."""
    with broker(tmp_path / "broker") as server:
        async with home(tmp_path, server) as made:
            yield made


async def test_a_restarted_broker_loses_nothing_it_has_acknowledged(place: Home) -> None:
    """It saves its queue; publishers and the bridge come back by themselves."""
    alice = await place.pair()
    ledger = Ledger(alice)
    async with bridge(place) as one, Publisher(place.broker, alice.login) as logger:
        ledger.throw(logger, 300)
        await until(lambda: one.session.window.settled > 50)
        place.broker.stop()
        ledger.throw(logger, 100)
        place.broker.start()
        await until(lambda: one.session.subscribed)
        ledger.throw(logger, 100)
        sent = await ledger.acknowledged()

        async def complete() -> bool:
            return await place.points(alice) == sent

        await until_async(complete, limit_s=30.0)
        window = one.session.window
        await until(lambda: not len(window))

        assert window.received == window.settled + window.dropped


async def test_a_killed_broker_finds_its_bridge_again(place: Home) -> None:
    """What it had not saved is its own loss; everything afterwards arrives."""
    alice = await place.pair()
    async with bridge(place) as one, Publisher(place.broker, alice.login) as logger:
        await logger.send(alice.topic(), {"ac_power": 1.0})
        await settled(one, 1)
        place.broker.kill()
        await until(lambda: not one.session.subscribed)
        place.broker.start()
        await until(lambda: one.session.subscribed)
        await logger.send(alice.topic(), {"ac_power": 2.0})

        async def arrived() -> bool:
            return (await place.latest(alice))["ac_power"].value == 2.0

        # The first one may come, and be settled, once more before it.
        await until_async(arrived)


async def test_a_bridge_starts_and_stores_while_the_database_is_away(tmp_path: Path, postgres_server: Postgres) -> None:
    """From the last snapshot; a login it does not know is kept as it came and stored when the database is back."""
    url = postgres_server.fresh("bridge_without_database")
    with broker(tmp_path / "broker") as server:
        async with home(tmp_path, server, url) as place:
            alice = await place.pair()
            async with bridge(place) as first, Publisher(server, alice.login) as logger:
                await logger.send(alice.topic(), {"ac_power": 1.0})
                await settled(first, 1)
                first.registry.refetch()
                await until(lambda: b"active" in place.settings.snapshot_path.read_bytes())
            bob = await place.pair(serial="2722222222")
            postgres_server.close(url)

            async with (
                bridge(place) as second,
                Publisher(server, alice.login) as hers,
                Publisher(server, bob.login) as his,
            ):
                await hers.send(alice.topic(), {"ac_power": 2.0})
                await his.send(bob.topic(), {"ac_power": 3.0})
                await settled(second, 2)
                without_database = (await place.latest(alice))["ac_power"].value
                ended = outcomes(second)
                postgres_server.open(url)

                async def stored() -> object:
                    return (await place.latest(bob)).get("ac_power")

                sample = await until_async(stored, limit_s=60.0)

            assert without_database == 2.0
            assert ended == {Outcome.WRITTEN: 1, Outcome.SPOOLED: 1}
            assert sample is not None
            assert await place.claim(bob) == ClaimState.ACTIVE


async def test_the_database_may_go_and_come_while_the_bridge_runs(tmp_path: Path, postgres_server: Postgres) -> None:
    """Known logins are stored meanwhile; afterwards changes are heard of again."""
    url = postgres_server.fresh("bridge_database_gone")
    with broker(tmp_path / "broker") as server:
        async with home(tmp_path, server, url, live_database_url=url) as place:
            alice = await place.pair()
            async with bridge(place) as one, Publisher(server, alice.login) as logger:
                await logger.send(alice.topic(), {"ac_power": 1.0})
                await settled(one, 1)
                postgres_server.close(url)
                await logger.send(alice.topic(), {"ac_power": 2.0})
                await logger.send(alice.topic(), "not json")
                await settled(one, 3)
                without_database = (await place.latest(alice))["ac_power"].value
                await until(lambda: one.counters.live_failures > 0)
                postgres_server.open(url)
                await until_async(place.letters)
                bob = await place.pair(serial="2722222222")
                async with Publisher(server, bob.login) as his:
                    await his.send(bob.topic(), {"ac_power": 3.0})
                    await settled(one, 4)
                row = await reached(place, bob, Rung.VALUES_PLAUSIBLE)

            assert without_database == 2.0
            assert row.values == {"ac_power": 3.0}
