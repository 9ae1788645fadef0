"""What an InfluxDB server says about itself at ``/health`` and ``/metrics``, for who decides where there is room.

2.9.1 tells everybody who asks: its version, how many organisations and buckets there are (each organisation has two of
InfluxDB's own), its shards one by one, and what Go's runtime holds. It tells neither its resident memory nor its open
files; those follow from buckets and shards (measured: docs/capacity.md).
"""

import re

import aiohttp

from schema.timeseries.influx2.answers import refusal_of_request
from schema.timeseries.management import ServerFigures
from schema.timeseries.port import StoreError, StoreUnavailable

_OWN_BUCKETS = 2
_SHARD = "\nstorage_shard_series{"
_VALUE = r"^{name}(?:{{[^}}]*}})? (\S+)$"
_LONGEST_VERSION = 32


class InfluxFigures:
    """A ``StoreFigures`` of the server at ``url``."""

    def __init__(self, url: str, *, timeout_s: float = 20.0) -> None:
        self._url = url
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)

    async def figures(self) -> ServerFigures:
        """One question each. A server whose metrics are switched off tells its version alone."""
        try:
            async with aiohttp.ClientSession(timeout=self._timeout) as http:
                async with http.get(f"{self._url}/health") as answer:
                    if answer.status != 200:
                        raise refusal_of_request(answer.status, await answer.text())
                    version = str((await answer.json(content_type=None)).get("version") or "")
                async with http.get(f"{self._url}/metrics") as answer:
                    text = await answer.text() if answer.status == 200 else ""
        except StoreError:
            raise
        except TimeoutError as error:
            raise StoreUnavailable("no answer in time", answered=False) from error
        except (aiohttp.ClientError, OSError, ValueError, AttributeError) as error:
            raise StoreUnavailable(f"{type(error).__name__}: {error}", answered=False) from error
        return told(version, text)


def told(version: str, metrics: str) -> ServerFigures:
    """The figures in the text of ``/metrics``; what is not in it is None."""
    buckets, organisations = _value(metrics, "influxdb_buckets_total"), _value(metrics, "influxdb_organizations_total")
    held, released = _value(metrics, "go_memstats_sys_bytes"), _value(metrics, "go_memstats_heap_released_bytes")
    return ServerFigures(
        version=version[:_LONGEST_VERSION],
        buckets=None if buckets is None or organisations is None else buckets - _OWN_BUCKETS * organisations,
        # A server without a single shard names none of them.
        shards=metrics.count(_SHARD) if buckets is not None else None,
        memory_bytes=None if held is None or released is None else held - released,
    )


def _value(metrics: str, name: str) -> int | None:
    found = re.search(_VALUE.format(name=name), metrics, re.MULTILINE)
    try:
        return int(float(found[1])) if found else None
    except (ValueError, OverflowError):
        return None
