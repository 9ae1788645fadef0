"""The broker's queue runs over, or one login fills it with retained messages: never silently."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge import health
from bridge.app import Bridge
from bridge.broker_watch import RETAINED_OWN, RETAINED_PER_LOGIN, BrokerWatch
from bridge.observed import Observed
from schema.broker_files import QUEUE_BYTES
from schema.topics import BRIDGE_USER
from tests.bridge_set_up import Home, Publisher, bridge, home, settled
from tests.broker import BRIDGE_PASSWORD, bridge_listener, broker
from tests.broker_guest import guest
from tests.services import free_port
from tests.waiting import until

pytestmark = pytest.mark.faults

QUEUE = 100
SMALL_QUEUE = {
    "max_queued_messages 500000": f"max_queued_messages {QUEUE}",
    "max_inflight_messages 1000": "max_inflight_messages 20",
    "sys_interval 10": "sys_interval 1",
}


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Home]:
    """A broker that keeps a hundred messages for a bridge that is away; the bridge has a listener of its own."""
    inner = free_port()
    with broker(tmp_path / "broker", extra=bridge_listener(inner), changed=SMALL_QUEUE) as server:
        ports = {"mqtt_port": inner, "mqtt_loggers_port": server.port}
        async with home(tmp_path, server, "", broker_queue_messages=QUEUE, receive_maximum=20, **ports) as made:
            yield made


def alarmed(seen: Observed, one: Bridge, name: str) -> bool:
    """Whether the bridge says so in its log and its metrics."""
    one.watch.alarms.look(seen, one.clock.monotonic())
    return one.watch.alarms.active[name]


async def test_what_the_broker_dropped_is_noticed_counted_and_said(place: Home) -> None:
    """More messages than the queue holds while the bridge is away: each got an answer of success, the rest is gone.

    The broker's own counter tells; what was kept and what it says was dropped are what was sent.
    """
    alice = await place.pair()
    async with bridge(place) as before, Publisher(place.broker, alice.login) as logger:
        await logger.send(alice.topic(), {"ac_power": 1.0})
        await settled(before, 1)
        await until(lambda: before.broker.now(1).connected)
        quiet = (before.broker.lost, alarmed(before.watch.observed(), before, "broker_dropped"))
    sent = 5 * QUEUE
    async with Publisher(place.broker, alice.login) as logger:
        answers = [logger.throw(alice.topic(), {"ac_power": float(number)}) for number in range(sent)]
        await until(lambda: all(answer() for answer in answers))
    async with bridge(place) as after:
        await until(lambda: after.broker.lost)
        await settled(after, QUEUE)
        seen = after.watch.observed()
        came = seen.received - after.counters.not_readings["self_check"]

        assert quiet == (0, False)
        assert came == QUEUE
        assert seen.broker_lost == sent - QUEUE
        assert alarmed(seen, after, "broker_dropped")


async def test_a_queue_that_was_nearly_full_is_an_alarm_though_nothing_is_lost(place: Home) -> None:
    """The bridge was away for almost too long. A bridge whose window is full reads no figures either: while it takes
    nothing in, its own alarms of that (``window_full``, ``disk_low``) stand for this one.
    """
    alice = await place.pair()
    async with bridge(place) as before, Publisher(place.broker, alice.login) as logger:
        await logger.send(alice.topic(), {"ac_power": 1.0})
        await settled(before, 1)
    async with Publisher(place.broker, alice.login) as logger:
        answers = [logger.throw(alice.topic(), {"ac_power": float(number)}) for number in range(QUEUE - 5)]
        await until(lambda: all(answer() for answer in answers))
        await _broker_has_said_so(place)
    async with bridge(place) as one:
        await until(lambda: one.watch.observed().broker.queue_filled >= 0.8)
        seen = one.watch.observed()

        assert alarmed(seen, one, "broker_queue_filling")
        assert alarmed(seen, one, "broker_queue_nearly_full")
        assert health.ready(seen)["broker_queue"].state is health.State.DEGRADED
        assert seen.broker_lost == 0


async def _broker_has_said_so(place: Home) -> None:
    """Another reader than the bridge sees the queue in the broker's own figures."""
    inner, watch = place.settings.mqtt_port, BrokerWatch(queue_limit=QUEUE, queue_limit_bytes=QUEUE_BYTES)
    async with guest(place.broker, BRIDGE_USER, BRIDGE_PASSWORD, client_id="reader", port=inner) as reader:
        reader.client.subscribe("$SYS/broker/#")
        await until(lambda: [watch.told(*said, 0.0) for said in reader.received] and watch.now(1).queue_filled >= 0.8)


async def test_a_flood_of_retained_messages_is_an_alarm(place: Home) -> None:
    """T6: one login retains on more topics than all publishers together need; the bridge stores none of them twice."""
    alice = await place.pair()
    flood = RETAINED_OWN + RETAINED_PER_LOGIN + 100
    async with bridge(place) as one, Publisher(place.broker, alice.login) as logger:
        await until(lambda: one.broker.now(1).retained)
        before = alarmed(one.watch.observed(), one, "broker_retained")
        answers = [logger.throw(alice.topic(f"reading/{number}"), "1", retain=True) for number in range(flood)]
        await until(lambda: all(answer() for answer in answers))
        await until(lambda: one.broker.now(1).retained >= flood)

        assert not before
        assert alarmed(one.watch.observed(), one, "broker_retained")
