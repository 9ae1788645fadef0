"""T29: the way in for collectors outside. A write token that leaks can add readings to its bucket, and nothing else."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import yaml
from aiohttp import web

from tests.compose_file import services
from tests.front import SHIPPED, front
from tests.store_set_ups import DAY, Place, StoreSetUp, encoded, reading

pytestmark = pytest.mark.integration
WRITE = "/api/v2/write?orgID=0a&bucket=0b&precision=ms"
# What is sent, byte for byte: a client would tidy up before it asks.
REFUSED = (
    *(f"{method} {WRITE}" for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "post", "PURGE")),
    *(f"POST /api/v2/{what}" for what in ("delete", "query", "write/", "writes", "signin", "setup", "authorizations")),
    *(f"GET {path}" for path in ("/health", "/metrics", "/ping", "/debug/pprof/", "/api/v2/me", "/api/v2/orgs")),
    *(f"POST /api/v2/write/{trick}" for trick in ("../delete", "..%2fdelete", "%2e%2e/delete", "..;/delete")),
    *(f"POST {path}" for path in ("/", "/write", "/API/v2/write", "/api/v2/delete;/write", "/api/v2/write%00")),
    "POST http://influxdb:8086/api/v2/delete",
)
# Ways to spell the one path that is meant: what arrives behind is that path.
SPELT = ("/api/v2/write", "//api//v2/write", "/api/v2/delete/../write", "/api/v2/%77rite", "/x/%2e%2e/api/v2/write")


class Behind:
    """A server that answers everything and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        """204, as for a write."""
        self.asked.append((request.method, request.raw_path))
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        self.bodies.append(await request.read())
        return web.Response(status=204)


@pytest.fixture
async def behind() -> AsyncIterator[Behind]:
    """In InfluxDB's place."""
    one, app = Behind(), web.Application(client_max_size=16 * 1024**2)
    app.router.add_route("*", "/{anything:.*}", one.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    one.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield one
    await runner.cleanup()


@pytest.fixture
async def address(behind: Behind, tmp_path: Path) -> AsyncIterator[str]:
    """Of the front before it."""
    async with front(tmp_path / "front", behind.url) as one:
        yield one


async def asked(address: str, line: str, *headers: str, body: bytes = b"") -> int:
    """The status of a request that begins with exactly this line."""
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rsplit(":", 1)[1]), ssl=trusting)
    length = () if any(one.startswith("Content-Length") for one in headers) else (f"Content-Length: {len(body)}",)
    head = [f"{line} HTTP/1.1", "Host: influx.example.org", "Connection: close", *length, *headers]
    writer.write("\r\n".join([*head, "", ""]).encode() + body)
    status = int((await reader.readline()).split()[1])
    writer.transport.abort()
    return status


async def test_nothing_but_a_write_comes_through(address: str, behind: Behind) -> None:
    """Other methods, other paths, and every way to make one path look like another."""
    override = "X-HTTP-Method-Override: DELETE"
    statuses = await asyncio.gather(*(asked(address, line, override) for line in REFUSED))

    assert [line for line, status in zip(REFUSED, statuses, strict=True) if status not in (400, 403, 405)] == []
    assert behind.asked == []


async def test_a_write_arrives_as_one_however_its_path_was_spelt(address: str, behind: Behind) -> None:
    """With its token, its body and how that is packed; cookies and other headers stay outside."""
    packed = gzip.compress(b"reading a=1")
    extra = "Authorization: Token t", "Content-Encoding: gzip", "Cookie: influxdb-session=x", "X-Forwarded-For: 1.2.3.4"
    statuses = [await asked(address, f"POST {path}?orgID=0a&bucket=0b", *extra, body=packed) for path in SPELT]

    assert statuses == [204] * len(SPELT)
    assert behind.asked == [("POST", "/api/v2/write?orgID=0a&bucket=0b")] * len(SPELT)
    assert behind.bodies == [b"reading a=1"] * len(SPELT)
    assert {(one["authorization"], one["content-encoding"]) for one in behind.headers} == {("Token t", "gzip")}
    assert set().union(*behind.headers) == {"host", "authorization", "content-encoding", "content-length"}


async def test_too_much_is_refused_before_it_reaches_influxdb(address: str, behind: Behind) -> None:
    """In one request, and in many."""
    large = await asked(address, f"POST {WRITE}", f"Content-Length: {3 * 1024**2}")
    async with httpx.AsyncClient(verify=False, base_url=address) as http:
        many = [await http.post(WRITE, content=b"x") for _ in range(200)]

    assert large == 413
    assert {one.status_code for one in many} == {204, 429}
    assert 100 <= len(behind.asked) < 200


async def _newest(store: StoreSetUp, place: Place) -> float | None:
    found = await store.reader.latest(place.source, DAY - timedelta(days=1))
    return found["ac_power"].value if "ac_power" in found else None


async def test_a_stolen_write_token_adds_readings_and_deletes_none(store: StoreSetUp, tmp_path: Path) -> None:
    """With a real InfluxDB the same request inside deletes everything: that is why there is a front."""
    place = await store.place(uuid4())
    to = place.destination
    everything = {"start": "1970-01-01T00:00:00Z", "stop": "2100-01-01T00:00:00Z"}
    delete = f"/api/v2/delete?orgID={to.org_id}&bucketID={to.bucket_id}"
    token = {"Authorization": f"Token {to.token}"}
    lines = b"\n".join(encoded(reading(DAY, ac_power=412.0)))
    async with front(tmp_path / "front", store.url) as address, httpx.AsyncClient(verify=False, headers=token) as http:
        write = f"{address}/api/v2/write?orgID={to.org_id}&bucket={to.bucket_id}&precision=ms"
        written = await http.post(write, content=lines)
        stranger = await http.post(write, content=lines, headers={"Authorization": "Token guessed"})
        refused = await http.post(f"{address}{delete}", json=everything)
        left = await _newest(store, place)
        inside = await http.post(f"{store.url}{delete}", json=everything)

    assert (written.status_code, stranger.status_code, refused.status_code) == (204, 401, 403)
    assert left == 412.0
    if store.fake is None:
        assert (inside.status_code, await _newest(store, place)) == (204, None)


def test_the_containers_of_the_front_fit_to_the_others() -> None:
    """It mounts the file that is tested here, and publishes the port that this file listens on."""
    file = SHIPPED.parent / "compose.yaml"
    [service] = yaml.safe_load(file.read_text())["services"].values()
    source, target, mode = service["volumes"][0].split(":")

    assert (SHIPPED.parents[2] / source).samefile(SHIPPED)
    assert (target, mode) == ("/etc/nginx/conf.d/default.conf", "ro")
    assert service["ports"] == ["${FRONT_PORT:-8443}:8443"]
    assert set(service["depends_on"]) <= set(services())
    assert "ports" not in services()["influxdb"]
