"""A hostile publisher: plain MQTT 5 on a socket of its own, so that no client library mends what is to be broken."""

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Self

from tests.hostile.attack import Attack
from tests.hostile.packets import CONNACK, PUBACK, connect, packet, publish

# What Mosquitto lets a publisher have unanswered; a bigger packet or an odd topic may cost the connection.
_IN_FLIGHT = 20
_HARMLESS_BYTES = 60_000
_PATIENCE_S = 20.0
SUCCESS, NO_SUBSCRIBERS, NOT_AUTHORISED = 0x00, 0x10, 0x87


class ConnectionEnded(Exception):
    """The broker has closed the connection."""


@dataclass(slots=True)
class Answers:
    """How the broker answered: PUBACKs by reason code, and how many messages cost the connection instead."""

    codes: Counter[int] = field(default_factory=Counter)
    thrown_out: int = 0

    @property
    def handed_on(self) -> int:
        """Messages the bridge must have got."""
        return self.codes[SUCCESS]


class Wire:
    """One login's connection; it connects again after it was thrown out."""

    def __init__(self, port: int, login: str, secret: str) -> None:
        self._port = port
        self._login, self._secret = login.encode(), secret.encode()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._open: set[int] = set()
        self._next = 0
        self.answers = Answers()

    async def __aenter__(self) -> Self:
        await self._connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.drained()
        if self._writer is not None:
            self._writer.write(packet(0xE0, b""))
        await self._closed()

    async def send(self, attack: Attack) -> None:
        """Publish with QoS 1. What may cost the connection goes alone, so that its neighbours' answers are not lost."""
        alone = attack.name.startswith("M6") or len(attack.payload) + len(attack.topic) > _HARMLESS_BYTES
        while self._open and (alone or len(self._open) >= _IN_FLIGHT):
            await self._answer()
        if self._writer is None:
            await self._connect()
        assert self._writer is not None
        self._next = self._next % 65_535 + 1
        self._open.add(self._next)
        self._writer.write(publish(attack.topic, attack.payload, self._next))
        if not alone:
            return
        try:
            await self.drained()
        except (ConnectionEnded, OSError):
            self.answers.thrown_out += 1
            self._open.clear()
            await self._closed()

    async def drained(self) -> None:
        """Every message is answered. Raises ``ConnectionEnded``."""
        while self._open:
            await self._answer()

    async def _answer(self) -> None:
        kind, body = await self._packet()
        if kind == PUBACK:
            packet_id = int.from_bytes(body[:2], "big")
            if packet_id in self._open:
                self._open.discard(packet_id)
                self.answers.codes[body[2] if len(body) > 2 else SUCCESS] += 1

    async def _packet(self) -> tuple[int, bytes]:
        assert self._reader is not None
        try:
            async with asyncio.timeout(_PATIENCE_S):
                (head,) = await self._reader.readexactly(1)
                length, shift, digit = 0, 0, 0x80
                while digit & 0x80:
                    (digit,) = await self._reader.readexactly(1)
                    length |= (digit & 0x7F) << shift
                    shift += 7
                return head >> 4, await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError) as fault:
            raise ConnectionEnded from fault

    async def _connect(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writer.write(connect(self._login, self._secret))
        kind, body = await self._packet()
        assert (kind, body[1]) == (CONNACK, 0), (kind, body)

    async def _closed(self) -> None:
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(ConnectionError, OSError):
                await self._writer.wait_closed()
        self._reader = self._writer = None


async def throw_packets(port: int, login: str, secret: str, attack: Attack) -> None:
    """The attack's bytes on a connection of their own; ends when the broker has closed it."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:
        return
    try:
        if attack.logged_in:
            writer.write(connect(login.encode(), secret.encode()))
            await reader.read(100)
        for piece in attack.packets:
            writer.write(piece)
            await writer.drain()
        # The end of our half: whatever the broker still waited for will not come.
        writer.write_eof()
        async with asyncio.timeout(_PATIENCE_S):
            while await reader.read(65_536):
                pass
    except (ConnectionError, OSError):
        pass
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError, OSError):
            await writer.wait_closed()
