"""aiomqtt with manual acknowledgement, buffered reading and no queue of its own: the one file that uses private names.

aiomqtt 2.5.1 acknowledges before anybody has seen a message and starts a task for each, so its ``_on_connect``,
``_on_disconnect``, ``_on_socket_open`` and ``_misc_loop`` are overridden. paho 2.2.0 calls ``recv`` three times for
each packet and ``send`` once for each PUBACK, so ``_sock_recv`` and ``_packet_queue`` are used for many at once; it
builds a properties object for each PUBLISH, so ``_handle_publish`` is ours. Both versions are pinned;
``test_bridge_session.py`` holds what we rely on.
"""

import asyncio
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import aiomqtt
from paho.mqtt.client import PUBACK, ConnectFlags
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from schema.topics import BRIDGE_USER, bridge_client_id

_PUBLISH = 3
_KEEPALIVE_S = 60
_RECEIVE_BYTES = 65_536
# Packets handled in one turn of the event loop before others get theirs.
_PACKETS_PER_TURN = 200


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach the broker. ``session_expiry_s`` is how long it keeps our queue while we are away."""

    host: str
    port: int
    password: str
    session_expiry_s: int
    receive_maximum: int


class Incoming(NamedTuple):
    """A PUBLISH as it came; ``packet_id`` is 0 where QoS 0 asks for no answer."""

    topic: bytes
    payload: bytes
    packet_id: int
    retained: bool


class BrokenPacket(ValueError):
    """The broker sent something that is no PUBLISH we asked for."""


def _variable_byte_integer(data: bytes, at: int) -> tuple[int, int]:
    """The number at ``at`` and where the next thing begins; -1 where it is cut off or too long (MQTT 5.0, 1.5.5)."""
    value = 0
    for number, byte in enumerate(data[at : at + 4]):
        value |= (byte & 0x7F) << 7 * number
        if byte < 0x80:
            return value, at + number + 1
    return -1, at


def incoming(header: int, packet: bytes) -> Incoming:
    """A PUBLISH taken apart; its properties are skipped, none of them says who sent it. Raises ``BrokenPacket``.

    Source: MQTT 5.0, sections 3.3.1 to 3.3.3.
    """
    topic_end = 2 + int.from_bytes(packet[:2], "big")
    qos, at, packet_id = header >> 1 & 3, topic_end, 0
    if qos > 1:
        raise BrokenPacket("a message came with QoS 2 or 3, we subscribe with QoS 1")
    if qos:
        packet_id, at = int.from_bytes(packet[at : at + 2], "big"), at + 2
    length, at = _variable_byte_integer(packet, at)
    if length < 0 or at + length > len(packet):
        raise BrokenPacket("a message ends before its payload begins")
    return Incoming(packet[2:topic_end], packet[at + length :], packet_id, bool(header & 1))


class BrokerClient(aiomqtt.Client):
    """One connection. ``opened`` is called at the CONNACK, before anything else that comes on the connection."""

    def __init__(
        self,
        access: Access,
        opened: "Callable[[BrokerClient], None]",
        received: Callable[[Incoming], None],
        may_read: Callable[[], bool],
    ) -> None:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has no annotation there
        properties.SessionExpiryInterval = access.session_expiry_s
        properties.ReceiveMaximum = access.receive_maximum
        super().__init__(
            hostname=access.host,
            port=access.port,
            username=BRIDGE_USER,
            password=access.password,
            # A listener with use_username_as_clientid makes it the user name again.
            identifier=bridge_client_id(access.password),
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=False,
            keepalive=_KEEPALIVE_S,
            properties=properties,
        )
        self._opened = opened
        self._received = received
        self._may_read = may_read
        self._buffer = b""
        self._position = 0
        self._paused = False
        self._reads = 0
        self.session_present = False
        self.ended_with = 0
        paho = self._client
        paho.manual_ack_set(on=True)
        paho.disable_logger()
        # Private names: see the module's head.
        paho._sock_recv = self._buffered_recv  # type: ignore[method-assign, assignment]  # noqa: SLF001
        paho._handle_publish = self._publish_came  # type: ignore[method-assign]  # noqa: SLF001

    @property
    def lost(self) -> "asyncio.Future[None]":
        """Done when the connection has ended, however."""
        return self._disconnected

    def close(self) -> None:
        """Close the socket, if it is open still; nothing is sent."""
        self._client._sock_close()  # noqa: SLF001

    def acknowledge(self, packet_ids: Sequence[int]) -> None:
        """Queue all PUBACKs as one piece of bytes: paho would send each with a system call of its own."""
        packet = b"".join(struct.pack("!BBH", PUBACK, 2, packet_id) for packet_id in packet_ids)
        self._client._packet_queue(PUBACK, packet, 0, 1)  # noqa: SLF001

    def pause(self) -> None:
        """Stop reading the socket; the broker's data stays in the kernel and then with the broker."""
        sock = self._client.socket()
        if not self._paused and sock is not None and sock.fileno() > -1:
            self._paused = True
            self._loop.remove_reader(sock.fileno())

    def read_on(self) -> None:
        """Read again after a pause, first what is in the buffer: no event announces that."""
        sock = self._client.socket()
        if self._paused and self._may_read() and sock is not None and sock.fileno() > -1:
            self._paused = False
            self._loop.add_reader(sock.fileno(), self._read)
            self._loop.call_soon(self._read)

    def _read(self) -> None:
        """Handle what has come, until nothing is left, the window is full, or others should have a turn."""
        try:
            for _ in range(_PACKETS_PER_TURN):
                if self._paused:
                    return
                if not self._may_read() and self._connected.done():
                    self.pause()
                    return
                if self._publish_at_hand():
                    continue
                before = self._reads, self._position
                self._client.loop_read()
                if (self._reads, self._position) == before:
                    return
        except Exception as fault:  # noqa: BLE001  # as aiomqtt does: any fault of the socket ends the connection
            if not self._disconnected.done():
                self._disconnected.set_exception(fault)
            return
        if self._position < len(self._buffer):
            self._loop.call_soon(self._read)

    def _publish_at_hand(self) -> bool:
        """Handle the next packet here when it is a whole PUBLISH: paho would ask for it in four pieces."""
        buffer, at = self._buffer, self._position
        if at >= len(buffer) or buffer[at] >> 4 != _PUBLISH or self._client._in_packet["command"]:  # noqa: SLF001
            return False
        length, begin = _variable_byte_integer(buffer, at + 1)
        if length < 0 or begin + length > len(buffer):
            return False
        self._position = begin + length
        self._received(incoming(buffer[at], buffer[begin : begin + length]))
        return True

    def _buffered_recv(self, size: int) -> bytes:
        """What paho asks for, out of one large ``recv``."""
        if self._position >= len(self._buffer):
            sock = self._client.socket()
            if sock is None:
                raise ConnectionError("the socket is closed")
            self._buffer = sock.recv(_RECEIVE_BYTES)
            self._position = 0
            self._reads += 1
        piece = self._buffer[self._position : self._position + size]
        self._position += len(piece)
        return piece

    def _publish_came(self) -> MQTTErrorCode:
        packet = self._client._in_packet  # noqa: SLF001
        try:
            message = incoming(packet["command"], bytes(packet["packet"]))
        except BrokenPacket:
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        self._received(message)
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _on_connect(
        self,
        client: Any,
        userdata: Any,
        flags: ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        if not reason_code.is_failure and not self._connected.done():
            self.session_present = flags.session_present
            self._opened(self)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(
        self,
        client: Any,
        userdata: Any,
        flags: Any,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self.ended_with = reason_code.value
        super()._on_disconnect(client, userdata, flags, reason_code, properties)

    def _on_socket_open(self, client: Any, userdata: Any, sock: Any) -> None:  # noqa: ARG002
        """Our reader instead of aiomqtt's. Called from the thread in which paho connects."""
        self._loop.call_soon_threadsafe(self._loop.add_reader, sock.fileno(), self._read)
        self._loop.call_soon_threadsafe(self._start_misc)

    def _start_misc(self) -> None:
        self._misc_task = self._loop.create_task(self._misc_loop(), name="mqtt.keepalive")

    async def _misc_loop(self) -> None:
        """Keep-alive. While we do not read on purpose, an answer to our PINGREQ cannot be missed."""
        while self._client.loop_misc() == MQTTErrorCode.MQTT_ERR_SUCCESS:
            await asyncio.sleep(1)
            if self._paused:
                self._client._ping_t = 0  # noqa: SLF001
