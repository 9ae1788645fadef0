"""A store inside the benchmark's own process: it notes when each reading came, and one bucket can be made to fail.

The same clock stamps the publish and the write, so a wait is a difference of two readings of one clock.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Self
from urllib.parse import parse_qs, urlsplit

_WRITTEN = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"
_FAILED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
_HUNG = b""
# How a broken bucket behaves: what is answered to each of its requests.
TROUBLES = {"answers 500": _FAILED, "never answers": _HUNG}


class WatchingSink:
    """Answers writes after ``delay_s``; ``written`` maps a reading's milliseconds to the moment it was answered."""

    def __init__(self, *, delay_s: float) -> None:
        self.written: dict[int, float] = {}
        self.broken_bucket = ""
        self.trouble = _WRITTEN
        self.requests = 0
        self.refused = 0
        self._delay_s = delay_s
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self._take), "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    @property
    def url(self) -> str:
        """Where it listens."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def _take(self, target: str, body: bytes, answer: Callable[[bytes], None]) -> None:
        self.requests += 1
        bucket = parse_qs(urlsplit(target).query)["bucket"][0]
        if bucket == self.broken_bucket and self.trouble is not _WRITTEN:
            self.refused += 1
            if self.trouble:
                answer(self.trouble)
            return
        instants = [int(line.rsplit(b" ", 1)[1]) for line in body.splitlines()]
        asyncio.get_running_loop().call_later(self._delay_s, self._written, instants, answer)

    def _written(self, instants: list[int], answer: Callable[[bytes], None]) -> None:
        now = time.perf_counter()
        for at_ms in instants:
            self.written.setdefault(at_ms, now)
        answer(_WRITTEN)


class _Connection(asyncio.Protocol):
    """HTTP/1.1 as far as our writer speaks it: one request after the other, with a Content-Length."""

    def __init__(self, take: Callable[[str, bytes, Callable[[bytes], None]], None]) -> None:
        self._take = take
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            head, found, body = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            size = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            if len(body) < size:
                return
            self._buffer = body[size:]
            self._take(head.split(b" ", 2)[1].decode(), body[:size], self._answer)

    def _answer(self, answer: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer)
