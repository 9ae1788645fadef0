"""The contract of ``BrokerSession`` on a real Mosquitto, over both edges: handing over, settling, the window, the end.

``test_bridge_session_loss.py`` holds what happens to connections, ``..._broker.py`` what a broker tells.
"""

import asyncio
import resource

import pytest

from schema.settings import BrokerEdge
from tests.broker import Broker
from tests.publisher import Publisher
from tests.session_set_up import LOGIN, TOPIC, Session, publish, session
from tests.waiting import until

pytestmark = pytest.mark.integration


async def test_a_session_resumes_with_exactly_what_was_not_settled(server: Broker, edge: BrokerEdge) -> None:
    """Ten come, the odd ones are settled out of order, the process dies: the even ones come again."""
    async with session(server.port, edge) as first:
        await publish(server, range(10))
        await until(lambda: len(first.deliveries) == 10)
        odd = [delivery.token for delivery in first.deliveries if int(delivery.payload) % 2]
        first.edge.settle(list(reversed(odd)))
        await _acknowledged(server, first)
        await first.crash()

    async with session(server.port, edge) as second:
        await until(lambda: len(second.deliveries) >= 5)
        await publish(server, range(10, 11))
        await until(lambda: 10 in second.payloads)

        # The acknowledgement of 999 itself may have been on its way when the process died.
        assert [number for number in second.payloads if number != 999] == [0, 2, 4, 6, 8, 10]
        assert second.edge.session_present


async def _acknowledged(server: Broker, one: Session) -> None:
    """A message there and back: what was written before has been read by the broker."""
    before = len(one.deliveries)
    await publish(server, range(999, 1000))
    await until(lambda: len(one.deliveries) > before)
    one.edge.settle([one.deliveries.pop().token])


async def test_messages_are_handed_over_in_batches(server: Broker, edge: BrokerEdge) -> None:
    """Not one wake-up for each message."""
    async with session(server.port, edge) as one:
        await publish(server, range(300))
        await until(lambda: len(one.deliveries) == 300)

        assert len(one.batches) < 300
        assert one.payloads == list(range(300))


async def test_a_long_backlog_never_exceeds_the_window_and_nothing_is_lost(server: Broker, edge: BrokerEdge) -> None:
    """2.0.11 sends more than the receive-maximum of a backlog; we stop reading, and take it all in the end."""
    async with session(server.port, edge, receive_maximum=100) as first:
        await first.leave()
    await publish(server, range(3000))
    largest = 0

    async with session(server.port, edge, receive_maximum=100, subscribed=False) as second:
        got: list[int] = []
        while len(got) < 3000:
            await until(lambda: bool(second.deliveries))
            largest = max(largest, len(second.edge.window))
            got += second.settle_all()

    assert got == list(range(3000))
    assert largest <= 100
    assert second.edge.window.settled == 3000


@pytest.mark.parametrize("receive_maximum", [1, 2, 3])
async def test_the_smallest_window_lets_everything_through(
    server: Broker, edge: BrokerEdge, receive_maximum: int
) -> None:
    """What is no reading (the marker, the broker's own words) takes no place for ever."""
    async with session(server.port, edge, receive_maximum=receive_maximum) as one:
        await publish(server, range(20))
        got: list[int] = []
        while len(got) < 20:
            await until(lambda: bool(one.deliveries))
            got += one.settle_all()

        assert got == list(range(20))


async def test_a_full_window_stops_the_reading_and_memory_stays_small(server: Broker, edge: BrokerEdge) -> None:
    """Nobody settles; 3,000 messages of 10 kB stay with the broker."""
    async with session(server.port, edge, receive_maximum=50) as one:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        async with Publisher(server, LOGIN) as logger:
            done = [logger.throw(TOPIC, b"7" * 10_000) for _ in range(3000)]
            await until(lambda: all(each() for each in done))
            await until(lambda: len(one.deliveries) == 50)
        grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

        assert len(one.edge.window) == 50
        # paho's publisher in this process holds the 30 MB; twice that would be ours.
        assert grown_kib < 60_000


async def test_packet_ids_begin_anew_and_nothing_is_lost(server: Broker, edge: BrokerEdge) -> None:
    """There are 65,535 of them, and Mosquitto gives one that is in use again: a held message shares it with a new one.

    The new one is settled, the old one never: the broker may forget neither.
    """
    count = 65_600
    async with session(server.port, edge, receive_maximum=2000) as one:
        async with Publisher(server, LOGIN) as logger:
            await logger.send(TOPIC, "0")
            await until(lambda: len(one.deliveries) == 1)
            one.deliveries.clear()
            got = [0]
            for start in range(1, count, 2000):
                end = min(start + 2000, count)
                for number in range(start, end):
                    logger.throw(TOPIC, str(number), qos=0)
                while len(got) < end:
                    await until(lambda: bool(one.deliveries))
                    got += one.settle_all()
        await one.leave()

    async with session(server.port, edge) as after:
        await until(lambda: not after.edge.backlog)

    assert got == list(range(count))
    assert after.payloads == [0, 65_535]


async def test_a_late_settlement_does_not_acknowledge_a_new_packet_with_the_old_id(
    server: Broker, edge: BrokerEdge
) -> None:
    """Packet ids begin anew after a reconnect; whoever settles an old copy must not end a new message."""
    async with session(server.port, edge) as one:
        await publish(server, range(1))
        await until(lambda: len(one.deliveries) == 1)
        old = one.deliveries[0].token
        server.kill()
        await until(lambda: not one.edge.subscribed)
        server.start()
        await until(lambda: one.edge.subscribed)
        await publish(server, range(1, 2))
        # 2.0 has lost the first message with its session, 2.1 sends it again.
        await until(lambda: one.payloads in ([0, 1], [0, 0, 1]))

        settled = one.edge.settle([old])

        assert settled == 0
        assert all(one.edge.alive(delivery.token) for delivery in one.deliveries[1:])


async def test_the_end_acknowledges_what_is_settled_and_nothing_else(server: Broker, edge: BrokerEdge) -> None:
    """Receive no more, settle what was in hand, say good-bye: the rest comes to the next bridge, and only the rest."""
    async with session(server.port, edge) as first:
        await publish(server, range(6))
        await until(lambda: len(first.deliveries) == 6)
        first.edge.stop_receiving()
        await publish(server, range(6, 9))
        first.edge.settle([delivery.token for delivery in first.deliveries[:4]])
        await first.leave()
        handed_over = first.payloads

    async with session(server.port, edge) as second:
        await until(lambda: len(second.deliveries) >= 5)
        await asyncio.wait_for(until(lambda: not second.edge.backlog), 10)

        assert handed_over == [0, 1, 2, 3, 4, 5]
        assert second.payloads == [4, 5, 6, 7, 8]
