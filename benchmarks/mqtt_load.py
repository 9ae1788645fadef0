"""A cheap MQTT publisher for benchmarks: QoS 1, each login on its own connection, every PUBACK counted.

It costs the machine a few microseconds per message, so the broker and the bridge are what is measured.
Packets: MQTT 3.1.1 (OASIS, 2014) sections 3.1 CONNECT, 3.3 PUBLISH, 3.4 PUBACK.
"""

import asyncio
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_CONNECT_ACCEPTED = b"\x20\x02\x00\x00"
_PUBACK = 0x40
_PACKET_IDS = 65_535


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack(">H", len(data)) + data


def _packet(kind: int, body: bytes) -> bytes:
    length, size = bytearray(), len(body)
    while True:
        size, low = divmod(size, 128)
        length.append(low | (0x80 if size else 0))
        if not size:
            return bytes([kind]) + bytes(length) + body


@dataclass(frozen=True, slots=True)
class Publication:
    """One message to publish."""

    topic: str
    payload: bytes


class _Session(asyncio.Protocol):
    """One connection: connects, sends what it is given, counts acknowledgements."""

    def __init__(self, login: str, secret: str) -> None:
        flags = 0b1100_0010  # user name, password, clean session
        head = _text("MQTT") + bytes([4, flags]) + struct.pack(">H", 600)
        self._hello = _packet(0x10, head + _text(login) + _text(login) + _text(secret))
        self._accepted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._idle = asyncio.Event()
        self._outstanding = 0
        self._next_id = 0
        self._buffer = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._hello)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= 4:
            packet, self._buffer = self._buffer[:4], self._buffer[4:]
            if packet[0] == _PUBACK:
                self._outstanding -= 1
            elif packet == _CONNECT_ACCEPTED:
                self._accepted.set_result(None)
            else:
                self._accepted.set_exception(ConnectionRefusedError(f"the broker answered {packet.hex()}"))
        if self._outstanding == 0:
            self._idle.set()

    async def connected(self) -> None:
        await self._accepted

    def publish(self, messages: Iterable[Publication]) -> None:
        frames = []
        for message in messages:
            self._next_id = self._next_id % _PACKET_IDS + 1
            frames.append(_packet(0x32, _text(message.topic) + struct.pack(">H", self._next_id) + message.payload))
        self._outstanding += len(frames)
        self._idle.clear()
        assert self.transport is not None
        self.transport.write(b"".join(frames))

    async def acknowledged(self) -> None:
        if self._outstanding:
            await self._idle.wait()


class Publishers:
    """Connections of many logins, kept open between bursts."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._sessions: dict[str, _Session] = {}

    async def connect(self, secrets: dict[str, str]) -> None:
        """Open one connection for each login; raises ``ConnectionRefusedError`` where the broker says no."""
        loop = asyncio.get_running_loop()
        for login, secret in secrets.items():
            _, session = await loop.create_connection(
                lambda login=login, secret=secret: _Session(login, secret),  # type: ignore[misc]
                *self._address,
            )
            await session.connected()
            self._sessions[login] = session

    def publish(self, login: str, messages: Sequence[Publication]) -> None:
        """Send at once, without waiting for the broker."""
        self._sessions[login].publish(messages)

    async def acknowledged(self, login: str) -> None:
        """Return when the broker has acknowledged everything this login sent."""
        await self._sessions[login].acknowledged()

    def close(self) -> None:
        """Hang up."""
        for session in self._sessions.values():
            if session.transport:
                session.transport.close()
