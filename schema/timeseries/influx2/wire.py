"""Just enough HTTP/1.1 to post a body and read a short answer, over connections that are kept. No query, no redirect.

A request is the bridge's whole cost where every inverter has a bucket of its own, and aiohttp takes four times as much
of the processor for it (docs/decisions.md, Stores). Source: RFC 9112, sections 2 to 7 and 9.3. What is no plain answer
ends its connection; nothing that a server sends may raise anything but ``BrokenAnswer``.
"""

import asyncio
import re
import ssl
from collections.abc import Callable
from typing import NamedTuple, cast

LONGEST_DETAIL = 2_048
_LONGEST_HEAD = 65_536
_END = b"\r\n\r\n"
_WRITTEN = b"HTTP/1.1 204 "
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [^\r\n]*)?")
_NO_BODY = frozenset({204, 304})
_HEXADECIMAL = re.compile(rb"[0-9A-Fa-f]{1,8}")
_DECIMAL = re.compile(rb"[0-9]{1,18}")
# A server closes idle connections; one that was idle this long is not trusted with a request.
_IDLE_S = 15.0
_LOOK_EVERY_S = 0.5


class BrokenAnswer(ConnectionError):
    """What came is no answer in HTTP/1.1, or it ended too early."""


class Origin(NamedTuple):
    """Where connections go."""

    tls: bool
    host: str
    port: int


class Answer(NamedTuple):
    """A status, the beginning of the body, the header ``Retry-After``, and whether the connection may go on."""

    status: int
    detail: bytes
    retry_after: str | None
    reusable: bool


def read(data: bytes, *, ended: bool) -> Answer | None:
    """The answer in ``data``, None while more of it must come. Raises ``BrokenAnswer``."""
    code, minor, body = 100, b"1", data
    while code < 200:
        # Interim answers (100 to 199) are followed by the real one.
        head, found, rest = body.partition(_END)
        if not found:
            if ended or len(data) > _LONGEST_HEAD or not b"HTTP/1.".startswith(body[:7]):
                raise BrokenAnswer("no answer in HTTP/1.1")
            return None
        first, *lines = head.split(b"\r\n")
        status = _STATUS.fullmatch(first)
        if status is None:
            raise BrokenAnswer("no answer in HTTP/1.1")
        code, minor, body = int(status[2]), status[1], rest
    headers: dict[bytes, bytes] = {}
    for line in lines:
        name, _, value = line.partition(b":")
        headers[name.lower()] = value.strip()
    detail, complete = _detail(code, headers, body, ended=ended)
    if detail is None:
        return None
    wish = headers.get(b"retry-after")
    reusable = complete and minor == b"1" and b"close" not in headers.get(b"connection", b"").lower()
    return Answer(code, detail, wish.decode("latin-1") if wish is not None else None, reusable)


def _detail(code: int, headers: dict[bytes, bytes], body: bytes, *, ended: bool) -> tuple[bytes | None, bool]:
    """As much of the body as anybody wants, None while more must come, and whether it is there exactly."""
    if code in _NO_BODY:
        return b"", not body
    if b"transfer-encoding" in headers:
        return _dechunked(body, ended=ended)
    length = headers.get(b"content-length")
    if length is not None and _DECIMAL.fullmatch(length) is None:
        raise BrokenAnswer("no length")
    if length is not None and len(body) >= int(length):
        return body[: min(int(length), LONGEST_DETAIL)], len(body) == int(length)
    if ended or len(body) >= LONGEST_DETAIL:
        return body[:LONGEST_DETAIL], False
    return None, False


def _dechunked(body: bytes, *, ended: bool) -> tuple[bytes | None, bool]:
    detail, at = b"", 0
    while len(detail) < LONGEST_DETAIL:
        end = body.find(b"\r\n", at)
        if end < 0:
            break
        size = body[at:end].partition(b";")[0].strip()
        if _HEXADECIMAL.fullmatch(size) is None:
            raise BrokenAnswer("no chunk")
        at = end + 2
        if int(size, 16) == 0:
            rest = body[at:]
            return (detail, rest == b"\r\n") if len(rest) > 1 or ended else (None, False)
        detail += body[at : at + int(size, 16)]
        at += int(size, 16) + 2
    if ended or len(detail) >= LONGEST_DETAIL:
        return detail[:LONGEST_DETAIL], False
    return None, False


