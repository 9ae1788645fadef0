"""A connection on the codec mqtt5 between a fake socket and a fake session, and the bytes of messages for it."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import mqtt5

from bridge.edges.connection import Access, Connection, ConnectionLost, TakenOver
from bridge.edges.mqtt5_connection import Mqtt5Connection
from bridge.edges.packets import Incoming

WELCOME = mqtt5.ConnAckPacket(session_present=True).write()


class FakeTransport(asyncio.Transport):
    """A socket that keeps what is written and reports its own end as the loop would."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._protocol = protocol
        self.written = b""
        self.writes = 0
        self.reading = True
        self.open = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)
        self.writes += 1

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def abort(self) -> None:
        if self.open:
            self.open = False
            self._protocol.connection_lost(None)


class Ear:
    """A session that counts its room and settles on demand."""

    def __init__(self, room: int = 1000) -> None:
        self.free = room
        self.heard: list[Incoming] = []
        self.most = 0
        self.present: bool | None = None

    def opened(self, _: Connection, *, session_present: bool) -> None:
        assert self.present is None
        self.present = session_present

    def room(self) -> int:
        return self.free

    def received(self, messages: Sequence[Incoming]) -> None:
        assert messages
        assert len(messages) <= self.free
        self.most = max(self.most, len(messages))
        self.heard.extend(messages)
        self.free -= sum(1 for message in messages if not message[0].startswith("$"))


class Line:
    """A connection, its socket and its listener."""

    def __init__(self, *, room: int = 1000, welcome: bool = True) -> None:
        self.ear = Ear(room)
        self.connection = Mqtt5Connection(Access("127.0.0.1", 1, "secret", 3600, room, 4), self.ear)
        self.socket = FakeTransport(self.connection)
        self.connection.connection_made(self.socket)
        if welcome:
            self.connection.data_received(WELCOME)

    def feed(self, data: bytes, cuts: Sequence[int] = ()) -> None:
        """Bytes in pieces, as long as somebody reads."""
        edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
        for start, end in pairwise(edges):
            if self.socket.open and end > start:
                self.connection.data_received(data[start:end])

    async def ended_with(self) -> Exception | None:
        """How the connection ended, if it has."""
        if self.socket.open:
            return None
        try:
            await self.connection.ended()
        except (ConnectionLost, TakenOver) as fault:
            return fault
        return None


def publish(number: int, *, qos: int = 1, topic: bytes = b"deye/x", payload: bytes = b"1", notes: bytes = b"") -> bytes:
    packet_id = (number % 65_535 + 1).to_bytes(2, "big") if qos else b""
    body = len(topic).to_bytes(2, "big") + topic + packet_id + bytes([len(notes)]) + notes + payload
    return bytes([0x30 | qos << 1]) + _length(len(body)) + body


def _length(value: int) -> bytes:
    digits = b""
    while True:
        value, low = divmod(value, 128)
        digits += bytes([low | (0x80 if value else 0)])
        if not value:
            return digits
