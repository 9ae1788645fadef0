"""1,500 requests that no honest program sends: bent headers, bodies that are none, parts without end, over the wire.

Each gets a plain refusal, or the plain answer where the oddity means nothing; none is a fault of ours, none tells
anything but a refusal, and the portal works on as before. The list is fixed: the same in every run.
"""

import http.client
import itertools
import json
import re
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from portal.app import LARGEST_REQUEST_BYTES
from tests.api_server import ApiServer, api_server

pytestmark = pytest.mark.integration

_STATUS = re.compile(rb"^HTTP/1\.1 (\d{3}) ")
_LEAKS = (b"Traceback", b"site-packages", b"sqlalchemy", b"SELECT ")
LONG = "a" * 8_000

BENT_HEADERS: list[tuple[str, bytes | str]] = [
    *[("Authorization", value) for value in (
        "", "Bearer", "Bearer ", "bearer null", "Basic YWxpY2U6cGFzcw==", "Bearer a.b.c", "Bearer .." , "Token x",
        "Bearer deye_", "Bearer deye_" + "A" * 32, "Bearer " + LONG, "Bearer \xe9", "Bearer eyJhbGciOiJub25lIn0.e30.",
        "Bearer a, Bearer b", "Digest username=alice", "Negotiate " + LONG,
    )],
    *[("Host", value) for value in ("", "evil.example", "[::", "a:99999999", "a b", "127.0.0.1:0", "\xff", "..", "@")],
    *[(name, "evil.example") for name in ("X-Forwarded-Host", "X-Forwarded-Server", "Forwarded", "X-Original-URL")],
    *[("X-Forwarded-For", value) for value in ("1.2.3.4", "::1", "a, b, c", LONG, "-1", "' OR 1=1 --")],
    *[("X-HTTP-Method-Override", value) for value in ("DELETE", "PUT", "TRACE")],
    *[("Accept", value) for value in ("", "*/*;q=nan", "text/html", "a/b/c", LONG, "text/csv;q=-1", ",,,,", "\xff")],
    *[("Accept-Language", value) for value in ("", ";q=", "de;q=1e999", LONG, "../../etc/passwd", "\xff")],
    *[("Accept-Encoding", value) for value in ("gzip;q=x", "br, zstd, *;q=0", LONG)],
    *[("If-None-Match", value) for value in ("", "*", '"', 'W/"', LONG, "\xff", '"a", "b"', "," * 4_000)],
    *[("If-Modified-Since", value) for value in ("yesterday", "Thu, 01 Jan 1970 00:00:00 GMT", LONG)],
    *[("Range", value) for value in ("bytes=0-", "bytes=-1", "bytes=9-1", "bytes=" + "0-1," * 500, "lines=1")],
    *[("Cookie", value) for value in (
        "", "session", "session=", "session=x.y.z", "csrf=" + LONG, "a=b;" * 500, "=", "session=\xff", "lang=../..",
    )],
    *[("Origin", value) for value in ("null", "https://evil.example", "file://")],
    *[("Content-Type", value) for value in ("", "a", "text/html; charset=none", "multipart/form-data", "/", LONG)],
    *[("Content-Encoding", value) for value in ("gzip", "deflate", "x")],
    ("Expect", "100-continue"), ("Upgrade", "websocket"), ("Upgrade", "h2c"), ("TE", "trailers"), ("Via", LONG),
    ("Sec-Fetch-Site", "cross-site"), ("X-Requested-With", "XMLHttpRequest"), ("HX-Request", "true"),
    ("Max-Forwards", "0"), ("X-CSRFToken", "x"), ("DNT", "2"),
]  # fmt: skip
ADDRESSES = (
    *("/api/account/me", "/api/inverters", "/api/inverters/{roof}", "/api/inverters/{roof}/latest"),
    *("/api/inverters/{roof}/readings", "/api/inverters/{roof}/energy", "/api/quantities", "/api/nothing"),
    *("/influx_token?serial=2711111111", "/healthcheck"),
)