class _Connection(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self, lost: "Callable[[_Connection], None]") -> None:
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._buffer = b""
        self.until = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, request: bytes, answer: "asyncio.Future[Answer]") -> None:
        """Send a request whose answer goes into ``answer``."""
        self._answer = answer
        self._buffer = b""
        if self._transport is None or self._transport.is_closing():
            answer.set_exception(BrokenAnswer("the connection was closed"))
        else:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        waiting = self._answer
        if waiting is None or waiting.done():
            # Nobody has asked: whatever this is, it must not be taken for the next answer.
            self.abort()
            return
        if not self._buffer and data.startswith(_WRITTEN) and data.find(_END) == len(data) - len(_END):
            self._answer = None
            waiting.set_result(Answer(204, b"", None, b"connection: close" not in data.lower()))
            return
        self._buffer += data
        self._look(waiting, ended=False)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's
        self._transport = None
        self._lost(self)
        if self._answer is not None and not self._answer.done():
            self._look(self._answer, ended=True)

    def _look(self, waiting: "asyncio.Future[Answer]", *, ended: bool) -> None:
        try:
            answer = read(self._buffer, ended=ended)
        except BrokenAnswer as fault:
            self._answer = None
            waiting.set_exception(fault)
            self.abort()
            return
        if answer is not None:
            self._answer = None
            waiting.set_result(answer)

    def overdue(self) -> None:
        """No answer came in time."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(TimeoutError("no answer in time"))

    def abort(self) -> None:
        """End it now."""
        if self._transport is not None:
            self._transport.abort()


class Connections:
    """Kept connections to any number of servers: as many to each as requests are under way there at once."""

    def __init__(self, timeout_s: float) -> None:
        """``timeout_s`` is what a request may take, the connection before it as much again."""
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._idle: dict[Origin, list[_Connection]] = {}
        self._busy: set[_Connection] = set()
        self._tls: ssl.SSLContext | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    async def post(self, origin: Origin, request: bytes) -> Answer:
        """Send a request as it is and wait for its answer. Raises ``OSError``, of which ``TimeoutError`` is one."""
        idle = self._idle.get(origin)
        connection = idle.pop() if idle else await self._connect(origin)
        answer: asyncio.Future[Answer] = self._loop.create_future()
        connection.until = self._loop.time() + self._timeout_s
        self._busy.add(connection)
        if self._timer is None:
            self._look_later()
        reusable = False
        try:
            connection.send(request, answer)
            found = await answer
            reusable = found.reusable and not self._closed
        finally:
            self._busy.discard(connection)
            if reusable:
                connection.until = self._loop.time() + _IDLE_S
                self._idle.setdefault(origin, []).append(connection)
            else:
                connection.abort()
        return found

    async def _connect(self, origin: Origin) -> _Connection:
        if origin.tls and self._tls is None:
            self._tls = ssl.create_default_context()
        async with asyncio.timeout(self._timeout_s):
            _, connection = await self._loop.create_connection(
                lambda: _Connection(self._lost), origin.host, origin.port, ssl=self._tls if origin.tls else None
            )
        return connection

    def _lost(self, connection: _Connection) -> None:
        for idle in self._idle.values():
            if connection in idle:
                idle.remove(connection)

    def _look_later(self) -> None:
        self._timer = self._loop.call_later(min(_LOOK_EVERY_S, self._timeout_s / 4), self._look)

    def _look(self) -> None:
        """End what is overdue and what has been idle for long: one timer for all, none for each request."""
        now = self._loop.time()
        for connection in list(self._busy):
            if now >= connection.until:
                connection.overdue()
        for idle in self._idle.values():
            for connection in [one for one in idle if now >= one.until]:
                idle.remove(connection)
                connection.abort()
        self._timer = None
        if self._busy or any(self._idle.values()):
            self._look_later()

    async def close(self) -> None:
        """End every connection; a request under way fails."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for connection in [*self._busy, *(one for idle in self._idle.values() for one in idle)]:
            connection.abort()
        # The transports report their end in the loop's next turns.
        for _ in range(2):
            await asyncio.sleep(0)
