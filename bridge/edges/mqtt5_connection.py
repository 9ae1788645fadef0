"""A ``Connection`` on the codec mqtt5 under an own ``asyncio.Protocol``: what is said, answered, paused and given up.

How bytes become packets stands in ``mqtt5_reader``. The codec's reason codes are no integers, whatever its stubs say.
"""

import asyncio
import contextlib
import socket
import sys
from array import array
from collections.abc import Sequence
from typing import Any, TypeVar

import mqtt5
import structlog

from bridge.edges.connection import (
    CONNECT_TIMEOUT_S,
    SESSION_TAKEN_OVER,
    Access,
    ConnectionLost,
    Listener,
    TakenOver,
    Wanted,
)
from bridge.edges.mqtt5_reader import PacketReader
from bridge.edges.packets import BrokenPacket, Incoming
from schema.topics import BRIDGE_USER, bridge_client_id

_log = structlog.get_logger(__name__)

_PUBACK = 0x4002  # packet type and remaining length
_SUBSCRIBE_ID = 1
_PUBLISH_ID = 2
_PINGREQ = mqtt5.PingReqPacket().write()
# Where bytes come one after the other, the socket is left alone so long after each reading: to wake up, read, settle
# and write for each message would cost several times what the message does.
_REST_S = 0.002

AnswerT = TypeVar("AnswerT")


