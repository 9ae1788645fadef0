"""MQTT 5 packets taken apart by hand: where one ends, and a PUBLISH that a library reads slowly or not at all.

Source: MQTT 5.0, sections 1.5.5 (lengths), 2.1 (fixed header) and 3.3.1 to 3.3.3 (PUBLISH). No I/O.
"""

PUBLISH = 3

# Topic, payload, packet id (0 where QoS 0 asks for no answer), retained, sent again (DUP). A plain tuple: there are
# thousands a second.
Incoming = tuple[str, bytes, int, bool, bool]


class BrokenPacket(ValueError):
    """The broker sent something that is no packet we asked for: this connection is of no use any more."""


def variable_byte_integer(data: bytes, at: int) -> tuple[int, int]:
    """The number at ``at`` and where the next thing begins; -1 where it is cut off or too long."""
    value = 0
    for number, byte in enumerate(data[at : at + 4]):
        value |= (byte & 0x7F) << 7 * number
        if byte < 0x80:
            return value, at + number + 1
    return -1, at


def extent(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the body of the packet at ``at`` begins and ends, be it here or not; None while its length is cut off.

    Raises ``BrokenPacket`` where the length can never be one.
    """
    length, begin = variable_byte_integer(data, at + 1)
    if length >= 0:
        return begin, begin + length
    if len(data) - at > 4:
        raise BrokenPacket("a packet has no length")
    return None


def incoming(header: int, packet: bytes) -> Incoming:
    """A PUBLISH without its fixed header; its properties are skipped, none of them says who sent it.

    A topic that is no UTF-8 comes out empty, so that its message is nobody's and ends as a dead letter.
    Raises ``BrokenPacket``.
    """
    topic_end = 2 + int.from_bytes(packet[:2], "big")
    qos, at, packet_id = header >> 1 & 3, topic_end, 0
    if qos > 1:
        raise BrokenPacket("a message came with QoS 2 or 3, we subscribe with QoS 1")
    if qos:
        packet_id, at = int.from_bytes(packet[at : at + 2], "big"), at + 2
    length, at = variable_byte_integer(packet, at)
    if length < 0 or at + length > len(packet):
        raise BrokenPacket("a message ends before its payload begins")
    try:
        topic = packet[2:topic_end].decode()
    except UnicodeDecodeError:
        topic = ""
    return topic, packet[at + length :], packet_id, bool(header & 1), bool(header & 8)
