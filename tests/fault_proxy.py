"""A TCP proxy with every fault a network has: late, slow, in pieces, silent, reset, refused, cut in mid-message.

Stands before a broker, a store or a database. Faults hold for the connections there are and those that come.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(slots=True)
class Weather:
    """How the network is. ``latency_s`` delays each piece; ``piece`` is its most bytes, 0 for any; ``silent`` moves
    nothing and ends nothing; ``deaf`` lets answers not back.
    """

    latency_s: float = 0.0
    piece: int = 0
    silent: bool = False
    deaf: bool = False


class FaultProxy:
    """Forwards to one port of this computer."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._pairs: dict[asyncio.Task[None], tuple[asyncio.StreamWriter, ...]] = {}
        self._ways: set[asyncio.Task[None]] = set()
        self._on_upward: tuple[int, Callable[[], None]] | None = None
        self.weather = Weather()
        self.port = 0
        self.accepted = 0

    async def start(self) -> None:
        """Listen, on the same port as the last time."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Refuse connections and reset those there are; ``start`` ends it."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.reset()
        for way in list(self._ways):
            # A silent one would wait for ever.
            way.cancel()
        await asyncio.gather(*self._pairs, return_exceptions=True)

    def reset(self) -> None:
        """RST to both sides of every connection."""
        for writers in self._pairs.values():
            for writer in writers:
                writer.transport.abort()

    def fine(self) -> None:
        """Fine weather from now on; connections that had been silent are reset, as a router does that has restarted."""
        was_silent = self.weather.silent or self.weather.deaf
        self.weather = Weather()
        if was_silent:
            self.reset()

    def after_upward(self, count: int, then: Callable[[], None]) -> None:
        """Pass this many more bytes to the target, then call ``then`` and pass no more: cut in mid-message."""
        self._on_upward = (count, then)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self._pairs[task] = (writer,)
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            del self._pairs[task]
            return
        self._pairs[task] = (writer, there_writer)
        ways = {
            asyncio.create_task(self._forward(reader, there_writer, upward=True)),
            asyncio.create_task(self._forward(there_reader, writer, upward=False)),
        }
        self._ways |= ways
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._ways -= ways
            for one in (writer, there_writer):
                one.close()
                with contextlib.suppress(OSError):
                    await one.wait_closed()
            del self._pairs[task]

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, upward: bool) -> None:
        """Until one side ends. Silence swallows, it does not hold back: who waits for an answer waits for ever."""
        with contextlib.suppress(OSError):
            while chunk := await reader.read(self.weather.piece or 65_536):
                if self.weather.latency_s:
                    await asyncio.sleep(self.weather.latency_s)
                if self.weather.silent or (self.weather.deaf and not upward):
                    continue
                if upward and self._on_upward is not None:
                    chunk = self._cut(chunk)
                writer.write(chunk)
                await writer.drain()
            if self.weather.silent:
                await asyncio.Event().wait()

    def _cut(self, chunk: bytes) -> bytes:
        assert self._on_upward is not None
        left, then = self._on_upward
        if len(chunk) < left:
            self._on_upward = (left - len(chunk), then)
            return chunk
        self._on_upward = None
        self.weather.silent = True
        then()
        return chunk[:left]


@asynccontextmanager
async def fault_proxy(target: int) -> AsyncIterator[FaultProxy]:
    """A proxy in front of ``target``, on a port of the kernel's choice."""
    proxy = FaultProxy(target)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.refuse()