class Mqtt5Connection(asyncio.Protocol):
    """A ``Connection``. Everything happens in the event loop's thread."""

    def __init__(self, access: Access, listener: Listener) -> None:
        self._access = access
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        # How it ended, as a result: an exception nobody waits for would be reported as a defect.
        self._lost: asyncio.Future[Exception] = self._loop.create_future()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._subscribed: asyncio.Future[mqtt5.SubAckPacket] = self._loop.create_future()
        self._published: asyncio.Future[None] = self._loop.create_future()
        self._packets = PacketReader()
        self._paused = False
        self._leaving = False
        self._acknowledged: list[int] = []
        self._heard_at = self._loop.time()
        self._ticking: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        """Connect and wait for the CONNACK. Raises ``ConnectionLost``."""
        address = self._access.host, self._access.port
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._loop.create_connection(lambda: self, *address)
                await self._answer(self._opened)
        except OSError as fault:
            raise ConnectionLost(f"the broker cannot be reached: {fault or type(fault).__name__}") from fault
        self._tick()

    async def subscribe(self, wanted: Sequence[Wanted]) -> list[str]:
        """Subscribe to all; the topics the broker refused. Raises ``ConnectionLost``."""
        filters = [
            mqtt5.TopicFilter(
                topic,
                max_qos=mqtt5.QoS.AT_LEAST_ONCE if readings else mqtt5.QoS.AT_MOST_ONCE,
                retain_as_published=False,
                retain_handling=mqtt5.RetainHandling.SEND_NEVER if readings else mqtt5.RetainHandling.SEND_ALWAYS,
            )
            for topic, readings in wanted
        ]
        self._write(mqtt5.SubscribePacket(_SUBSCRIBE_ID, filters).write())
        codes = (await self._answer(self._subscribed)).reason_codes
        if len(codes) != len(wanted):
            raise ConnectionLost("the broker answered another subscription")
        return [topic for (topic, _), code in zip(wanted, codes, strict=True) if code.value >= 0x80]

    async def publish(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 1 and wait for the answer. Raises ``ConnectionLost``."""
        self._published = self._loop.create_future()
        packet = mqtt5.PublishPacket(topic, payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=_PUBLISH_ID)
        self._write(packet.write())
        await self._answer(self._published)

    async def ended(self) -> None:
        """Wait for the end, which is always an exception: ``ConnectionLost`` or ``TakenOver``."""
        raise await asyncio.shield(self._lost)

    def acknowledge(self, packet_ids: Sequence[int]) -> None:
        """Send PUBACKs, all of this turn of the event loop in one piece."""
        if not self._acknowledged:
            self._loop.call_soon(self._send_acknowledgements)
        self._acknowledged.extend(packet_ids)

    def pause(self) -> None:
        """Stop reading the socket; the broker's data stays in the kernel and then with the broker."""
        if self._transport is not None and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def read_on(self) -> None:
        """Read again after a pause, first what is in the buffer: no event announces that."""
        if self._transport is not None and self._paused and self._listener.room() > 0:
            self._paused = False
            self._heard_at = self._loop.time()
            self._transport.resume_reading()
            self._loop.call_soon(self._read)

    async def leave(self) -> None:
        """Send what is to be sent, say good-bye and wait until the broker hangs up.

        Whoever closes a socket with unread data in it resets the connection: the last PUBACKs could be lost on the way.
        """
        if self._transport is None or self._lost.done():
            return
        self._send_acknowledgements()
        self._write(mqtt5.DisconnectPacket().write())
        self._leaving = True
        self._transport.resume_reading()
        await asyncio.shield(self._lost)

    def close(self) -> None:
        """Close the socket, if it is open still; nothing is sent or told any more."""
        self._end(ConnectionLost("closed by us"))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say who we are."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # for the type checker
        self._transport = transport
        sock = transport.get_extra_info("socket")
        with contextlib.suppress(OSError, AttributeError):  # only Linux has it
            # Ends a dead connection also while we do not read and so cannot miss an answer.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, self._access.keepalive_s * 1000)
        packet = mqtt5.ConnectPacket(
            # A listener with use_username_as_clientid makes it the user name again.
            bridge_client_id(self._access.password),
            username=BRIDGE_USER,
            password=self._access.password.encode(),
            clean_start=False,
            keep_alive=self._access.keepalive_s,
            session_expiry_interval=self._access.session_expiry_s,
            receive_max=self._access.receive_maximum,
        )
        transport.write(packet.write())

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed, by whomever."""
        self._end(ConnectionLost(f"the connection was lost: {exc or 'closed by the broker'}"))

    def data_received(self, data: bytes) -> None:
        """Bytes, cut anywhere."""
        if self._leaving:
            return
        now = self._loop.time()
        busy = now - self._heard_at < _REST_S
        self._heard_at = now
        self._packets.feed(data)
        self._read()
        if busy and not self._paused and self._transport is not None:
            self._transport.pause_reading()
            self._loop.call_later(_REST_S, self._rested)

    def _rested(self) -> None:
        if not self._paused and self._transport is not None:
            self._transport.resume_reading()

    def _read(self) -> None:
        """Handle what has come, up to a full window, a packet that is not whole yet, or the end."""
        more = True
        while more and not (self._paused or self._leaving or self._lost.done()):
            room = self._listener.room()
            if room <= 0 and self._packets.message_is_next:
                self.pause()
                break
            messages: list[Incoming] = []
            try:
                try:
                    control = self._packets.take(messages, max(room, 1))
                finally:
                    self._hand_over(messages)
                # Else there is nothing whole left.
                more = control is not None or len(messages) >= max(room, 1)
                if control is not None:
                    self._control(control)
            except BrokenPacket as fault:
                self._end(ConnectionLost(f"the broker sent what we do not understand: {fault}"))
        self._packets.forget_taken()

    def _hand_over(self, messages: list[Incoming]) -> None:
        if messages:
            if not self._opened.done():
                raise BrokenPacket("a message came before the CONNACK")
            self._listener.received(messages)

    def _control(self, packet: mqtt5.Packet) -> None:
        """Whatever is no message. Raises ``BrokenPacket``."""
        if isinstance(packet, mqtt5.ConnAckPacket) and not self._opened.done():
            self._connected(packet)
        elif isinstance(packet, mqtt5.DisconnectPacket):
            taken = packet.reason_code == SESSION_TAKEN_OVER
            self._end(
                TakenOver("another bridge has taken this session over")
                if taken
                else ConnectionLost(f"the broker said good-bye: {packet.reason_code.name}")
            )
        elif isinstance(packet, mqtt5.SubAckPacket) and not self._subscribed.done():
            self._subscribed.set_result(packet)
        elif isinstance(packet, mqtt5.PubAckPacket) and not self._published.done():
            if packet.reason_code.value >= 0x80:
                _log.error("broker.refused_publish", reason=packet.reason_code.name)
            self._published.set_result(None)
        elif not isinstance(packet, mqtt5.PingRespPacket):
            raise BrokenPacket(f"{type(packet).__name__} came unasked")

    def _connected(self, packet: mqtt5.ConnAckPacket) -> None:
        if packet.reason_code != mqtt5.ConnAckReasonCode.SUCCESS:
            self._end(ConnectionLost(f"the broker refused the connection: {packet.reason_code.name}"))
            return
        self._opened.set_result(None)
        self._listener.opened(self, session_present=packet.session_present)

    def _tick(self) -> None:
        """Ping, and give up where nothing has come since longer than a keep-alive: each ping is answered."""
        now = self._loop.time()
        if self._paused:
            self._heard_at = now
        if now - self._heard_at > self._access.keepalive_s:
            self._end(ConnectionLost("the broker does not answer any more"))
        if self._lost.done():
            return
        self._write(_PINGREQ)
        self._ticking = self._loop.call_later(self._access.keepalive_s / 4, self._tick)

    def _send_acknowledgements(self) -> None:
        packet_ids, self._acknowledged = self._acknowledged, []
        words = array("H", [_PUBACK]) * (2 * len(packet_ids))
        words[1::2] = array("H", packet_ids)
        if sys.byteorder == "little":
            words.byteswap()
        self._write(words.tobytes())

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._lost.done() and data:
            self._transport.write(data)

    async def _answer(self, answer: "asyncio.Future[AnswerT]") -> AnswerT:
        either: set[asyncio.Future[Any]] = {answer, self._lost}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if self._lost.done():
            raise self._lost.result()
        return answer.result()

    def _end(self, fault: Exception) -> None:
        """The first reason counts."""
        if self._ticking is not None:
            self._ticking.cancel()
        if not self._lost.done():
            self._lost.set_result(fault)
        if self._transport is not None:
            self._transport.abort()
