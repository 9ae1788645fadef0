"""A store that answers 204 at once and remembers nothing but counts: what a bridge costs without a store behind it.

``python -m benchmarks.inert_sink`` prints its URL, then one JSON line of counts for each SIGUSR1.
"""

import asyncio
import json
import signal
import sys

_ANSWER = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"


def _body(head: bytes, rest: bytes) -> tuple[bytes, int]:
    """The request's body and where it ends, -1 while it is not complete. Telegraf sends its bodies in chunks."""
    if b"transfer-encoding: chunked" not in head:
        mark = head.find(b"content-length:")
        size = int(head[mark + 15 :].split(b"\r\n", 1)[0]) if mark >= 0 else 0
        return (rest[:size], size) if len(rest) >= size else (b"", -1)
    lines, at = b"", 0
    while (line_end := rest.find(b"\r\n", at)) >= 0:
        size = int(rest[at:line_end], 16)
        at = line_end + 4 + size
        if len(rest) < at:
            break
        if not size:
            return lines, at
        lines += rest[line_end + 2 : line_end + 2 + size]
    return b"", -1


class _Sink(asyncio.Protocol):
    requests = 0
    points = 0

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            head, found, body = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            lines, end = _body(head.lower(), body)
            if end < 0:
                return
            self._buffer = body[end:]
            _Sink.requests += 1
            _Sink.points += lines.count(b"\n") + bool(lines and not lines.endswith(b"\n"))
            assert self._transport is not None
            self._transport.write(_ANSWER)


def _report() -> None:
    sys.stdout.write(json.dumps({"requests": _Sink.requests, "points": _Sink.points}) + "\n")
    sys.stdout.flush()


async def _main() -> None:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, _report)
    server = await loop.create_server(_Sink, "127.0.0.1", 0)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