_PART = b'--a\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
BODIES: list[bytes] = [
    *(b"", b"{", b"[]", b"null", b"0", b'"a"', b"{}", b"[" * 20_000, b'{"a":' * 5_000, b"\xff\xfe", b"\x00" * 100),
    *(b"\xef\xbb\xbf{}", '{"sw_version":"1"}'.encode("utf-16"), b'{"sw_version":"\\ud800"}'),
    *(b'{"rated_power":NaN}', b'{"rated_power":1e999}', b'{"sw_version":"\\u0000"}'),
    *(b'{"rated_power":-1}', b'{"rated_power":' + b"9" * 4_000 + b"}"),
    *(b'{"rated_power":1,"rated_power":2}', b'{"rated_power":true}', b'{"rated_power":"1"}', b'{"rated_power":1.5}'),
    *(b'{"__proto__":{"a":1}}', b'{"sw_version":{"$gt":""}}', b'{"owner_id":"y"}'),
    b'{"sw_version":"' + b"x" * 60_000 + b'"}',
    *(b"username=a", b"username=a&password=", b"username=a&username=b&password=c", b"username[]=a&password[]=b"),
    *(b"username=%00&password=%00", b"username=%ff&password=%fe", b"%=%&&&=&", b"&" * 30_000, b"a=b&" * 10_000),
    *(b"username=" + b"x" * 60_000 + b"&password=x", b"username=%F0%9F&password=%zz"),
    *(b"username=a&password=b&is_admin=true", b"username=a&password=b&otp=" + b"1" * 300),
    *(b"username=a;password=b", b"username=a%26password=b", b"grant_type=password&username=a&password=b&scope=admin"),
    *(_PART % (b"username", b"a") + b"--a--\r\n", b"--a\r\n", b"--a--\r\n"),
    *(_PART % (b"x" * 10_000, b"a") + b"--a--\r\n", b"--a\r\nContent-Disposition: form-data\r\n\r\na\r\n--a--\r\n"),
    *((_PART % (b"f", b"")) * 1_000 + b"--a--\r\n", b"--a\r\n" * 5_000),
    b'--a\r\nContent-Disposition: form-data; name="f"; filename="../x"\r\nContent-Type: a; charset=b\r\n\r\nx\r\n--a--',
    b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
    *(b"\x1f\x8b\x08\x00\x00\x00\x00\x00", b"$" * 65_536, b"x" * 65_537, b"x" * 200_000),
]  # fmt: skip
TYPES = (
    *(
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=a",
        "multipart/form-data",
    ),
    *(
        "multipart/form-data; boundary=" + "b" * 500,
        "application/json; charset=none",
        "text/plain",
        "application/xml",
        "",
    ),
)


def _raw(server: ApiServer, request: bytes, *, then_silent: bool = False) -> tuple[int, bytes]:
    """What is answered to bytes; status 0 where the connection was closed without an answer.

    ``then_silent`` says that nothing follows, so that the server need not wait for the rest of half a request.
    """
    place = urlsplit(server.url)
    assert place.hostname is not None
    answer = b""
    with (
        socket.create_connection((place.hostname, place.port or 80), timeout=20) as line,
        suppress(OSError),  # who sends too much is cut off while still sending
    ):
        line.sendall(request)
        if then_silent:
            line.shutdown(socket.SHUT_WR)
        while part := line.recv(65_536):
            answer += part
    found = _STATUS.match(answer)
    return (int(found[1]) if found else 0), answer


def _asked(server: ApiServer, method: str, path: str, headers: dict[str, bytes | str], body: bytes = b"") -> bytes:
    lines = {"Host": "portal.example.org", "Connection": "close", **headers}
    if body:
        lines["Content-Length"] = str(len(body))
    text = b"".join(
        name.encode() + b": " + (value if isinstance(value, bytes) else value.encode("latin-1")) + b"\r\n"
        for name, value in lines.items()
    )
    return f"{method} {path.format(roof=server.roof)} HTTP/1.1\r\n".encode() + text + b"\r\n" + body


