"""The write path on servers that behave as no InfluxDB should: each write gets its own answer, or none."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from schema.timeseries.influx2.writer import Influx2Writer
from schema.timeseries.port import Destination, PointsRefused, StoreMisconfigured, StoreUnavailable
from tests.services import found
from tests.waiting import until

pytestmark = pytest.mark.integration

WRITTEN = b"HTTP/1.1 204 No Content\r\n\r\n"
Behaviour = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Reads requests and does with each what it is told; remembers them by connection."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, bytes]] = []
        self.answers: dict[bytes, Behaviour] = {}
        self.connections = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        mine = self.connections
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                body = await reader.readexactly(length)
                self.seen.append((mine, head))
                await self.answers.get(body, _written)(body, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def place(self, bucket: int = 1) -> Destination:
        """A destination here."""
        return Destination(uuid4(), uuid4(), self.url, f"{1:016x}", f"{bucket:016x}", f"token-{bucket}")


async def _written(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(WRITTEN)
    await writer.drain()


def _says(data: bytes, *, then_close: bool = False) -> Behaviour:
    async def say(_: bytes, writer: asyncio.StreamWriter) -> None:
        for place in range(0, len(data), 7):
            writer.write(data[place : place + 7])
            await writer.drain()
            await asyncio.sleep(0)
        if then_close:
            writer.close()

    return say


@asynccontextmanager
async def _running(
    *, timeout_s: float = 5.0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[Server, Influx2Writer]]:
    one = Server()
    listener = await asyncio.start_server(one.serve, "127.0.0.1", 0, ssl=tls)
    one.url = f"{'https' if tls else 'http'}://localhost:{listener.sockets[0].getsockname()[1]}"
    writer = Influx2Writer(timeout_s=timeout_s)
    try:
        yield one, writer
    finally:
        await writer.close()
        listener.close()
        await listener.wait_closed()


async def test_one_connection_serves_one_write_after_the_other() -> None:
    """Each with its own place and token."""
    async with _running() as (server, writer):
        for bucket in (1, 2, 3):
            await writer.write(server.place(bucket), [b"x"])

    assert [connection for connection, _ in server.seen] == [1, 1, 1]
    for bucket, (_, head) in enumerate(server.seen, 1):
        assert f"bucket={bucket:016x}&precision=ms HTTP/1.1\r\n" in head.decode()
        assert f"Authorization: Token token-{bucket}\r\n" in head.decode()


async def test_an_error_in_pieces_and_chunks_is_read_and_the_connection_goes_on() -> None:
    """InfluxDB's own errors have a length; a proxy's may come in chunks."""
    async with _running() as (server, writer):
        server.answers[b"a"] = _says(b"HTTP/1.1 422 x\r\nContent-Length: 7\r\n\r\nno good")
        server.answers[b"b"] = _says(
            b"HTTP/1.1 400 x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbad \r\n5\r\npoint\r\n0\r\n\r\n"
        )
        with pytest.raises(PointsRefused, match="422: no good"):
            await writer.write(server.place(), [b"a"])
        with pytest.raises(PointsRefused, match="400: bad point"):
            await writer.write(server.place(), [b"b"])
        await writer.write(server.place(), [b"c"])

    assert server.connections == 1


async def test_an_answer_that_nobody_asked_for_is_nobodys() -> None:
    """Two answers to one request: the second must not acknowledge the next write, perhaps another owner's."""
    async with _running() as (server, writer):
        server.answers[b"a"] = _says(WRITTEN + WRITTEN)
        server.answers[b"b"] = _says(b"HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n")
        await writer.write(server.place(1), [b"a"])
        await asyncio.sleep(0.05)  # for the second answer to come in
        with pytest.raises(StoreUnavailable):
            await writer.write(server.place(2), [b"b"])

    assert server.connections == 2


async def test_a_write_that_was_given_up_leaves_no_answer_behind() -> None:
    """Its connection ends with it: the late answer is not taken for another write's."""
    release = asyncio.Event()

    async def late(body: bytes, stream: asyncio.StreamWriter) -> None:
        await release.wait()
        await _written(body, stream)

    async with _running() as (server, writer):
        server.answers[b"a"] = late
        server.answers[b"b"] = _says(b"HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n")
        given_up = asyncio.create_task(writer.write(server.place(1), [b"a"]))
        await until(lambda: bool(server.seen))
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        release.set()
        with pytest.raises(StoreUnavailable):
            await writer.write(server.place(2), [b"b"])

    assert server.connections == 2


