"""A PUBLISH taken apart by us says what paho's own decoder says, and no piece of one escapes as another error."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt._packet import decode_publish
from paho.mqtt.client import MQTTv5
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from bridge.edges.packets import BrokenPacket, incoming

pytestmark = pytest.mark.unit


def _packet(topic: bytes, payload: bytes, *, packet_id: int, notes: list[str]) -> bytes:
    """Everything after the fixed header; ``notes`` become user properties, so that there is something to skip."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho has no annotation there
    if notes:
        properties.UserProperty = [(note, note) for note in notes]
    number = packet_id.to_bytes(2, "big") if packet_id else b""
    skipped: bytes = properties.pack()  # type: ignore[no-untyped-call]
    return len(topic).to_bytes(2, "big") + topic + number + skipped + payload


def _text(topic: bytes) -> str:
    try:
        return topic.decode()
    except UnicodeDecodeError:
        return ""


@settings(deadline=None)
@given(
    st.binary(max_size=40),
    st.binary(max_size=300),
    st.integers(0, 65_535),
    st.lists(st.text("abc 123", max_size=60), max_size=4),
    st.sampled_from((0, 1, 8, 9)),
)
def test_we_read_what_paho_reads(topic: bytes, payload: bytes, packet_id: int, notes: list[str], flags: int) -> None:
    """Topic, payload, packet id, retain and DUP flag, whatever properties stand before the payload."""
    header = 0x30 | (2 if packet_id else 0) | flags
    packet = _packet(topic, payload, packet_id=packet_id, notes=notes)

    ours, theirs = incoming(header, packet), decode_publish(header, packet, MQTTv5)

    assert ours == (_text(theirs.topic), theirs.payload, theirs.mid, theirs.retain, theirs.dup)


@settings(deadline=None)
@given(st.binary(max_size=80), st.integers(0, 255))
def test_nothing_a_broker_sends_raises_anything_else(packet: bytes, header: int) -> None:
    """A broken packet ends the connection by its name, not by a traceback."""
    with contextlib.suppress(BrokenPacket):
        incoming(header, packet)


@pytest.mark.parametrize("header", [0x34, 0x36])
def test_a_message_beyond_qos_1_is_refused(header: int) -> None:
    """We subscribe with QoS 1: anything above is a broker that does not keep to it."""
    with pytest.raises(BrokenPacket):
        incoming(header, _packet(b"deye/x", b"1", packet_id=1, notes=[]))
