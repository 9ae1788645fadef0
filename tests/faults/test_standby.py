"""A second bridge stands by and takes over when the first is killed, stopped, frozen or cut off; never are there two.

On one host both use one data folder; two hosts are two data folders and a PostgreSQL between them. How long each
take-over took is printed. The oracle is the ledger: what the broker has acknowledged lies in one of the two stores.
"""

import copy
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from tests.bridge_process import BridgeProcess
from tests.bridge_set_up import Home, Paired, Publisher, home
from tests.broker import broker
from tests.ledger import Ledger
from tests.services import Postgres
from tests.stalling_proxy import stalling_proxy
from tests.waiting import until, until_async

pytestmark = pytest.mark.faults

PATIENCE_S = 40.0
EXIT_LEASE_LOST = 3
_THROWN_OUT = "Client bridge already connected"


@pytest.fixture
async def one_host(tmp_path: Path) -> AsyncIterator[Home]:
    """SQLite and one data folder."""
    with broker(tmp_path / "broker") as server:
        async with home(tmp_path, server) as made:
            yield made


@pytest.fixture
async def hosts(tmp_path: Path, postgres_server: Postgres) -> AsyncIterator["Hosts"]:
    """PostgreSQL and a data folder for each of two bridges."""
    with broker(tmp_path / "broker") as server:
        async with home(tmp_path, server, postgres_server.fresh("standby")) as made:
            yield Hosts(made)


@dataclass
class Hosts:
    """Two hosts on one broker and one database."""

    place: Home

    def bridge(self, name: str, **environment: str) -> BridgeProcess:
        """A bridge on the host of this name."""
        folder = str(self.folder(name))
        return BridgeProcess(self.place, log_name=f"{name}.log", DATA_DIR=folder, **environment)

    def folder(self, name: str) -> Path:
        """The host's data folder."""
        return self.place.folder / name

    async def points(self, paired: Paired, name: str) -> dict[datetime, float]:
        """What this host's store holds of the inverter."""
        if not (self.folder(name) / "readings.db").exists():
            return {}
        host = copy.copy(self.place)
        host.settings = self.place.settings.model_copy(update={"data_dir": self.folder(name)})
        return await host.points(paired)

    async def arrived(self, ledger: Ledger) -> None:
        """Both stores together hold what was acknowledged, each reading with its value, and nothing else."""
        sent = await ledger.acknowledged()

        async def complete() -> bool:
            first, second = [await self.points(ledger.paired, name) for name in ("first", "second")]
            assert all(second[at] == value for at, value in first.items() if at in second)
            return first | second == sent

        await until_async(complete, limit_s=PATIENCE_S)


async def _standing_by(bridge: BridgeProcess) -> None:
    await until(lambda: "bridge.standing_by" in bridge.said)
    assert "broker.connected" not in bridge.said


async def _taken_over(bridge: BridgeProcess, how: str, since: float) -> float:
    """Wait until it is subscribed; how long that took."""
    await until(lambda: "bridge.ready" in bridge.said or not bridge.running, limit_s=PATIENCE_S)
    assert bridge.running, bridge.said
    took_s = time.monotonic() - since
    sys.stdout.write(f"take-over after {how}: {took_s:.1f} s\n")
    return took_s


@pytest.mark.parametrize("how", ["kill -9", "SIGTERM"])
async def test_another_host_takes_over_at_once_when_the_first_one_ends(hosts: Hosts, how: str) -> None:
    """The database frees the lease with its session; every reading is in one of the stores."""
    alice = await hosts.place.pair()
    ledger = Ledger(alice)
    first = hosts.bridge("first")
    await first.ready()
    second = hosts.bridge("second")
    await _standing_by(second)
    async with Publisher(hosts.place.broker, alice.login) as logger:
        ledger.throw(logger, 300)
        await until_async(lambda: _some(hosts, alice))
        since = time.monotonic()
        if how == "kill -9":
            await first.kill()
        else:
            first.terminate()
        took_s = await _taken_over(second, f"{how}, two hosts", since)
        ledger.throw(logger, 100)
        await hosts.arrived(ledger)
    second.terminate()

    assert took_s < 8.0
    assert await second.ended() == 0
    assert hosts.place.broker.log.count(_THROWN_OUT) == 0


async def _some(hosts: Hosts, paired: Paired) -> bool:
    return len(await hosts.points(paired, "first")) > 50


async def test_a_frozen_holder_on_another_host_loses_the_lease_and_writes_nothing_when_it_wakes(hosts: Hosts) -> None:
    """Its session in the database ends, the standby takes the broker over; awake again it ends before anything else."""
    alice = await hosts.place.pair()
    ledger = Ledger(alice)
    first = hosts.bridge("first")
    await first.ready()
    second = hosts.bridge("second")
    await _standing_by(second)
    async with Publisher(hosts.place.broker, alice.login) as logger:
        ledger.throw(logger, 1_000)
        await until_async(lambda: _some(hosts, alice))
        since = time.monotonic()
        first.freeze()
        ledger.throw(logger, 100)
        took_s = await _taken_over(second, "SIGSTOP, two hosts", since)
        ledger.throw(logger, 100)
        before = await hosts.points(alice, "first")
        kept_before = (hosts.folder("first") / "spool.db").read_bytes()
        first.wake()
        status = await first.ended()
        after = await hosts.points(alice, "first")
        await hosts.arrived(ledger)
    second.terminate()

    assert took_s < 25.0
    assert status == EXIT_LEASE_LOST
    assert "bridge.stood_still" in first.said
    assert len(after) - len(before) <= _UNDER_WAY
    assert (hosts.folder("first") / "spool.db").read_bytes() == kept_before
    assert await second.ended() == 0


