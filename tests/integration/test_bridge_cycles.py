"""Cycles of scalars on real parts: killed in the middle, sent only on change, repeated by a home bridge."""

import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridge.keeper import Outcome
from schema.models import Rung
from tests.bridge_process import BridgeProcess
from tests.bridge_set_up import SECRET, Home, Paired, Publisher, bridge, home, reached, settled
from tests.broker import Broker, broker
from tests.services import found, free_port
from tests.waiting import until, until_async

pytestmark = pytest.mark.integration


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Broker]:
    """A broker of this test's own."""
    with broker(tmp_path / "broker") as running:
        yield running


@pytest.fixture
async def place(tmp_path: Path, server: Broker) -> AsyncIterator[Home]:
    """SQLite and the embedded store beside the broker."""
    async with home(tmp_path, server) as made:
        yield made


def _stored(place: Home, *names: str) -> list[tuple[int | None, ...]]:
    """Every point of the store, in order: when, and these quantities as the file keeps them."""
    columns = ", ".join(f'"{name}"' for name in names)
    connection = sqlite3.connect(f"file:{place.settings.readings_path}?mode=ro", uri=True)
    try:
        return connection.execute(f"SELECT at_ms, {columns} FROM point ORDER BY at_ms").fetchall()
    except sqlite3.OperationalError:
        return []
    finally:
        connection.close()


async def test_a_crash_in_the_middle_of_a_cycle_opens_another_one_for_the_rest(place: Home) -> None:
    """What was acknowledged has its time and does not come again; what was not is stored once, with its new arrival."""
    alice = await place.pair()
    first = BridgeProcess(place)
    await first.ready()
    async with Publisher(place.broker, alice.login) as logger:
        await logger.send(alice.topic("ac/active_power"), "1.0")
        await until(lambda: len(_stored(place, "ac_power")) == 1)
        began_ms = time.time() * 1000
        # Held for its neighbours when the process dies: redelivered.
        await logger.send(alice.topic("day_energy"), "2.0")
        await first.kill()
        await logger.send(alice.topic("ac/l1/voltage"), "230.0")
        second = BridgeProcess(place)
        await until(lambda: len(_stored(place, "ac_power")) == 2)
    second.terminate()
    await second.ended()

    one, other = _stored(place, "ac_power", "day_energy", "ac_l1_voltage")
    assert one[1:] == (10, None, None)
    assert other[1:] == (None, 2000, 23_000)
    assert other[0] is not None
    assert other[0] >= began_ms


async def test_a_publisher_that_sends_only_what_changed_gets_a_point_for_each_change(place: Home) -> None:
    """No topic is repeated, nothing marks the cycle: what comes after a pause is not given the time before it."""
    alice = await place.pair()
    async with bridge(place) as one, Publisher(place.broker, alice.login) as logger:
        await logger.send(alice.topic("ac/active_power"), "1.0")
        await settled(one, 1)
        await logger.send(alice.topic("ac/active_power"), "2.0")
        await logger.send(alice.topic("day_energy"), "0.1")
        await settled(one, 3)
        await logger.send(alice.topic("day_energy"), "0.2")
        await settled(one, 4)

    assert [row[1:] for row in _stored(place, "ac_power", "day_energy")] == [(10, None), (20, 100), (None, 200)]


class HomeBroker:
    """Alice's own Mosquitto, which passes on everything it gets below her login."""

    def __init__(self, folder: Path, place: Home, alice: Paired) -> None:
        folder.mkdir()
        self.port = free_port()
        self._log = folder / "log"
        user = "root" if os.geteuid() == 0 else "mosquitto"
        lines = [
            f"listener {self.port} 127.0.0.1", "allow_anonymous true", f"user {user}", "log_dest stderr",
            "persistence true", f"persistence_location {folder}/",
            "connection hers", f"address 127.0.0.1:{place.broker.port}", "bridge_protocol_version mqttv311",
            f"remote_username {alice.login}", f"remote_password {SECRET}", f"topic # out 1 \"\" deye/{alice.login}/",
            "notifications false", "try_private false", "restart_timeout 1",
        ]  # fmt: skip
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
        self._command = [
            found("mosquitto", Path("/usr/sbin"), Path("/usr/local/sbin")),
            "-c",
            f"{folder}/mosquitto.conf",
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)

    def stop(self) -> None:
        """End in order: retained values are saved."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(10)

    async def publish(self, tail: str, value: str) -> None:
        """What a publisher at home sends, retained."""
        command = ["mosquitto_pub", "-p", str(self.port), "-t", tail, "-m", value, "-r", "-q", "1"]

        def sent() -> bool:
            return subprocess.run(command, check=False, capture_output=True).returncode == 0

        await until(sent)


@contextmanager
def _home_broker(folder: Path, place: Home, alice: Paired) -> Iterator[HomeBroker]:
    one = HomeBroker(folder, place, alice)
    one.start()
    try:
        yield one
    finally:
        one.stop()


async def test_what_a_home_bridge_repeats_after_its_restart_is_no_reading(place: Home, tmp_path: Path) -> None:
    """Its retained values come again as live messages; only what is new becomes a point."""
    alice = await place.pair()
    async with bridge(place) as one:
        with _home_broker(tmp_path / "home", place, alice) as hers:
            await reached(place, alice, Rung.LOGIN_ACCEPTED)
            await hers.publish("ac/active_power", "412.5")
            await hers.publish("day_energy", "1.7")
            await reached(place, alice, Rung.VALUES_PLAUSIBLE)
            await until(lambda: {10 * row[1] for row in _stored(place, "ac_power") if row[1]} == {41250})
            before = _stored(place, "ac_power", "day_energy")
            hers.stop()
            hers.start()

            async def repeated() -> bool:
                return one.counters.not_readings["repeat"] == 2

            await until_async(repeated, limit_s=15.0)
            await hers.publish("day_energy", "1.8")
            await until(lambda: len(_stored(place, "ac_power")) == len(before) + 1)

    assert _stored(place, "ac_power", "day_energy")[: len(before)] == before
    assert _stored(place, "ac_power", "day_energy")[-1][1:] == (None, 1800)
    assert one.counters.outcomes[Outcome.DEAD_LETTERED] == 0