async def test_a_server_that_wants_to_close_is_asked_on_a_new_connection() -> None:
    """With and without a word."""
    async with _running() as (server, writer):
        server.answers[b"a"] = _says(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", then_close=True)
        server.answers[b"b"] = _says(WRITTEN, then_close=True)
        await writer.write(server.place(), [b"a"])
        await writer.write(server.place(), [b"b"])
        await asyncio.sleep(0.05)  # for the end of that connection to be noticed
        await writer.write(server.place(), [b"c"])

    assert server.connections == 3


@pytest.mark.parametrize("half", [b"", b"HTTP/1.1 20", b"HTTP/1.1 204 No Content\r\nX: "])
async def test_half_an_answer_is_none(half: bytes) -> None:
    """Whatever was written then is written again."""
    async with _running() as (server, writer):
        server.answers[b"a"] = _says(half, then_close=True)
        with pytest.raises(StoreUnavailable) as fault:
            await writer.write(server.place(), [b"a"])

    assert not fault.value.answered


async def test_silence_in_mid_answer_ends_at_the_time_out() -> None:
    """A head without its end too."""
    async with _running(timeout_s=0.2) as (server, writer):
        server.answers[b"a"] = _says(b"HTTP/1.1 204 No Con")
        with pytest.raises(StoreUnavailable, match="in time"):
            await writer.write(server.place(), [b"a"])


async def test_something_that_is_no_http_is_unavailable() -> None:
    """A port that was given to somebody else."""
    async with _running() as (server, writer):
        server.answers[b"a"] = _says(b"220 mail.example ESMTP\r\n")
        with pytest.raises(StoreUnavailable):
            await writer.write(server.place(), [b"a"])


async def test_many_writes_at_once_have_a_connection_each_and_keep_it() -> None:
    """The second round needs no new one."""
    async with _running() as (server, writer):
        for _ in range(2):
            await asyncio.gather(*(writer.write(server.place(number + 1), [b"x"]) for number in range(20)))

    assert len(server.seen) == 40
    assert server.connections <= 20


@pytest.mark.parametrize(
    "url", ["", "influx", "ftp://host", "http://", "http://ho st", "http://host:port", "http://h\u00f6st", "http://u:p@host",
            "http://host/?a=b", "http://host\r\nX: y"]
)  # fmt: skip
async def test_an_address_that_is_no_url_is_a_misconfiguration(url: str) -> None:
    """It is not tried: no name is looked up, nothing of it reaches the wire."""
    writer = Influx2Writer()
    with pytest.raises(StoreMisconfigured):
        await writer.write(Destination(uuid4(), uuid4(), url, f"{1:016x}", f"{1:016x}", "t"), [b"x"])
    await writer.close()


async def test_a_server_below_a_path_is_asked_there() -> None:
    """Behind a proxy that adds a prefix."""
    async with _running() as (server, writer):
        server.url += "/influx/"
        await writer.write(server.place(), [b"x"])

    assert server.seen[0][1].startswith(b"POST /influx/api/v2/write?")


def _certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for localhost that signs itself, and a server's side of it."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    made = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([found("openssl"), "req", *made, *names], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return certificate, context


async def test_a_server_with_a_certificate_is_written_to_over_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that the computer trusts, by the name in the address."""
    certificate, context = _certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with _running(tls=context) as (server, writer):
        for _ in range(2):
            await writer.write(server.place(), [b"x"])

    assert [connection for connection, _ in server.seen] == [1, 1]


async def test_a_certificate_that_nobody_trusts_gets_no_token(tmp_path: Path) -> None:
    """The connection ends before the request."""
    async with _running(tls=_certificate(tmp_path)[1]) as (server, writer):
        with pytest.raises(StoreUnavailable, match="certificate"):
            await writer.write(server.place(), [b"x"])

    assert server.seen == []
