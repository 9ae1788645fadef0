"""The edge on the codec mqtt5 without a network: bytes cut anywhere, pauses, answers, the end."""

import asyncio

import mqtt5
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.edges.connection import ConnectionLost, TakenOver, Wanted
from tests.mqtt5_line import WELCOME, Line, publish
from tests.waiting import until

pytestmark = [
    pytest.mark.unit,
    # How the codec reports that it panics at a topic that is no UTF-8; the message is taken apart by hand then.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

_MESSAGES = st.builds(
    publish,
    st.integers(0, 65_534),
    qos=st.integers(0, 1),
    topic=st.text(st.characters(codec="utf-8"), max_size=8).map(str.encode),
    payload=st.binary(max_size=300),
    # Properties the codec knows, and some it refuses: twice the same, an unknown one.
    notes=st.sampled_from([b"", b"\x01\x01", b"\x01\x01\x01\x01", b"\x7f\x00", b"\x03\x00\x01a"]),
)
# The codec panics at these, which is slow: examples only.
_TOPIC_NOT_UTF8 = publish(1, topic=b"deye/\xff")
_PROPERTY_NOT_UTF8 = publish(1, notes=b"\x03\x00\x01\xff")
_OTHERS = st.sampled_from([b"\xd0\x00", b"\x40\x02\x00\x07", b"\x90\x04\x00\x01\x00\x01", b"\xe0\x00", b"\xe0\x01\x8e"])
_BYTES = st.lists(_MESSAGES | _OTHERS | st.binary(max_size=40), max_size=12).map(b"".join)


@settings(deadline=None)
@given(_BYTES, st.lists(st.integers(0, 5000), max_size=8), st.integers(1, 4))
@example(_TOPIC_NOT_UTF8 + publish(2) + _PROPERTY_NOT_UTF8, [3, 15], 1)
async def test_bytes_cut_anywhere_give_the_same_messages_or_a_clean_end(
    data: bytes, cuts: list[int], room: int
) -> None:
    """Whatever comes: no exception leaves the edge, and where TCP cuts the bytes changes nothing."""
    whole, cut = Line(), Line()
    narrow = Line(room=room)

    whole.feed(data)
    cut.feed(data, cuts)
    narrow.feed(data, cuts)
    while narrow.socket.open and not narrow.socket.reading:
        narrow.ear.free = room
        narrow.connection.read_on()
        await asyncio.sleep(0)

    assert whole.ear.heard == cut.ear.heard == narrow.ear.heard
    assert repr(await whole.ended_with()) == repr(await cut.ended_with()) == repr(await narrow.ended_with())
    assert narrow.ear.most <= room


@settings(deadline=None)
@given(st.lists(_MESSAGES, min_size=1, max_size=20))
@example([_TOPIC_NOT_UTF8, publish(2), _PROPERTY_NOT_UTF8])
async def test_every_message_is_handed_over_whatever_the_codec_thinks_of_it(messages: list[bytes]) -> None:
    """One that were refused would end the connection and come again on the next, for ever."""
    line = Line()

    line.feed(b"".join(messages))

    assert len(line.ear.heard) == len(messages)
    assert line.socket.open


@settings(deadline=None)
@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=4))
async def test_nothing_a_stranger_says_instead_of_a_connack_is_an_unhandled_fault(data: bytes, cuts: list[int]) -> None:
    """There may be anything on the broker's port."""
    line = Line(welcome=False)

    line.feed(data, cuts)

    assert line.ear.heard == []


async def test_a_message_before_the_connack_ends_the_connection() -> None:
    """It would belong to no connection of the session's."""
    line = Line(welcome=False)

    line.feed(publish(1) + WELCOME)

    assert line.ear.heard == []
    assert "before the CONNACK" in str(await line.ended_with())


@pytest.mark.parametrize(
    ("packet", "fault"),
    [
        (publish(1, qos=2), "QoS 2"),
        (publish(1, qos=3), "QoS 2 or 3"),
        (WELCOME, "ConnAckPacket came unasked"),
        (mqtt5.PubRelPacket(1).write(), "PubRelPacket came unasked"),
        (b"\x00\x00", "do not understand"),
        (b"\x32\xff\xff\xff\xff", "no length"),
        (b"\x32\xff\xff\xff\x7f", "268435460 bytes"),
        (b"\xe0\x01\x8b", "SERVER_SHUTTING_DOWN"),
    ],
)
async def test_what_no_broker_of_ours_says_ends_the_connection_with_its_name(packet: bytes, fault: str) -> None:
    """Messages before it are handed over, none after it."""
    line = Line()

    line.feed(publish(1) + packet + publish(2))

    ended = await line.ended_with()
    assert len(line.ear.heard) == 1
    assert isinstance(ended, ConnectionLost)
    assert fault in str(ended)


