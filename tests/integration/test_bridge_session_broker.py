"""The contract of ``BrokerSession`` on a real Mosquitto, over both edges: what a broker keeps, tells and refuses."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from bridge.clock import Clock
from bridge.edges.connection import Connection
from schema.settings import BrokerEdge
from schema.topics import BROKER_NUMBERS
from tests.broker import Broker, broker
from tests.publisher import SECRET, Publisher
from tests.session_set_up import LOGIN, TOPIC, Session, publish, session
from tests.waiting import until

pytestmark = pytest.mark.integration


async def test_what_was_queued_is_marked_as_backlog_and_what_is_live_is_not(server: Broker, edge: BrokerEdge) -> None:
    """The marker we publish after each CONNACK divides them; it is no message of its own."""
    async with session(server.port, edge) as first:
        await first.leave()
    await publish(server, range(5))

    async with session(server.port, edge) as second:
        await until(lambda: len(second.deliveries) == 5)
        await until(lambda: not second.edge.backlog)
        await publish(server, range(5, 8))
        await until(lambda: len(second.deliveries) == 8)

        assert [delivery.backlog for delivery in second.deliveries] == [True] * 5 + [False] * 3
        assert second.markers == [5]
        assert second.edge.window.received == 8
        assert second.edge.connected_at is not None
        assert second.edge.connected_at <= second.deliveries[0].received_at


async def test_the_marker_is_announced_once_for_each_connection_and_after_its_backlog(
    server: Broker, edge: BrokerEdge
) -> None:
    """Whoever spreads a backlog over an outage must have all of it first."""
    async with session(server.port, edge) as one:
        await until(lambda: one.markers == [0])
        await publish(server, range(3))
        await until(lambda: len(one.deliveries) == 3)
        server.stop()
        await until(lambda: not one.edge.subscribed)
        server.start()
        await until(lambda: len(one.markers) == 2)

        assert one.payloads == [0, 1, 2, 0, 1, 2]
        assert one.markers == [0, 6]


class _Crowded:
    """A connection whose first marker meets a queue that has just been filled."""

    def __init__(self, connection: Connection, fill: Callable[[], Awaitable[None]]) -> None:
        self._connection, self._fill = connection, fill

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def publish(self, topic: str, payload: bytes) -> None:
        await self._fill()
        await self._connection.publish(topic, payload)


async def test_a_marker_that_a_full_queue_has_dropped_is_published_again(tmp_path: Path, edge: BrokerEdge) -> None:
    """A full queue answers success and drops, our marker too: without it all that is live would wait like a backlog."""
    small = {"max_queued_messages 500000": "max_queued_messages 20"}
    full = False

    async def fill() -> None:
        nonlocal full
        if not full:
            await publish(server, range(100))
            full = True

    clock = Clock(sleep=lambda seconds: asyncio.sleep(min(seconds, 0.1)))
    with broker(tmp_path / "broker", changed=small) as server:
        server.allow({LOGIN: SECRET})
        one = Session(server.port, edge, 10, clock, lambda connection: cast("Connection", _Crowded(connection, fill)))
        one.start()
        try:
            await until(lambda: full)
            # What the broker does for somebody else it does after our marker.
            await publish(server, range(1))
            await until(lambda: one.settle_all() is not None and one.edge.subscribed)
            await until(lambda: one.settle_all() is not None and not one.edge.backlog)
            await until(lambda: len(one.markers) == 1)
        finally:
            await one.crash()


async def test_the_broker_tells_what_it_counts(server: Broker, edge: BrokerEdge) -> None:
    """A queue that fills and messages that are dropped can be seen before an owner asks."""
    async with session(server.port, edge) as one:
        await until(lambda: set(one.numbers) == set(BROKER_NUMBERS), limit_s=20.0)

        assert int(one.numbers["$SYS/broker/publish/messages/dropped"]) == 0


async def test_an_oversized_packet_is_refused_by_the_broker_and_named_in_its_log(
    server: Broker, edge: BrokerEdge
) -> None:
    """More than 64 KiB never reach the bridge."""
    async with session(server.port, edge) as one:
        async with Publisher(server, LOGIN) as logger:
            logger.throw(TOPIC, b"7" * 70_000)
            await until(lambda: any("oversize" in line for line in one.log))

        assert one.deliveries == []


async def test_the_largest_packet_the_broker_takes_arrives_whole(server: Broker, edge: BrokerEdge) -> None:
    """64 KiB come in several pieces."""
    payload = b"7" * 65_000
    async with session(server.port, edge) as one, Publisher(server, LOGIN) as logger:
        for _ in range(5):
            await logger.send(TOPIC, payload)
        await until(lambda: len(one.deliveries) == 5)

        assert all(delivery.payload == payload for delivery in one.deliveries)


async def test_a_message_of_quality_0_survives_our_absence(server: Broker, edge: BrokerEdge) -> None:
    """upgrade_outgoing_qos: most publishers send QoS 0."""
    async with session(server.port, edge) as first:
        await first.leave()
    await publish(server, range(5), qos=0)

    async with session(server.port, edge) as second:
        await until(lambda: len(second.deliveries) == 5)

        assert second.payloads == [0, 1, 2, 3, 4]


async def test_retained_messages_are_not_sent_again_at_each_subscription(server: Broker, edge: BrokerEdge) -> None:
    """Retain handling 2 and no retain-as-published: yesterday's value is not today's."""
    async with Publisher(server, LOGIN) as logger:
        await logger.send(TOPIC, "1", retain=True)

    async with session(server.port, edge) as one:
        await publish(server, range(2, 3))
        await until(lambda: 2 in one.payloads)

        assert one.payloads == [2]
        assert not one.deliveries[0].retained


def test_only_the_chosen_edge_is_loaded(edge: BrokerEdge) -> None:
    """The other one's library would cost memory in a bridge that has little."""
    libraries = {BrokerEdge.AIOMQTT: ("aiomqtt", "paho"), BrokerEdge.MQTT5: ("mqtt5",)}
    script = (
        "import sys; from bridge import app; from bridge.edges.broker_edges import connect_with; "
        f"from schema.settings import BrokerEdge; connect_with(BrokerEdge({edge.value!r})); print(*sys.modules)"
    )

    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()

    for one, names in libraries.items():
        assert all((name in loaded) == (one is edge) for name in names)
