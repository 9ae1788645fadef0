"""Bytes from the broker, cut anywhere, become messages and other packets, by the codec mqtt5. No I/O.

The codec is written in Rust and reads a packet in a microsecond. It is stricter than brokers are, and panics at a topic
that is no UTF-8 (0.8.0, a ``BaseException``): a PUBLISH it refuses is taken apart by hand, because a message that ended
the connection would come again on the next one, for ever. Anything else it refuses is a ``BrokenPacket``.
"""

import mqtt5
import structlog

from bridge.edges.packets import PUBLISH, BrokenPacket, Incoming, extent, incoming

_log = structlog.get_logger(__name__)

# The broker lets nothing beyond 64 KiB in; whoever sends more than this is not our broker.
_LARGEST_PACKET = 1_048_576


class PacketReader:
    """What has come on one connection and is not taken yet."""

    def __init__(self) -> None:
        self._buffer = b""
        self._position = 0

    def feed(self, data: bytes) -> None:
        """More bytes."""
        self._buffer = self._buffer + data if self._buffer else data

    def forget_taken(self) -> None:
        """Let go of the bytes that are taken."""
        self._buffer = self._buffer[self._position :]
        self._position = 0

    @property
    def message_is_next(self) -> bool:
        """Whether the next bytes, if there are any, belong to a PUBLISH."""
        return self._position < len(self._buffer) and self._buffer[self._position] >> 4 == PUBLISH

    def take(self, messages: list[Incoming], most: int) -> mqtt5.Packet | None:
        """Append messages, at most so many; stops after another packet, which is returned, and at the last whole one.

        Raises ``BrokenPacket``; the messages before it have been appended.
        """
        read, publish, buffer, at = mqtt5.read, mqtt5.PublishPacket, self._buffer, self._position
        view, end, twice = memoryview(buffer), len(buffer), mqtt5.QoS.EXACTLY_ONCE
        try:
            while at < end and len(messages) < most:
                try:
                    packet, size = read(view[at:])
                except (KeyboardInterrupt, SystemExit):
                    raise
                except BaseException as fault:  # noqa: BLE001  # the codec panics with a bare BaseException
                    message, size = _by_hand(buffer, at, fault)
                    if message is None:
                        return None
                    messages.append(message)
                    at += size
                    continue
                at += size
                if type(packet) is not publish:
                    return packet
                if packet.qos is twice:
                    raise BrokenPacket("a message came with QoS 2, we subscribe with QoS 1")
                packet_id = packet.packet_id or 0
                messages.append((packet.topic, packet.payload, packet_id, packet.retain, packet.duplicate))
            return None
        finally:
            self._position = at


def _by_hand(buffer: bytes, at: int, fault: BaseException) -> tuple[Incoming | None, int]:
    """A packet the codec could not read: a PUBLISH and its size, or None where it is not whole yet.

    Raises ``BrokenPacket`` where it is whole and no PUBLISH of ours, or can never be whole.
    """
    found = extent(buffer, at)
    if found is None:
        return None, 0
    begin, end = found
    if end - at > _LARGEST_PACKET:
        raise BrokenPacket(f"a packet of {end - at} bytes")
    if end > len(buffer):
        return None, 0
    if buffer[at] >> 4 != PUBLISH:
        raise BrokenPacket(str(fault))
    message = incoming(buffer[at], buffer[begin:end])
    _log.warning("broker.strange_message", detail=str(fault))
    return message, end - at
