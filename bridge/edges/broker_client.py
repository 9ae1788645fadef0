"""aiomqtt with manual acknowledgement, buffered reading and no queue of its own: the one file that uses private names.

aiomqtt 2.5.1 acknowledges before anybody has seen a message and starts a task for each, so its ``_on_connect``,
``_on_disconnect``, ``_on_socket_open`` and ``_misc_loop`` are overridden. paho 2.2.0 calls ``recv`` three times for
each packet and ``send`` once for each PUBACK, so ``_sock_recv`` and ``_packet_queue`` are used for many at once; it
builds a properties object for each PUBLISH, so ``_handle_publish`` is ours. Both versions are pinned;
the contract suite ``test_bridge_session*.py`` holds what we rely on.
"""

import asyncio
import struct
from collections.abc import Callable, Sequence
from typing import Any

import aiomqtt
from paho.mqtt.client import PUBACK, ConnectFlags
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from bridge.edges.connection import Access, Listener
from bridge.edges.packets import PUBLISH, BrokenPacket, Incoming, extent, incoming
from schema.topics import BRIDGE_USER, bridge_client_id

_DISCONNECT = b"\xe0\x00"
_RECEIVE_BYTES = 65_536
# Packets handled in one turn of the event loop before others get theirs.
_PACKETS_PER_TURN = 200


