"""The contract of ``BrokerSession`` on a real Mosquitto, over both edges: connections that end, die or lie."""

import asyncio
import time

import pytest

from bridge.edges.connection import TakenOver
from schema.settings import BrokerEdge
from schema.topics import BRIDGE_USER
from tests.broker import BRIDGE_PASSWORD, Broker
from tests.session_set_up import KEEPALIVE_S, Road, Session, publish, road, session
from tests.waiting import StandStill, until

pytestmark = pytest.mark.integration

# PUBLISH to "deye/x" with QoS 2, then packets that are none (MQTT 5.0, 2.1.3, 3.3, 3.4.2.1 and 3.5).
_BROKEN = {
    "quality 2": b"\x34\x0b\x00\x06deye/x\x00\x07\x00",
    "quality 3": b"\x36\x0b\x00\x06deye/x\x00\x07\x00",
    "no packet type": b"\x00\x00",
    "no length": b"\x32\xff\xff\xff\xff\x01",
    "topic beyond its packet": b"\x32\x04\xff\xffde" + bytes(300),
    "properties beyond their packet": b"\x32\x0b\x00\x06deye/x\x00\x07\x09" + bytes(300),
    "an answer cut short": b"\x90\x01\x00",
}


async def test_the_session_outlives_a_restart_of_the_broker(server: Broker, edge: BrokerEdge) -> None:
    """Settled messages do not come again, others do, and new ones follow on the same subscription."""
    async with session(server.port, edge) as one:
        await publish(server, range(4))
        await until(lambda: len(one.deliveries) == 4)
        one.edge.settle([delivery.token for delivery in one.deliveries[:2]])
        held = [delivery.token for delivery in one.deliveries[2:]]
        await publish(server, range(4, 5))
        await until(lambda: len(one.deliveries) == 5)

        server.stop()
        await until(lambda: not one.edge.subscribed)
        server.start()
        await until(lambda: one.edge.subscribed)
        await publish(server, range(5, 6))
        await until(lambda: one.payloads.count(5) == 1)
        one.edge.settle(held)

        assert one.payloads == [0, 1, 2, 3, 4, 2, 3, 4, 5]
        window = one.edge.window
        assert (window.received, window.settled, window.dropped, len(window)) == (9, 2, 3, 4)


@pytest.mark.parametrize("restarted", [False, True], ids=["the bridge was killed", "the broker was stopped too"])
async def test_what_comes_again_says_so_and_has_its_old_packet_id(
    server: Broker, edge: BrokerEdge, restarted: bool
) -> None:
    """By that a message is recognised that is on our disk and whose PUBACK got lost; a new one has another id."""
    async with session(server.port, edge) as one:
        await publish(server, range(3))
        await until(lambda: len(one.deliveries) == 3)
        before = [one.edge.packet(delivery.token) for delivery in one.deliveries]
        await one.crash()
    if restarted:
        server.stop()
        server.start()
    async with session(server.port, edge) as other:
        await publish(server, range(3, 4))
        await until(lambda: len(other.deliveries) == 4)
        after = [other.edge.packet(delivery.token) for delivery in other.deliveries]

    assert other.payloads == [0, 1, 2, 3]
    assert [packet.again for packet in before] == [False] * 3
    assert [packet.again for packet in after] == [True] * 3 + [False]
    assert [packet.packet_id for packet in after[:3]] == [packet.packet_id for packet in before]
    assert after[3].packet_id not in [packet.packet_id for packet in before]


def _forget_everything(server: Broker) -> None:
    """The broker comes back without its sessions and messages."""
    server.kill()
    for saved in [*server.folder.glob("*.db*"), *server.folder.glob("*.sqlite3*")]:
        saved.unlink()
    server.start()


async def test_a_session_the_broker_has_lost_is_subscribed_again(server: Broker, edge: BrokerEdge) -> None:
    """SUBSCRIBE follows every CONNACK, for the broker may have forgotten everything."""
    async with session(server.port, edge) as one:
        _forget_everything(server)
        await until(lambda: one.subscriptions == 2)

        await publish(server, range(1))
        await until(lambda: one.payloads == [0])
        assert not one.edge.session_present


async def test_a_broker_that_comes_later_is_found(server: Broker, edge: BrokerEdge) -> None:
    """The bridge may be started first."""
    server.stop()
    async with session(server.port, edge, subscribed=False) as one:
        await asyncio.sleep(0)
        assert not one.edge.subscribed
        server.start()
        await until(lambda: one.edge.subscribed)


async def test_a_connection_that_ends_before_its_answer_is_known_at_once(server: Broker, edge: BrokerEdge) -> None:
    """A broker that starts, or is full, hangs up on whoever connects: nobody waits there for a CONNACK."""
    async with road(server.port) as way:
        way.hang_ups = 2
        async with session(way.port, edge, subscribed=False) as one:
            await until(lambda: one.edge.subscribed, limit_s=8.0)

    assert way.connections == 3


