"""A TCP proxy that can fall silent: nothing is forwarded any more, no end of a connection either."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class StallingProxy:
    """Forwards to one port. ``stall`` silences the connections there are, ``refuse`` also those that come."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._open: list[_Pair] = []
        self._refusing = False
        self.port = 0
        self.accepted = 0

    def stall(self) -> None:
        """The connections there are become half-open: both ends believe in them. New ones work."""
        for pair in self._open:
            pair.silent = True

    def refuse(self) -> None:
        """Network cut: the connections there are fall silent, and those that come are never answered."""
        self._refusing = True
        self.stall()

    def resume(self) -> None:
        """New connections work again; silent ones stay silent."""
        self._refusing = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection from its beginning to its end."""
        self.accepted += 1
        pair = _Pair()
        pair.silent = self._refusing
        self._open.append(pair)
        pair.writers.append(writer)
        if pair.silent:
            return
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
        pair.writers.append(there_writer)
        await asyncio.gather(pair.forward(reader, there_writer), pair.forward(there_reader, writer))

    def close(self) -> None:
        """End everything."""
        for pair in self._open:
            for writer in pair.writers:
                writer.transport.abort()


class _Pair:
    def __init__(self) -> None:
        self.silent = False
        self.writers: list[asyncio.StreamWriter] = []

    async def forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on until the end of either side; a silent pair swallows everything, that end included."""
        try:
            while chunk := await reader.read(65_536):
                if not self.silent:
                    writer.write(chunk)
                    await writer.drain()
        except OSError:
            pass
        if not self.silent:
            writer.close()


@asynccontextmanager
async def stalling_proxy(target: int) -> AsyncIterator[StallingProxy]:
    """A proxy in front of ``target``, on a port of the kernel's choice."""
    proxy = StallingProxy(target)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.close()
        await server.wait_closed()