def _bent(server: ApiServer) -> Iterator[tuple[str, bytes]]:
    for path, (name, value) in itertools.product(ADDRESSES, BENT_HEADERS):
        # With a good token, so that it is the oddity and not the missing token that is refused.
        headers: dict[str, bytes | str] = {**server.headers["alice"], name: value}
        yield f"GET {path} {name}: {value[:40]!r}", _asked(server, "GET", path, headers)


def _bodies(server: ApiServer) -> Iterator[tuple[str, bytes]]:
    for kind, body in itertools.product(TYPES, BODIES):
        told: dict[str, bytes | str] = {**server.headers["ada"], "Content-Type": kind}
        for path in ("/auth/jwt/login", "/inverter_metadata/2711111111"):
            yield f"POST {path} {kind} {body[:40]!r}", _asked(server, "POST", path, told, body)
    for path in ("/api/inverters", "/auth/jwt/logout"):
        yield f"POST {path} body", _asked(server, "POST", path, {"Content-Type": "application/json"}, b"{}")


def test_bent_headers_and_broken_bodies_are_refused_or_mean_nothing(tmp_path: Path) -> None:
    """No 5xx, no word of ours beyond the refusal, problem details wherever the portal itself answers."""
    seen: Counter[int] = Counter()
    wrong: list[str] = []
    with api_server(tmp_path / "portal") as server:
        for said, request in itertools.chain(_bent(server), _bodies(server)):
            status, answer = _raw(server, request)
            seen[status] += 1
            plain = status < 400 or b"application/problem+json" in answer or b"Invalid HTTP request" in answer
            cut_off = status == 0 and len(request) > LARGEST_REQUEST_BYTES
            leaks = [leak for leak in _LEAKS if leak in answer]
            if leaks or not (cut_off or (plain and (200 <= status < 500 or status == 501))):
                wrong.append(f"{said} → {status} {leaks} {answer[-200:]!r}")
        after, _ = _raw(server, _asked(server, "GET", "/api/inverters", dict(server.headers["alice"])))

    assert wrong == []
    assert server.faults == []
    assert seen.total() >= 1_500
    assert {200, 400, 401, 413, 415} <= set(seen)
    assert after == 200


SMUGGLED = [
    b"GET /api/inverters HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n",
    b"GET /api/inverters HTTP/1.1\r\nConnection: close\r\n\r\n",
    b"GET /api/inverters HTTP/1.1\r\nHost : a\r\n\r\n",
    b"GET /api/inverters HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
    b"GET /api/inverters HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n",
    b"GET  /api/inverters HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /api/inverters HTTP/9.9\r\nHost: a\r\n\r\n",
    b"GET /api/inverters\r\n\r\n",
    b"POST /auth/jwt/login HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    b"POST /auth/jwt/login HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    b"POST /auth/jwt/login HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST /auth/jwt/login HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET",
    b"POST /auth/jwt/login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /auth/jwt/login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"GET /api/inverters HTTP/1.1\r\nHost: a\r\n" + b"X: " + b"a" * 200_000 + b"\r\n\r\n",
    b"GET /api/inverters?" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /api/inverters HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 20_000 + b"\r\n",
    b"GET /api/../../etc/passwd HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"GET http://evil.example/api/inverters HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"GET /api/inverters%00%0d%0aX:%20y HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]


def test_what_is_no_request_gets_no_further_than_the_server(tmp_path: Path) -> None:
    """Split, doubled, endless or folded requests: refused or cut off; nothing smuggled is answered."""
    with api_server(tmp_path / "portal") as server:
        answers = [_raw(server, request, then_silent=True) for request in SMUGGLED]
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=20)
        connection.request("GET", "/api/inverters", headers=server.headers["alice"])
        after = json.loads(connection.getresponse().read())
        connection.close()

    assert {status for status, _ in answers} <= {0, 400, 401, 404, 405, 413, 414, 431}
    # What follows a request on its line is a request of its own; here it is none, and never more than refused.
    assert {line[9:12] for _, answer in answers for line in answer.split(b"\r\n")[1:] if line[:9] == b"HTTP/1.1 "} <= {
        b"400"
    }
    assert server.faults == []
    assert len(after["inverters"]) == 1
