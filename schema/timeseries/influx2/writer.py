"""The write path to InfluxDB 2: prepared heads over kept connections, because a request per inverter is its whole cost.

No query, no retry here: the bridge decides what to do with each outcome.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from urllib.parse import urlsplit

from schema.timeseries.influx2.answers import is_id, refusal_of_write, retry_after
from schema.timeseries.influx2.wire import Connections, Origin
from schema.timeseries.port import Destination, StoreMisconfigured, StoreUnavailable

_PORTS = {"http": 80, "https": 443}


def _now() -> datetime:
    return datetime.now(UTC)


class Influx2Writer:
    """A ``PointWriter`` for any number of InfluxDB servers; connections are made at the first write.

    ``durable`` rests on the server's ``storage-wal-fsync-delay`` being 0, its default: 204 comes after the fsync.
    """

    durable = True

    def __init__(self, *, timeout_s: float = 10.0, now: Callable[[], datetime] = _now, precision: str = "ms") -> None:
        """``timeout_s`` is what connecting and a request may take each; ``now`` dates ``Retry-After``; ``precision``
        is what the lines' times count.
        """
        self._timeout_s = timeout_s
        self._now = now
        self._connections: Connections | None = None
        self._closed = False
        self._prepared = lru_cache(maxsize=4096)(partial(_prepared, precision=precision))

    async def write(self, destination: Destination, lines: Sequence[bytes]) -> None:
        """Store all lines of one inverter or raise a ``StoreError``; part may have landed, writing again is safe."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if not lines:
            return
        origin, head = self._prepared(destination.server, destination.org_id, destination.bucket_id, destination.token)
        if self._connections is None:
            self._connections = Connections(self._timeout_s)
        body = b"\n".join(lines)
        try:
            answer = await self._connections.post(origin, b"%b%d\r\n\r\n%b" % (head, len(body), body))
        except TimeoutError as error:
            raise StoreUnavailable("no answer in time", answered=False) from error
        except (OSError, UnicodeError) as error:
            raise StoreUnavailable(f"{type(error).__name__}: {error}", answered=False) from error
        if answer.status != 204:
            wish_s = retry_after(answer.retry_after, self._now())
            refusal = refusal_of_write(answer.status, answer.detail.decode(errors="replace"), retry_after_s=wish_s)
            if refusal is not None:
                raise refusal

    async def close(self) -> None:
        """Release the connections; a write under way ends as unavailable."""
        self._closed = True
        if self._connections is not None:
            await self._connections.close()


def _prepared(server: str, org_id: str, bucket_id: str, token: str, *, precision: str) -> tuple[Origin, bytes]:
    """Where a destination's requests go and how they begin, up to their length.

    Raises ``StoreMisconfigured`` for what could not be sent as it is.
    """
    if not (is_id(org_id) and is_id(bucket_id)):
        raise StoreMisconfigured("organisation and bucket are given by their ids", status=404)
    if not (token.isascii() and token.isprintable()):
        raise StoreMisconfigured("the token is not printable", status=401)
    try:
        origin, path = _address(server)
    except ValueError as error:
        raise StoreMisconfigured("the server's address is no URL", status=404) from error
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    head = (
        f"POST {path}/api/v2/write?orgID={org_id}&bucket={bucket_id}&precision={precision} HTTP/1.1\r\n"
        f"Host: {host}:{origin.port}\r\n"
        f"Authorization: Token {token}\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Content-Length: "
    )
    return origin, head.encode("ascii")


def _address(server: str) -> tuple[Origin, str]:
    """A server's URL taken apart: where to connect, and the path before ours. Raises ``ValueError``."""
    if not (server.isascii() and server.isprintable()) or " " in server:
        raise ValueError(server)
    parts = urlsplit(server)
    port = parts.port or _PORTS.get(parts.scheme, 0)
    if not parts.hostname or not port or parts.username is not None or parts.query or parts.fragment:
        raise ValueError(server)
    return Origin(parts.scheme == "https", parts.hostname, port), parts.path.rstrip("/")
