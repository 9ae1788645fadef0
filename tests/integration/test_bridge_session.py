"""What the bridge relies on in its session with a real Mosquitto: the contract of ``BrokerSession``."""

import asyncio
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import pytest

from bridge.clock import Clock
from bridge.edges.broker_client import Access
from bridge.edges.mqtt import MqttSession
from bridge.ports import Delivery
from tests.bridge_set_up import SECRET, Publisher
from tests.broker import BRIDGE_PASSWORD, Broker, broker
from tests.waiting import until

pytestmark = pytest.mark.integration

LOGIN = "AACE234567"
TOPIC = f"deye/{LOGIN}/x"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Broker]:
    """A broker that knows one publisher."""
    with broker(tmp_path / "broker") as running:
        running.allow({LOGIN: SECRET})
        yield running


class Session:
    """A session at work, and everything it has handed over."""

    def __init__(self, server: Broker, receive_maximum: int) -> None:
        self.log: list[str] = []
        access = Access("127.0.0.1", server.port, BRIDGE_PASSWORD, 3600, receive_maximum)
        self.edge = MqttSession(access, Clock(), on_subscribed=lambda: None, on_broker_log=self._heard)
        self.deliveries: list[Delivery] = []
        self.batches: list[int] = []
        self._tasks: list[asyncio.Task[None]] = []

    def _heard(self, line: str, _: datetime) -> None:
        self.log.append(line)

    async def start(self) -> None:
        """Connect and collect."""
        self._tasks = [asyncio.create_task(self.edge.run()), asyncio.create_task(self._collect())]
        await until(lambda: self.edge.subscribed)

    async def _collect(self) -> None:
        while True:
            batch = await self.edge.receive()
            self.batches.append(len(batch))
            self.deliveries.extend(batch)

    async def crash(self) -> None:
        """Be gone without a word, as a killed process is."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def leave(self) -> None:
        """Disconnect in order."""
        await self.edge.disconnect()
        await self.crash()

    @property
    def payloads(self) -> list[int]:
        """The numbers the messages carried."""
        return [int(delivery.payload) for delivery in self.deliveries]


@asynccontextmanager
async def session(server: Broker, *, receive_maximum: int = 1000) -> AsyncIterator[Session]:
    """A session that ends with its test."""
    one = Session(server, receive_maximum)
    await one.start()
    try:
        yield one
    finally:
        await one.crash()


async def _publish(server: Broker, numbers: range, *, qos: int = 1) -> None:
    async with Publisher(server, LOGIN) as logger:
        published = [logger.throw(TOPIC, str(number), qos=qos) for number in numbers]
        await until(lambda: all(done() for done in published))


async def test_a_session_resumes_with_exactly_what_was_not_settled(server: Broker) -> None:
    """Ten come, the odd ones are settled out of order, the process dies: the even ones come again."""
    async with session(server) as first:
        await _publish(server, range(10))
        await until(lambda: len(first.deliveries) == 10)
        odd = [delivery.token for delivery in first.deliveries if int(delivery.payload) % 2]
        first.edge.settle(list(reversed(odd)))
        await _acknowledged(server, first)
        await first.crash()

    async with session(server) as second:
        await until(lambda: len(second.deliveries) >= 5)
        await _publish(server, range(10, 11))
        await until(lambda: 10 in second.payloads)

        # The acknowledgement of 999 itself may have been on its way when the process died.
        assert [number for number in second.payloads if number != 999] == [0, 2, 4, 6, 8, 10]


async def _acknowledged(server: Broker, one: Session) -> None:
    """A message there and back: what was written before has been read by the broker."""
    before = len(one.deliveries)
    await _publish(server, range(999, 1000))
    await until(lambda: len(one.deliveries) > before)
    one.edge.settle([one.deliveries.pop().token])


async def test_messages_are_handed_over_in_batches(server: Broker) -> None:
    """Not one wake-up for each message."""
    async with session(server) as one:
        await _publish(server, range(300))
        await until(lambda: len(one.deliveries) == 300)

        assert len(one.batches) < 300
        assert one.payloads == list(range(300))


async def test_a_long_backlog_never_exceeds_the_window_and_nothing_is_lost(server: Broker) -> None:
    """2.0.11 sends more than the receive-maximum of a backlog; we stop reading, and take it all in the end."""
    async with session(server, receive_maximum=100) as first:
        await first.leave()
    await _publish(server, range(3000))
    largest = 0

    async with session_without_waiting(server, receive_maximum=100) as second:
        got: list[int] = []
        while len(got) < 3000:
            await until(lambda: bool(second.deliveries))
            largest = max(largest, len(second.edge.window))
            held, second.deliveries = second.deliveries, []
            got += [int(delivery.payload) for delivery in held]
            second.edge.settle([delivery.token for delivery in held])

    assert got == list(range(3000))
    assert largest <= 100
    assert second.edge.window.settled == 3000


@asynccontextmanager
async def session_without_waiting(server: Broker, *, receive_maximum: int) -> AsyncIterator[Session]:
    """A session whose SUBACK may come behind its backlog."""
    one = Session(server, receive_maximum)
    one._tasks = [asyncio.create_task(one.edge.run()), asyncio.create_task(one._collect())]
    try:
        yield one
    finally:
        await one.crash()


async def test_a_full_window_stops_the_reading_and_memory_stays_small(server: Broker) -> None:
    """Nobody settles; 3,000 messages of 10 kB stay with the broker."""
    async with session(server, receive_maximum=50) as one:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        async with Publisher(server, LOGIN) as logger:
            done = [logger.throw(TOPIC, b"7" * 10_000) for _ in range(3000)]
            await until(lambda: all(each() for each in done))
            await until(lambda: len(one.deliveries) == 50)
        grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

        assert len(one.edge.window) == 50
        # paho's publisher in this process holds the 30 MB; twice that would be ours.
        assert grown_kib < 60_000


async def test_the_session_outlives_a_restart_of_the_broker(server: Broker) -> None:
    """Settled messages do not come again, others do, and new ones follow on the same subscription."""
    async with session(server) as one:
        await _publish(server, range(4))
        await until(lambda: len(one.deliveries) == 4)
        one.edge.settle([delivery.token for delivery in one.deliveries[:2]])
        held = [delivery.token for delivery in one.deliveries[2:]]
        await _publish(server, range(4, 5))
        await until(lambda: len(one.deliveries) == 5)

        server.stop()
        await until(lambda: not one.edge.subscribed)
        server.start()
        await until(lambda: one.edge.subscribed)
        await _publish(server, range(5, 6))
        await until(lambda: one.payloads.count(5) == 1)
        one.edge.settle(held)

        assert one.payloads == [0, 1, 2, 3, 4, 2, 3, 4, 5]
        window = one.edge.window
        assert (window.received, window.settled, window.dropped, len(window)) == (9, 2, 3, 4)


async def test_a_late_settlement_does_not_acknowledge_a_new_packet_with_the_old_id(server: Broker) -> None:
    """Packet ids begin anew after a reconnect; whoever settles an old copy must not end a new message."""
    async with session(server) as one:
        await _publish(server, range(1))
        await until(lambda: len(one.deliveries) == 1)
        old = one.deliveries[0].token
        server.kill()
        await until(lambda: not one.edge.subscribed)
        server.start()
        await until(lambda: one.edge.subscribed)
        await _publish(server, range(1, 2))
        await until(lambda: one.payloads == [0, 1])

        settled = one.edge.settle([old])

        assert settled == 0
        assert one.edge.alive(one.deliveries[1].token)


async def test_a_session_the_broker_has_lost_is_subscribed_again(server: Broker) -> None:
    """SUBSCRIBE follows every CONNACK, for the broker may have forgotten everything."""
    async with session(server) as one:
        server.kill()
        await until(lambda: not one.edge.subscribed)
        (server.folder / "mosquitto.db").unlink(missing_ok=True)
        server.start()
        await until(lambda: one.edge.subscribed)

        await _publish(server, range(1))
        await until(lambda: one.payloads == [0])


async def test_an_oversized_packet_is_refused_by_the_broker_and_named_in_its_log(server: Broker) -> None:
    """More than 64 KiB never reach the bridge."""
    async with session(server) as one:
        async with Publisher(server, LOGIN) as logger:
            logger.throw(TOPIC, b"7" * 70_000)
            await until(lambda: any("oversize" in line for line in one.log))

        assert one.deliveries == []


async def test_what_was_queued_is_marked_as_backlog_and_what_is_live_is_not(server: Broker) -> None:
    """The marker we publish after each CONNACK divides them; it is no message of its own."""
    async with session(server) as first:
        await first.leave()
    await _publish(server, range(5))

    async with session(server) as second:
        await until(lambda: len(second.deliveries) == 5)
        await until(lambda: not second.edge.backlog)
        await _publish(server, range(5, 8))
        await until(lambda: len(second.deliveries) == 8)

        assert [delivery.backlog for delivery in second.deliveries] == [True] * 5 + [False] * 3
        assert second.edge.window.received == 8


async def test_a_message_of_quality_0_survives_our_absence(server: Broker) -> None:
    """upgrade_outgoing_qos: most publishers send QoS 0."""
    async with session(server) as first:
        await first.leave()
    await _publish(server, range(5), qos=0)

    async with session(server) as second:
        await until(lambda: len(second.deliveries) == 5)

        assert second.payloads == [0, 1, 2, 3, 4]


async def test_retained_messages_are_not_sent_again_at_each_subscription(server: Broker) -> None:
    """Retain handling 2 and no retain-as-published: yesterday's value is not today's."""
    async with Publisher(server, LOGIN) as logger:
        await logger.send(TOPIC, "1", retain=True)

    async with session(server) as one:
        await _publish(server, range(2, 3))
        await until(lambda: 2 in one.payloads)

        assert one.payloads == [2]
        assert not one.deliveries[0].retained
