"""The broker is killed under load: of what it had acknowledged only its documented window may be missing.

``FAULT_BROKER_KILLS`` is their number, ``FAULT_SEED`` repeats a run, ``MOSQUITTO`` names another broker. What a run
measured is printed; the figures of 50 kills of 2.0.11 and of 2.1.2 stand in ``docs/decisions.md``.
"""

import os
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Self

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from schema.broker_files import PERSISTENCE_2_1, SNAPSHOT
from schema.timeseries.port import Destination
from tests.bridge_set_up import SECRET, Home, Paired, bridge, home
from tests.broker import Broker, broker
from tests.waiting import until

pytestmark = pytest.mark.faults

# 2.0 saves a snapshot when more than one whole second has passed since the last one, so every two seconds and a moment;
# the next longer setting would make it three. 2.1 commits each change, but answers the publisher first.
SNAPSHOT_AFTER_S = 2.9
WINDOW_2_1_MESSAGES = 1


class Recorder:
    """A store that answers at once and remembers the times of the points it was given."""

    durable = True

    def __init__(self) -> None:
        self.seen: set[int] = set()

    async def write(self, _: Destination, lines: Sequence[bytes]) -> None:
        """Durable as far as this test goes."""
        self.seen.update(int(line.rpartition(b" ")[2]) for line in lines)

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class Load:
    """A logger that numbers its readings by time and remembers when each was acknowledged (monotonic seconds)."""

    broker: Broker
    paired: Paired
    start: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0) - timedelta(days=100))
    acknowledged: dict[int, float] = field(default_factory=dict)
    sent: int = 0
    _packets: dict[int, int] = field(default_factory=dict)
    _answered: dict[int, float] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=self.paired.login, clean_session=False)
        self._client.username_pw_set(self.paired.login, SECRET)
        self._client.on_publish = lambda _, __, packet_id, ___, ____: self._answered.update(
            {packet_id: time.monotonic()}
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.max_inflight_messages_set(100)
        self._client.connect_async("127.0.0.1", self.broker.port)
        self._client.loop_start()
        await until(self._client.is_connected)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._client._reset_sockets()  # else its finaliser warns

    def throw(self) -> int:
        """Publish the next reading without waiting; its time in milliseconds is its number."""
        at = self.start + timedelta(seconds=self.sent)
        number = int(at.timestamp() * 1000)
        body = f'{{"ac_power": {self.sent % 1000}, "time": "{at.isoformat()}"}}'
        self._packets[self._client.publish(self.paired.topic(), body, qos=1).mid] = number
        self.sent += 1
        return number

    def look(self) -> None:
        """Note what was answered. paho numbers up to 65,535 and a run stays below that."""
        for packet_id, at in list(self._answered.items()):
            if packet_id in self._packets:
                self.acknowledged[self._packets.pop(packet_id)] = at
                del self._answered[packet_id]

    def cut_off(self) -> bool:
        """Whether it has noticed that the broker is gone: it has read the last acknowledgement then, and noted it."""
        if self._client.is_connected():
            return False
        self.look()
        return True

    def all_answered(self) -> bool:
        """Whether the broker has acknowledged everything."""
        self.look()
        return not self._packets


@dataclass(frozen=True, slots=True)
class Loss:
    """One kill: how many acknowledged messages are missing, how long before it the oldest was acknowledged, and how
    many of them the broker had acknowledged before it wrote the snapshot that it came back with.
    """

    messages: int
    window_s: float
    from_snapshot: int
    acknowledged: int
    bridge_present: bool


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Home]:
    """A database beside a broker."""
    with broker(tmp_path / "broker") as server:
        async with home(tmp_path, server) as made:
            yield made


async def _publish_for(load: Load, seconds: float, *, pause_s: float) -> None:
    end = time.monotonic() + seconds
    due = time.monotonic()
    while due < end:
        load.throw()
        due += pause_s
        await until(lambda due=due: time.monotonic() >= due)  # type: ignore[misc]  # due is bound


