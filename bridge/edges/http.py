"""A tiny HTTP server for metrics and health: GET of a few paths, nothing else, every request bounded in size and time.

Not aiohttp's: that costs 9 MB (measured), which a home on the embedded store does not pay. No request is ever logged.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

import structlog

_log = structlog.get_logger(__name__)

MOST_HEAD_BYTES = 4_096
REQUEST_TIMEOUT_S = 10.0
MOST_AT_ONCE = 16
_PLAIN = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back."""

    body: bytes
    status: HTTPStatus = HTTPStatus.OK
    content_type: str = _PLAIN


Pages = Mapping[str, Callable[[], Awaitable[Answer]]]


def requested(head: bytes, paths: Mapping[str, object]) -> tuple[str, bool] | HTTPStatus:
    """The path a request's head asks for and whether the body is wanted; a status where it is not to be answered.

    Pure. Strict on purpose: those who ask are Prometheus, a supervisor and a person with curl.
    """
    try:
        method, target, version = head.split(b"\r\n", 1)[0].decode("ascii").split(" ")
    except ValueError:
        return HTTPStatus.BAD_REQUEST
    if version not in {"HTTP/1.0", "HTTP/1.1"} or not target.startswith("/"):
        return HTTPStatus.BAD_REQUEST
    path = target.split("?", 1)[0]
    if path not in paths:
        return HTTPStatus.NOT_FOUND
    if method not in {"GET", "HEAD"}:
        return HTTPStatus.METHOD_NOT_ALLOWED
    return path, method == "GET"


def rendered(answer: Answer, *, with_body: bool = True) -> bytes:
    """The bytes of an answer; the connection ends after it."""
    head = (
        f"HTTP/1.1 {answer.status.value} {answer.status.phrase}\r\nContent-Type: {answer.content_type}\r\n"
        f"Content-Length: {len(answer.body)}\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + (answer.body if with_body else b"")


class _Server:
    def __init__(self, pages: Pages, patience_s: float) -> None:
        self._pages = pages
        self._patience_s = patience_s
        self._busy = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        if self._busy >= MOST_AT_ONCE:
            writer.close()
            return
        self._busy += 1
        try:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(self._patience_s):
                    writer.write(await self._answer(reader))
                    await writer.drain()
        except Exception:  # noqa: BLE001  # one turn of a loop: whoever asks gets no answer, the bridge goes on
            _log.exception("health.fault")
        finally:
            self._busy -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""
        except asyncio.LimitOverrunError:
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            return rendered(Answer(status.phrase.encode(), status))
        wanted = requested(head, self._pages)
        if isinstance(wanted, HTTPStatus):
            return rendered(Answer(wanted.phrase.encode(), wanted))
        path, with_body = wanted
        return rendered(await self._pages[path](), with_body=with_body)


@asynccontextmanager
async def serving(
    host: str, port: int, pages: Pages, *, patience_s: float = REQUEST_TIMEOUT_S
) -> AsyncIterator[int | None]:
    """Answer there until the end; yields the port, the kernel's choice for 0. A request has ``patience_s`` in all.

    Yields None where the port is taken: watching must not keep the watched from its work.
    """
    try:
        server = await asyncio.start_server(_Server(pages, patience_s).serve, host, port, limit=MOST_HEAD_BYTES)
    except OSError as fault:
        _log.error("health.not_served", host=host, port=port, detail=str(fault))
        yield None
        return
    taken = int(server.sockets[0].getsockname()[1])
    _log.info("health.served", host=host, port=taken)
    try:
        yield taken
    finally:
        server.close()
