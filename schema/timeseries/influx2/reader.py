"""The read path to InfluxDB 2: influxdb-client's query API, one connection pool for all owners' tokens.

Answers are taken as plain CSV and read by ``flux.rows``: the client's own records cost several times as much.
"""

import asyncio
import ssl
from collections.abc import Sequence
from datetime import datetime

import aiohttp
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
from influxdb_client.domain.dialect import Dialect
from influxdb_client.rest import ApiException

from schema.timeseries.influx2 import flux
from schema.timeseries.influx2.answers import is_id, refusal_of_request
from schema.timeseries.line_protocol import check_fields
from schema.timeseries.port import CounterDay, Sample, Source, StoreMisconfigured, StoreUnavailable, Window

# A month of days is one request; more at once would keep the server's query queue to itself.
_RANGES_PER_SCRIPT = 31


class Influx2Reader:
    """A ``SeriesReader`` for any number of InfluxDB servers; connections are made at the first question."""

    def __init__(self, *, timeout_s: float = 10.0) -> None:
        """``timeout_s`` covers a whole query."""
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._tls = ssl.create_default_context()
        self._pool: aiohttp.TCPConnector | None = None
        self._closed = False

    async def latest(self, source: Source, since: datetime) -> dict[str, Sample]:
        """The newest sample of every quantity at or after ``since``."""
        return flux.newest(await self._ask(source, flux.latest_script(_bucket(source), since)))

    async def windows(
        self, source: Source, quantities: Sequence[str], start: datetime, end: datetime, every_s: int
    ) -> list[Window]:
        """Means per window aligned to the epoch."""
        check_fields(quantities)
        fields = tuple(dict.fromkeys(quantities))
        if not fields or start >= end:
            return []
        found: list[Window] | None = None
        for across_series in (False, True):
            if found is None:
                script = flux.windows_script(
                    _bucket(source), fields, (start, end), every_s, across_series=across_series
                )
                found = flux.as_windows(await self._ask(source, script), every_s)
        return found or []

    async def counter_days(
        self, source: Source, quantity: str, ranges: Sequence[tuple[datetime, datetime]]
    ) -> list[CounterDay]:
        """What a counter showed in each range, a month of them in one request."""
        check_fields([quantity])
        parts = [ranges[place : place + _RANGES_PER_SCRIPT] for place in range(0, len(ranges), _RANGES_PER_SCRIPT)]
        scripts = [flux.counter_script(_bucket(source), quantity, part) for part in parts]
        answers = await asyncio.gather(*(self._ask(source, script) for script in scripts))
        days = (flux.as_counter_days(answer, part) for answer, part in zip(answers, parts, strict=True))
        return [day for part in days for day in part]

    async def close(self) -> None:
        """Release the connections."""
        self._closed = True
        if self._pool is not None:
            await self._pool.close()

    async def _ask(self, source: Source, script: str) -> list[flux.Row]:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if not is_id(source.org_id):
            raise StoreMisconfigured("the organisation is given by its id", status=404)
        client = InfluxDBClientAsync(
            url=source.server,
            token=source.token,
            timeout=self._timeout,
            ssl_context=self._tls,
            client_session_type=self._session,
        )
        try:
            answer = await client.query_api().query_raw(script, org=source.org_id, dialect=Dialect(header=True))
        except ApiException as error:
            raise refusal_of_request(error.status or 500, str(error.message)) from error
        except TimeoutError as error:
            raise StoreUnavailable("no answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise StoreUnavailable(f"{type(error).__name__}: {error}") from error
        finally:
            await client.close()
        return _rows(answer)

    def _session(self, **_asked: object) -> aiohttp.ClientSession:
        """A session for one client over the pool that all share: the client's own would start with no connection."""
        if self._pool is None:
            self._pool = aiohttp.TCPConnector(ssl=self._tls)
        return aiohttp.ClientSession(
            connector=self._pool,
            connector_owner=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._timeout,
        )


def _bucket(source: Source) -> str:
    if not flux.is_bucket_name(source.bucket_name):
        raise StoreMisconfigured("the bucket is given by its name, an opaque id", status=404)
    return source.bucket_name


def _rows(answer: str) -> list[flux.Row]:
    try:
        return list(flux.rows(answer))
    except (LookupError, ValueError) as error:
        raise StoreUnavailable("the answer is cut off or no answer of InfluxDB") from error