# The one commit that a thread of the embedded store may have been in the middle of.
_UNDER_WAY = 1_000


async def test_a_frozen_holder_on_the_same_host_is_killed(one_host: Home) -> None:
    """It would hold the lock for ever; the kernel frees it with the process."""
    alice = await one_host.pair()
    ledger = Ledger(alice)
    first = BridgeProcess(one_host, log_name="first.log")
    await first.ready()
    second = BridgeProcess(one_host, log_name="second.log")
    await _standing_by(second)
    async with Publisher(one_host.broker, alice.login) as logger:
        ledger.throw(logger, 200)
        since = time.monotonic()
        first.freeze()
        ledger.throw(logger, 100)
        took_s = await _taken_over(second, "SIGSTOP, one host", since)
        status = await first.ended()
        sent = await ledger.acknowledged()

        async def complete() -> bool:
            return await one_host.points(alice) == sent

        await until_async(complete, limit_s=PATIENCE_S)
    second.terminate()

    assert took_s < 20.0
    assert status == -9
    assert "bridge.holder_killed" in second.said
    assert await second.ended() == 0


@pytest.mark.parametrize("how", ["kill -9", "SIGTERM"])
async def test_the_same_host_takes_over_at_once_when_the_first_one_ends(one_host: Home, how: str) -> None:
    """The kernel frees the lock."""
    first = BridgeProcess(one_host, log_name="first.log")
    await first.ready()
    second = BridgeProcess(one_host, log_name="second.log")
    await _standing_by(second)
    since = time.monotonic()
    if how == "kill -9":
        await first.kill()
    else:
        first.terminate()
    took_s = await _taken_over(second, f"{how}, one host", since)

    assert took_s < 8.0


async def test_a_holder_that_is_cut_off_from_the_database_is_replaced_by_one_that_is_not(hosts: Hosts) -> None:
    """It goes on until the other one has the lease and throws it out of the broker; then it stops, and is patient."""
    alice = await hosts.place.pair()
    ledger = Ledger(alice)
    direct = hosts.place.settings.database_url
    port = hosts.place.engine.url.port or 0
    async with stalling_proxy(port) as network, Publisher(hosts.place.broker, alice.login) as logger:
        cut = direct.replace(f":{port}/", f":{network.port}/")
        first = hosts.bridge("first", DATABASE_URL=cut)
        await first.ready()
        second = hosts.bridge("second")
        await _standing_by(second)
        ledger.throw(logger, 100)
        since = time.monotonic()
        network.refuse()
        ledger.throw(logger, 100)
        took_s = await _taken_over(second, "network cut to PostgreSQL, two hosts", since)
        status = await first.ended()
        ledger.throw(logger, 100)
        await hosts.arrived(ledger)
        third = hosts.bridge("first", DATABASE_URL=cut)
        await until(lambda: "registry" in third.said or not third.running or time.monotonic() - since > took_s + 12)

    assert took_s < 25.0
    assert status == EXIT_LEASE_LOST
    assert "bridge.taken_over" in first.said
    assert hosts.place.broker.log.count(_THROWN_OUT) == 1
    assert "lease.without_database" not in third.said
    assert second.running


async def test_a_strict_holder_stops_before_it_can_have_lost_the_lease(hosts: Hosts) -> None:
    """Cut off from the database it ends by itself, and only then does the database give the lease to another one."""
    direct = hosts.place.settings.database_url
    port = hosts.place.engine.url.port or 0
    async with stalling_proxy(port) as network:
        cut = direct.replace(f":{port}/", f":{network.port}/")
        first = hosts.bridge("first", DATABASE_URL=cut, BRIDGE_LEASE="database")
        await first.ready()
        second = hosts.bridge("second", BRIDGE_LEASE="database")
        await _standing_by(second)
        since = time.monotonic()
        network.refuse()
        status = await first.ended()
        stopped_s = time.monotonic() - since
        not_yet = "broker.connected" not in second.said
        took_s = await _taken_over(second, "network cut to PostgreSQL, strict", since)

    assert status == EXIT_LEASE_LOST
    assert "bridge.lease_lost" in first.said
    assert not_yet
    assert stopped_s < took_s
    assert hosts.place.broker.log.count(_THROWN_OUT) == 0


async def test_a_lonely_bridge_starts_without_its_database(hosts: Hosts) -> None:
    """Nobody can be asked for the lease: after a few seconds the snapshot and the host's lock must do. A strict one
    waits.
    """
    alice = await hosts.place.pair()
    port = hosts.place.engine.url.port or 0
    async with stalling_proxy(port) as network, Publisher(hosts.place.broker, alice.login) as logger:
        cut = hosts.place.settings.database_url.replace(f":{port}/", f":{network.port}/")
        first = hosts.bridge("first", DATABASE_URL=cut)
        await first.ready()
        await logger.send(alice.topic(), {"ac_power": 1.0})
        await until_async(lambda: hosts.points(alice, "first"))
        first.terminate()
        await first.ended()
        network.refuse()
        strict = hosts.bridge("second", DATABASE_URL=cut, BRIDGE_LEASE="database")
        since = time.monotonic()
        again = hosts.bridge("first", DATABASE_URL=cut)
        took_s = await _taken_over(again, "a start without the database", since)
        await logger.send(alice.topic(), {"ac_power": 2.0})

        async def stored() -> bool:
            return 2.0 in (await hosts.points(alice, "first")).values()

        await until_async(stored)
        strict_waits = "broker.connected" not in strict.said and strict.running
        strict.end()
        network.resume()
        await until(lambda: "lease.confirmed" in again.said, limit_s=PATIENCE_S)

    assert took_s < 30.0
    assert "lease.without_database" in again.said
    assert strict_waits
    assert again.running
