"""How the operator's requests are asked: one client, made at the first one, and faults in our own words."""

from collections.abc import Awaitable
from typing import Any

import aiohttp
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
from influxdb_client.rest import ApiException

from schema.timeseries.influx2.answers import refusal_of_request
from schema.timeseries.port import StoreMisconfigured, StoreUnavailable

_NOT_FOUND = 404


class OperatorRequests:
    """One server and its operator token."""

    def __init__(self, url: str, token: str, *, timeout_s: float = 30.0) -> None:
        """For the server at ``url``; connections are made at the first call."""
        self._url = url
        self._token = token
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._client: InfluxDBClientAsync | None = None

    async def close(self) -> None:
        """Release the connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    def _api(self) -> Any:
        if self._client is None:
            self._client = InfluxDBClientAsync(url=self._url, token=self._token, timeout=self._timeout)
        return self._client.api_client

    def _reading(self, path: str, **query: str | int) -> Awaitable[Any]:
        """A GET's JSON as it is: making the client's own objects of a thousand tokens takes a second."""
        answer: Awaitable[Any] = self._api().call_api(
            path, "GET", {}, [*query.items()], {"Accept": "application/json"}, response_type="object"
        )
        return answer

    async def _read(self, path: str, **query: str | int) -> dict[str, Any]:
        answer: dict[str, Any] = await asked(self._reading(path, **query))
        return answer


async def asked(call: Awaitable[Any]) -> Any:
    """The answer. Raises ``StoreError``."""
    try:
        return await call
    except ApiException as error:
        raise refusal_of_request(error.status or 500, str(error.message)) from error
    except TimeoutError as error:
        raise StoreUnavailable("no answer in time") from error
    except (aiohttp.ClientError, OSError) as error:
        raise StoreUnavailable(f"{type(error).__name__}: {error}") from error


async def looked_up(call: Awaitable[Any]) -> Any | None:
    """The answer, None where there is no such thing. Raises ``StoreError``."""
    try:
        return await asked(call)
    except StoreMisconfigured as error:
        if error.status != _NOT_FOUND:
            raise
        return None


async def gone(call: Awaitable[Any]) -> None:
    """Deleted, or deleted before. Raises ``StoreError``."""
    await looked_up(call)