async def test_a_refused_log_in_is_tried_again(server: Broker, edge: BrokerEdge) -> None:
    """The password file may be written a moment later."""
    async with session(server.port, edge) as one:
        server.allow({BRIDGE_USER: "another"})
        await until(lambda: not one.edge.subscribed)
        server.allow({BRIDGE_USER: BRIDGE_PASSWORD})
        await until(lambda: one.edge.subscribed)
        await publish(server, range(1))
        await until(lambda: one.payloads == [0])

        assert one.subscriptions == 2


async def test_a_connection_on_which_nothing_comes_any_more_is_given_up(server: Broker, edge: BrokerEdge) -> None:
    """The sockets stay open, no packet passes: within one and a half keep-alives it is noticed, and all comes again."""
    async with road(server.port) as way, session(way.port, edge) as one, StandStill() as watched:
        await publish(server, range(2))
        await until(lambda: len(one.deliveries) == 2)
        way.dead = True
        started = time.monotonic()
        await publish(server, range(2, 3))
        await until(lambda: not one.edge.subscribed, limit_s=3 * KEEPALIVE_S)
        noticed_s = time.monotonic() - started
        way.dead = False
        await until(lambda: one.edge.subscribed)
        await until(lambda: len(one.deliveries) == 5)

        assert one.payloads == [0, 1, 0, 1, 2]
        # What was sent last may have been answered up to the moment of the cut.
        assert 0.5 * KEEPALIVE_S < noticed_s <= 1.5 * KEEPALIVE_S + watched.longest_s


async def test_a_quiet_connection_is_kept(server: Broker, edge: BrokerEdge) -> None:
    """No message for three keep-alives, and a full window that is not read: neither is a fault.

    A computer that stands still for longer than the broker's patience ends any connection: that proves nothing, so it
    is tried again then.
    """
    for attempts_left in (2, 1, 0):
        watched = StandStill()
        try:
            async with watched:
                await _stays_quiet(server, edge)
        except AssertionError:
            if watched.longest_s < KEEPALIVE_S / 4 or not attempts_left:
                raise
            _forget_everything(server)
        else:
            return


async def _stays_quiet(server: Broker, edge: BrokerEdge) -> None:
    async with road(server.port) as way, session(way.port, edge, receive_maximum=1) as one:
        await publish(server, range(2))
        await until(lambda: len(one.deliveries) == 1)
        end = time.monotonic() + 2 * KEEPALIVE_S
        await until(lambda: time.monotonic() > end, limit_s=3 * KEEPALIVE_S)
        one.settle_all()
        await until(lambda: len(one.deliveries) == 1)

        assert way.connections == 1
        assert one.subscriptions == 1


@pytest.mark.parametrize("name", _BROKEN)
async def test_a_broken_packet_ends_the_connection_and_nothing_else(
    server: Broker, edge: BrokerEdge, name: str
) -> None:
    """The session connects again, and what was not settled comes again."""
    async with road(server.port) as way, session(way.port, edge) as one:
        await publish(server, range(2))
        await until(lambda: len(one.deliveries) == 2)

        way.inject(_BROKEN[name])
        await _again(way, one)

        await until(lambda: one.payloads == [0, 1, 0, 1])


async def test_a_packet_of_256_megabytes_is_not_waited_for(server: Broker) -> None:
    """The largest MQTT can announce; our own edge gives it up at once, with the first bytes of it."""
    async with road(server.port) as way, session(way.port, BrokerEdge.MQTT5) as one:
        way.inject(b"\x32\xff\xff\xff\x7f\x00\x06deye/x")

        await _again(way, one)


async def _again(way: Road, one: Session) -> None:
    await until(lambda: way.connections == 2 and one.subscriptions == 2)
    assert one.running is not None
    assert not one.running.done()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # how the codec reports that it panics
async def test_a_message_no_library_likes_is_handed_over_all_the_same(server: Broker, edge: BrokerEdge) -> None:
    """A topic that is no UTF-8: refused, it would come again for ever. It has no topic and becomes a dead letter."""
    async with road(server.port) as way, session(way.port, edge) as one:
        way.inject(b"\x32\x07\x00\x01\xff\x00\x07\x004")
        await until(lambda: len(one.deliveries) == 1)
        await publish(server, range(5, 6))
        await until(lambda: len(one.deliveries) == 2)

        assert one.payloads == [4, 5]
        assert one.deliveries[0].topic == ""
        assert way.connections == 1


async def test_a_session_taken_over_stops(server: Broker, edge: BrokerEdge) -> None:
    """Another bridge has our client id: two that came back would throw each other out for ever."""
    async with session(server.port, edge) as first:
        await publish(server, range(1))
        await until(lambda: len(first.deliveries) == 1)
        async with session(server.port, edge) as second:
            assert first.running is not None
            with pytest.raises(TakenOver):
                await asyncio.wait_for(first.running, 5)
            await until(lambda: second.payloads == [0])
            await publish(server, range(1, 2))
            await until(lambda: second.payloads == [0, 1])

            assert second.subscriptions == 1