async def _one_kill(place: Home, load: Load, store: Recorder, dice: random.Random) -> Loss:
    """Load, a kill at a random moment, a new start; what is missing when everything has come to rest."""
    present = dice.random() < 0.5
    async with AsyncExitStack() as stack:
        if present:
            await stack.enter_async_context(bridge(place, store))
        await _publish_for(load, dice.uniform(0.3, 4.0), pause_s=1 / dice.choice((50, 200, 400)))
        place.broker.kill()
        killed = time.monotonic()
        await until(load.cut_off)
        before = set(load.acknowledged)
        saved = _saved_at(place.broker)
        place.broker.start()
        if not present:
            await stack.enter_async_context(bridge(place, store))
        await until(load.all_answered, limit_s=30.0)
        last = load.throw()
        await until(lambda: last in store.seen, limit_s=30.0)
        missing = before - store.seen
    # Counted once; the next kill asks for its own.
    store.seen.update(missing)
    await until(load.all_answered)
    return Loss(
        len(missing),
        max((killed - load.acknowledged[number] for number in missing), default=0.0),
        sum(load.acknowledged[number] < saved for number in missing),
        len(before),
        present,
    )


def _snapshot(broker: Broker) -> Path:
    return broker.folder / SNAPSHOT


def _saved_at(broker: Broker) -> float:
    """When the last snapshot's bytes were written, in monotonic seconds: the broker's one thread answers nobody from
    its first byte to its last, so what it acknowledged earlier is in it, however long the disk then took.
    """
    return _snapshot(broker).stat().st_mtime - time.time() + time.monotonic()


async def test_a_killed_broker_loses_no_more_than_its_window(place: Home) -> None:
    """Random moments and rates, with the bridge there and with the bridge away; afterwards all is found or counted."""
    seed = int(os.environ.get("FAULT_SEED") or random.randrange(1_000_000))
    kills = int(os.environ.get("FAULT_BROKER_KILLS") or 3)
    sys.stdout.write(f"FAULT_SEED={seed} FAULT_BROKER_KILLS={kills} {place.broker.persistence.template}\n")
    dice, store, losses = random.Random(seed), Recorder(), []
    async with Load(place.broker, await place.pair()) as load:
        async with bridge(place, store):
            first = load.throw()
            await until(lambda: first in store.seen)
            await _session_is_saved(place)
        for _ in range(kills):
            losses.append(await _one_kill(place, load, store, dice))
            sys.stdout.write(f"{losses[-1]}\n")

    if place.broker.persistence.template == PERSISTENCE_2_1:
        assert max(loss.messages for loss in losses) <= WINDOW_2_1_MESSAGES
    else:
        assert sum(loss.from_snapshot for loss in losses) == 0


async def test_the_window_is_two_seconds_a_broker_under_load_saves_that_often(place: Home) -> None:
    """The middle one of three distances: one that a busy machine stretched says nothing about the setting."""
    if place.broker.persistence.template == PERSISTENCE_2_1:
        pytest.skip("Mosquitto 2.1 commits each change")
    saved: list[float] = []
    async with Load(place.broker, await place.pair()) as load:
        while len(saved) < 4:
            assert load.sent < 3_000, f"saved only at {saved} in half a minute"
            await _publish_for(load, 0.1, pause_s=0.01)
            if _snapshot(place.broker).exists() and (at := _snapshot(place.broker).stat().st_mtime) not in saved:
                saved.append(at)
        await until(load.all_answered)

    assert statistics.median(later - at for at, later in pairwise(saved)) < SNAPSHOT_AFTER_S, saved


async def _session_is_saved(place: Home) -> None:
    """The window covers the session itself: what the broker has not saved since the bridge first came is gone too."""
    snapshot = _snapshot(place.broker)
    if place.broker.persistence.template != PERSISTENCE_2_1:
        await until(lambda: snapshot.exists() and b"bridge" in snapshot.read_bytes())
