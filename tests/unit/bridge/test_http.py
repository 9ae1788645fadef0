"""The tiny server answers those who watch, and nobody keeps it busy."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

import pytest

from bridge.edges import http
from bridge.edges.http import Answer, requested, serving

pytestmark = pytest.mark.unit

PATHS = {"/metrics": None}


@pytest.mark.parametrize(
    ("head", "answer"),
    [
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", ("/metrics", True)),
        (b"HEAD /metrics HTTP/1.0\r\n\r\n", ("/metrics", False)),
        (b"GET /metrics?x=1 HTTP/1.1\r\n\r\n", ("/metrics", True)),
        (b"GET /other HTTP/1.1\r\n\r\n", HTTPStatus.NOT_FOUND),
        (b"GET /metrics/../etc HTTP/1.1\r\n\r\n", HTTPStatus.NOT_FOUND),
        (b"POST /metrics HTTP/1.1\r\n\r\n", HTTPStatus.METHOD_NOT_ALLOWED),
        (b"GET  /metrics HTTP/1.1\r\n\r\n", HTTPStatus.BAD_REQUEST),
        (b"GET /metrics HTTP/2\r\n\r\n", HTTPStatus.BAD_REQUEST),
        (b"GET http://x/metrics HTTP/1.1\r\n\r\n", HTTPStatus.BAD_REQUEST),
        (b"\xff\xfe\r\n\r\n", HTTPStatus.BAD_REQUEST),
        (b"\r\n\r\n", HTTPStatus.BAD_REQUEST),
    ],
)
def test_only_a_plain_get_of_a_known_path_is_answered(head: bytes, answer: object) -> None:
    """Everything else has its status, whatever it looks like."""
    assert requested(head, PATHS) == answer


@asynccontextmanager
async def _server(*, fails: bool = False, patience_s: float = 10.0) -> AsyncIterator[int]:
    async def page() -> Answer:
        if fails:
            raise ValueError("a defect")
        return Answer(b"well")

    async with serving("127.0.0.1", 0, {"/metrics": page}, patience_s=patience_s) as port:
        assert port is not None
        yield port


async def _exchange(port: int, *sent: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in sent:
            writer.write(part)
            await writer.drain()
        return await reader.read()
    finally:
        writer.close()


async def test_a_request_in_pieces_is_answered_once_it_is_whole() -> None:
    """The connection ends with the answer."""
    async with _server() as port:
        answer = await _exchange(port, b"GET /met", b"rics HTTP/1.1\r\nHost: x\r", b"\n\r\n")

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Length: 4" in head
    assert body == b"well"


async def test_a_head_has_no_body() -> None:
    """But the length of the one it stands for."""
    async with _server() as port:
        answer = await _exchange(port, b"HEAD /metrics HTTP/1.1\r\n\r\n")

    assert b"Content-Length: 4" in answer
    assert answer.endswith(b"\r\n\r\n")


async def test_a_request_without_an_end_is_refused_at_its_limit() -> None:
    """No memory is spent on it."""
    async with _server() as port:
        answer = await _exchange(port, b"GET /metrics HTTP/1.1\r\nX: " + b"x" * (http.MOST_HEAD_BYTES + 1))

    assert answer.startswith(b"HTTP/1.1 431 ")


async def test_a_defect_of_a_page_ends_one_connection_and_no_server() -> None:
    """Whoever asks gets no answer; the next one is served."""
    async with _server(fails=True) as port:
        first = await _exchange(port, b"GET /metrics HTTP/1.1\r\n\r\n")
        second = await _exchange(port, b"GET /other HTTP/1.1\r\n\r\n")

    assert first == b""
    assert second.startswith(b"HTTP/1.1 404 ")


async def test_those_who_say_nothing_take_no_more_than_their_places() -> None:
    """Connections beyond the limit are closed at once; when the silent ones go there is room again."""
    async with _server() as port:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(http.MOST_AT_ONCE)]
        turned_away = await _exchange(port)
        for _, writer in silent:
            writer.close()
            await writer.wait_closed()
        answer = b""
        while not answer:
            answer = await _exchange(port, b"GET /metrics HTTP/1.1\r\n\r\n")

    assert turned_away == b""
    assert answer.endswith(b"well")


async def test_a_request_that_never_ends_loses_its_connection() -> None:
    """Half a request and then silence: the server does not wait for the rest."""
    async with _server(patience_s=0.05) as port:
        answer = await _exchange(port, b"GET /metrics HTTP/1.1\r\n")

    assert answer == b""
