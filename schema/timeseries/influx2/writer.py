"""The write path to InfluxDB 2: aiohttp with prepared addresses, because a request per inverter is its whole cost.

``stack-measurements.md`` 3: 62 us a request, where influxdb-client takes 107 and httpx over 600. No query, no retry
here: the bridge decides what to do with each outcome.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache

import aiohttp
from yarl import URL

from schema.timeseries.influx2.answers import is_id, refusal_of_write, retry_after
from schema.timeseries.port import Destination, StoreMisconfigured, StoreUnavailable

_MAX_DETAIL_BYTES = 2048


def _now() -> datetime:
    return datetime.now(UTC)


class Influx2Writer:
    """A ``PointWriter`` for any number of InfluxDB servers; connections are made at the first write.

    ``durable`` rests on the server's ``storage-wal-fsync-delay`` being 0, its default: 204 comes after the fsync.
    """

    durable = True

    def __init__(
        self, *, timeout_s: float = 10.0, connections_per_server: int = 64, now: Callable[[], datetime] = _now
    ) -> None:
        """``timeout_s`` covers a whole request and the wait for a free connection; ``now`` dates ``Retry-After``."""
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._connections_per_server = connections_per_server
        self._now = now
        self._session: aiohttp.ClientSession | None = None
        self._closed = False
        self._prepared = lru_cache(maxsize=4096)(_prepared)

    async def write(self, destination: Destination, lines: Sequence[bytes]) -> None:
        """Store all lines of one inverter or raise a ``StoreError``; part may have landed, writing again is safe."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if not lines:
            return
        url, headers = self._prepared(destination.server, destination.org_id, destination.bucket_id, destination.token)
        body = b"\n".join(lines)
        try:
            async with self._open().post(url, data=body, headers=headers, allow_redirects=False) as response:
                detail = b"" if response.status == 204 else await response.content.read(_MAX_DETAIL_BYTES)
        except aiohttp.InvalidURL as error:
            raise StoreMisconfigured("the server's address is no URL", status=404) from error
        except TimeoutError as error:
            raise StoreUnavailable("no answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise StoreUnavailable(f"{type(error).__name__}: {error}") from error
        refusal = refusal_of_write(
            response.status,
            detail.decode(errors="replace"),
            retry_after_s=retry_after(response.headers.get("Retry-After"), self._now()),
        )
        if refusal is not None:
            raise refusal

    async def close(self) -> None:
        """Release the connections; a write under way ends as unavailable."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, limit_per_host=self._connections_per_server),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=self._timeout,
            )
        return self._session


def _prepared(server: str, org_id: str, bucket_id: str, token: str) -> tuple[URL, dict[str, str]]:
    """Address and headers of one destination. Raises ``StoreMisconfigured`` for what could not be sent as it is."""
    if not (is_id(org_id) and is_id(bucket_id)):
        raise StoreMisconfigured("organisation and bucket are given by their ids", status=404)
    if not (token.isascii() and token.isprintable()):
        raise StoreMisconfigured("the token is not printable", status=401)
    address = f"{server.rstrip('/')}/api/v2/write?orgID={org_id}&bucket={bucket_id}&precision=ms"
    try:
        url = URL(address, encoded=True)
    except ValueError as error:
        raise StoreMisconfigured("the server's address is no URL", status=404) from error
    return url, {"Authorization": f"Token {token}", "Content-Type": "text/plain; charset=utf-8"}