async def test_a_disconnect_with_the_reason_taken_over_is_no_loss_like_others() -> None:
    """Whoever came back after it would throw the other bridge out."""
    line = Line()

    line.feed(b"\xe0\x01\x8e")

    assert isinstance(await line.ended_with(), TakenOver)


async def test_a_full_window_stops_the_reading_and_room_resumes_it() -> None:
    """What is in the buffer already waits there, and comes first afterwards."""
    line = Line(room=2)

    line.feed(b"".join(publish(number, payload=b"%d" % number) for number in range(5)))
    stopped = not line.socket.reading, len(line.ear.heard)
    line.ear.free = 10
    line.connection.read_on()
    line.connection.read_on()
    await asyncio.sleep(0)

    assert stopped == (True, 2)
    assert line.socket.reading
    assert [payload for _, payload, *_ in line.ear.heard] == [b"0", b"1", b"2", b"3", b"4"]


async def test_a_lone_message_is_read_at_once_and_a_stream_is_read_at_intervals() -> None:
    """After a reading that followed another one the socket rests for a moment, and then is read again by itself."""
    line = Line(welcome=False)
    line.connection._heard_at = -1.0

    line.feed(WELCOME)
    after_silence = line.socket.reading
    line.feed(publish(1))
    in_a_stream = line.socket.reading
    await until(lambda: line.socket.reading)

    assert (after_silence, in_a_stream) == (True, False)
    assert len(line.ear.heard) == 1


async def test_a_rest_does_not_end_a_pause() -> None:
    """A full window stays full while nobody settles."""
    line = Line(room=2)
    line.feed(publish(1))
    line.feed(publish(2) + publish(3))
    rested = asyncio.get_running_loop().time() + 0.02

    await until(lambda: asyncio.get_running_loop().time() > rested)

    assert not line.socket.reading
    assert len(line.ear.heard) == 2


async def test_a_full_window_does_not_hold_up_answers_before_the_next_message() -> None:
    """SUBACK and PUBACK take no place in the window."""
    line = Line(room=1)
    line.feed(publish(1))
    subscribing = asyncio.create_task(line.connection.subscribe([Wanted("deye/#", readings=True)]))
    await asyncio.sleep(0)

    line.feed(mqtt5.SubAckPacket(1, [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE]).write() + publish(2))

    assert await subscribing == []
    assert len(line.ear.heard) == 1


async def test_a_refused_subscription_is_named() -> None:
    """By its topic, so that somebody can mend the broker's rules."""
    line = Line()
    wanted = [Wanted("deye/#", readings=True), Wanted("$SYS/x", readings=False)]
    subscribing = asyncio.create_task(line.connection.subscribe(wanted))
    await asyncio.sleep(0)

    codes = [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE, mqtt5.SubAckReasonCode.NOT_AUTHORIZED]
    line.feed(mqtt5.SubAckPacket(1, codes).write())

    assert await subscribing == ["$SYS/x"]


async def test_acknowledgements_of_one_turn_leave_in_one_piece() -> None:
    """Each write is a system call, which costs more than all the rest of a message."""
    line = Line()
    before = line.socket.writes, len(line.socket.written)

    for packet_ids in ([1, 2], [3], [65_535]):
        line.connection.acknowledge(packet_ids)
    await asyncio.sleep(0)

    assert line.socket.writes == before[0] + 1
    sent, read = memoryview(line.socket.written)[before[1] :], []
    while sent:
        packet, size = mqtt5.read(sent)
        assert isinstance(packet, mqtt5.PubAckPacket)
        read.append(packet.packet_id)
        sent = sent[size:]
    assert read == [1, 2, 3, 65_535]


async def test_whoever_waits_for_an_answer_learns_of_the_end() -> None:
    """Behind a long backlog an answer comes late, so nothing else ends the waiting."""
    line = Line()
    publishing = asyncio.create_task(line.connection.publish("deye/bridge/marker", b"1"))
    await asyncio.sleep(0)

    line.socket.abort()

    with pytest.raises(ConnectionLost):
        await publishing


async def test_after_the_end_nothing_is_told_or_written() -> None:
    """A late settlement or a late byte finds nobody."""
    line = Line()
    line.connection.acknowledge([1])
    line.connection.close()
    written = line.socket.written

    line.connection.data_received(publish(1))
    line.connection.acknowledge([2])
    line.connection.read_on()
    await asyncio.sleep(0)

    assert line.ear.heard == []
    assert line.socket.written == written