class BrokerClient(aiomqtt.Client):
    """aiomqtt's client with the parts replaced that the module's head names."""

    def __init__(self, access: Access, opened: Callable[..., None], listener: Listener) -> None:
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
            # paho gives up after a silence of two keep-alives; we promise one and a half of ours.
            keepalive=access.keepalive_s // 2,
            properties=properties,
        )
        self._opened = opened
        self._listener = listener
        self._messages: list[Incoming] = []
        self._buffer = b""
        self._position = 0
        self._paused = False
        self._reads = 0
        self._closed = False
        self._leaving = False
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
        """Close the socket, if it is open still; nothing is sent or told any more."""
        self._closed = True
        self._client._sock_close()  # noqa: SLF001

    def acknowledge(self, packet_ids: Sequence[int]) -> None:
        """Queue all PUBACKs as one piece of bytes: paho would send each with a system call of its own."""
        packet = b"".join(struct.pack("!BBH", PUBACK, 2, packet_id) for packet_id in packet_ids)
        self._client._packet_queue(PUBACK, packet, 0, 1)  # noqa: SLF001

    def say_goodbye(self) -> None:
        """Send DISCONNECT past paho, which would close the socket at once: with unread data in it that resets the
        connection, and the last PUBACKs could be lost on the way. What comes now is read and not told any more.
        """
        self._client._packet_queue(PUBACK, _DISCONNECT, 0, 1)  # noqa: SLF001
        self._leaving = True
        self._resume()

    def pause(self) -> None:
        """Stop reading the socket; the broker's data stays in the kernel and then with the broker."""
        sock = self._client.socket()
        if not self._paused and sock is not None and sock.fileno() > -1:
            self._paused = True
            self._loop.remove_reader(sock.fileno())

    def read_on(self) -> None:
        """Read again after a pause, first what is in the buffer: no event announces that."""
        if self._listener.room() > 0:
            self._resume()

    def _resume(self) -> None:
        sock = self._client.socket()
        if self._paused and sock is not None and sock.fileno() > -1:
            self._paused = False
            self._loop.add_reader(sock.fileno(), self._read)
            self._loop.call_soon(self._read)

    def _read(self) -> None:
        """Handle what has come, until nothing is left, the window is full, or others should have a turn."""
        fault: Exception | None = None
        try:
            self._take_packets()
        except Exception as error:  # noqa: BLE001  # as aiomqtt does: any fault of the socket ends the connection
            fault = error
        self._hand_over()
        if fault is not None:
            self._lose(fault)
        elif self._position < len(self._buffer) and not self._paused and not self._closed:
            self._loop.call_soon(self._read)

    def _take_packets(self) -> None:
        for _ in range(_PACKETS_PER_TURN):
            if self._paused or self._closed:
                return
            if self._connected.done() and not self._leaving and self._listener.room() <= len(self._messages):
                self._hand_over()
                if self._listener.room() <= 0:
                    self.pause()
                    return
            if self._publish_at_hand():
                continue
            before = self._reads, self._position
            self._client.loop_read()
            if (self._reads, self._position) == before:
                return

    def _hand_over(self) -> None:
        messages, self._messages = self._messages, []
        if messages and not self._closed and not self._leaving:
            # A long backlog before the answer to our PINGREQ is no silence.
            self._client._ping_t = 0  # noqa: SLF001
            self._listener.received(messages)

    def _publish_at_hand(self) -> bool:
        """Handle the next packet here when it is a whole PUBLISH: paho would ask for it in four pieces."""
        buffer, at = self._buffer, self._position
        if at >= len(buffer) or buffer[at] >> 4 != PUBLISH or self._client._in_packet["command"]:  # noqa: SLF001
            return False
        found = extent(buffer, at)
        if found is None or found[1] > len(buffer):
            return False
        begin, self._position = found
        self._messages.append(incoming(buffer[at], buffer[begin : self._position]))
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
            self._messages.append(incoming(packet["command"], bytes(packet["packet"])))
        except BrokenPacket:
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
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
            self._opened(session_present=flags.session_present)
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
        self._loss_is_known()
        # Perhaps called in the thread in which paho connects.
        self._loop.call_soon_threadsafe(self._answer_never_comes)

    def _client_connect(self) -> None:
        """Runs in a thread. Whoever waited for it may have given up meanwhile, and close the client before it had a
        socket.
        """
        super()._client_connect()
        if self._closed:
            self._client._sock_close()  # noqa: SLF001

    def _on_socket_open(self, client: Any, userdata: Any, sock: Any) -> None:  # noqa: ARG002
        """Our reader instead of aiomqtt's. Called from the thread in which paho connects."""
        self._loop.call_soon_threadsafe(_watch, sock, self._loop.add_reader, self._read)
        self._loop.call_soon_threadsafe(self._start_misc)

    def _on_socket_register_write(self, client: Any, userdata: Any, sock: Any) -> None:  # noqa: ARG002
        self._loop.call_soon_threadsafe(_watch, sock, self._loop.add_writer, self._write)

    def _write(self) -> None:
        try:
            self._client.loop_write()
        except Exception as fault:  # noqa: BLE001  # as aiomqtt does: any fault of the socket ends the connection
            self._lose(fault)

    def _lose(self, fault: Exception) -> None:
        if not self._disconnected.done():
            self._disconnected.set_exception(fault)
        self._loss_is_known()
        self._answer_never_comes()

    def _answer_never_comes(self) -> None:
        """aiomqtt waits its ten seconds for a CONNACK even when the connection has ended before."""
        if not self._connected.done():
            self._connected.set_exception(aiomqtt.MqttError("the connection ended before the broker answered"))
            self._connected.exception()

    def _loss_is_known(self) -> None:
        """Somebody may ask for it or not: a future that nobody asks is an error in the log, hours later."""
        if self._disconnected.done() and not self._disconnected.cancelled():
            self._disconnected.exception()

    def _start_misc(self) -> None:
        self._misc_task = self._loop.create_task(self._misc_loop(), name="mqtt.keepalive")

    async def _misc_loop(self) -> None:
        """Keep-alive. While we do not read on purpose, an answer to our PINGREQ cannot be missed."""
        while self._client.loop_misc() == MQTTErrorCode.MQTT_ERR_SUCCESS:
            await asyncio.sleep(1)
            if self._paused:
                self._client._ping_t = 0  # noqa: SLF001


def _watch(sock: Any, add: Callable[[int, Callable[[], None]], None], then: Callable[[], None]) -> None:
    """Unless the socket was closed since this was asked for: its number may be another one's by now."""
    if sock.fileno() > -1:
        add(sock.fileno(), then)
