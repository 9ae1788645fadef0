"""Copies a bucket from one InfluxDB server to another and compares the two, with their own read and write tokens.

Answers are read as they come and written in batches, so a year of readings takes no more memory than a minute of them.
"""

import asyncio
import csv
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import aiohttp

from schema.timeseries.influx2 import export
from schema.timeseries.influx2.answers import is_id, refusal_of_request
from schema.timeseries.influx2.export import Answer, Value
from schema.timeseries.influx2.flux import is_bucket_name
from schema.timeseries.influx2.writer import Influx2Writer
from schema.timeseries.management import Extent, Tally
from schema.timeseries.port import BatchTooLarge, Destination, Source, StoreMisconfigured, StoreUnavailable

_BATCH = 5_000
_AT_ONCE = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DIALECT = {"header": True, "delimiter": ",", "annotations": ["datatype"], "commentPrefix": "#"}
# A text field may be long: InfluxDB takes 64 KB in one.
_LONGEST_LINE = 1024**2
csv.field_size_limit(_LONGEST_LINE)


class InfluxCopier:
    """A ``ReadingsCopier`` for any number of servers. Every method raises ``StoreError``."""

    def __init__(self, *, silence_s: float = 60.0) -> None:
        """``silence_s`` is how long a server may say nothing; a whole copy has no limit."""
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=silence_s)
        self._writer = Influx2Writer(timeout_s=silence_s, precision="ns")
        self._http: aiohttp.ClientSession | None = None

    async def extent(self, source: Source, since: datetime) -> Extent | None:
        """First and last value's times, and how many there are."""
        times: list[int] = []
        values = 0
        async for some in self._asked(source, export.extent_script(_bucket(source), since)):
            times += [one.at_ns for one in some if one.result != "count"]
            values += sum(int(one.text) for one in some if one.result == "count")
        return Extent(_instant(min(times)), _instant(max(times)), values) if times else None

    async def tallies(self, source: Source, start: datetime, end: datetime) -> dict[datetime, Tally]:
        """Counts and sums of each day."""
        script = export.tallies_script(_bucket(source), (start, end), await self._texts(source, start, end))
        days: dict[datetime, dict[str, tuple[int, float]]] = {}
        async for some in self._asked(source, script):
            for one in some:
                day = days.setdefault(_instant(one.at_ns), {})
                key = f"{one.series} {one.field}"
                count, total = day.get(key, (0, 0.0))
                day[key] = (int(one.text), total) if one.result == "count" else (count, float(one.text))
        return dict(days)

    async def copy(self, source: Source, to: Destination, start: datetime, end: datetime) -> int:
        """Every value, over what may be there."""
        copied = 0
        async for some in self._asked(source, export.values_script(_bucket(source), (start, end))):
            await self._write(to, [one.line() for one in some])
            copied += len(some)
        return copied

    async def copy_missing(self, source: Source, there: Source, to: Destination, start: datetime, end: datetime) -> int:
        """An hour at a time: which values there are, and then the others."""
        copied = 0
        while start < end:
            stop = min(end, start + _AT_ONCE)
            known: set[tuple[str, str, int]] = set()
            async for some in self._asked(there, export.values_script(_bucket(there), (start, stop))):
                known.update((one.series, one.field, one.at_ns) for one in some)
            async for some in self._asked(source, export.values_script(_bucket(source), (start, stop))):
                late = [one.line() for one in some if (one.series, one.field, one.at_ns) not in known]
                await self._write(to, late)
                copied += len(late)
            start = stop
        return copied

    async def close(self) -> None:
        """Release the connections."""
        await self._writer.close()
        if self._http is not None:
            await self._http.close()

    async def _texts(self, source: Source, start: datetime, end: datetime) -> set[str]:
        """Fields that have no sum. A field's type is the same within a shard, and may be another one in the next."""
        script = export.types_script(_bucket(source), (start, end))
        found: set[str] = set()
        async for some in self._asked(source, script):
            found.update(one.field for one in some if not one.is_number)
        return found

    async def _write(self, to: Destination, lines: Sequence[bytes]) -> None:
        """All of them; in halves where a proxy finds them too many at once."""
        try:
            await self._writer.write(to, lines)
        except BatchTooLarge:
            if len(lines) < 2:
                raise
            half = len(lines) // 2
            await self._write(to, lines[:half])
            await self._write(to, lines[half:])

    async def _asked(self, source: Source, script: str) -> AsyncIterator[list[Value]]:
        """The answer's values, some at a time."""
        if not is_id(source.org_id):
            raise StoreMisconfigured("the organisation is given by its id", status=404)
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar())
        answer = Answer()
        try:
            async with self._http.post(
                f"{source.server}/api/v2/query",
                params={"orgID": source.org_id},
                headers={"Authorization": f"Token {source.token}", "Accept": "application/csv"},
                json={"query": script, "type": "flux", "dialect": _DIALECT},
            ) as response:
                if response.status != 200:
                    raise refusal_of_request(response.status, await response.text())
                async for lines in _lines(response.content):
                    yield list(answer.values(lines))
        except TimeoutError as error:
            raise StoreUnavailable("no answer in time", answered=False) from error
        except (aiohttp.ClientError, OSError) as error:
            raise StoreUnavailable(f"{type(error).__name__}: {error}", answered=False) from error
        except (LookupError, ValueError) as error:
            raise StoreUnavailable("the answer is cut off or no answer of InfluxDB") from error


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[list[str]]:
    """Whole CSV records, a batch at a time: a text may hold line ends, and then a quote is still open."""
    batch: list[str] = []
    rest, open_quote = b"", False
    async for chunk in content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            raise ValueError("a line without an end")
        for line in whole:
            batch.append(f"{line.decode()}\n")
            open_quote ^= line.count(b'"') % 2 == 1
            if len(batch) >= _BATCH and not open_quote:
                yield batch
                batch = []
                # Whoever reads fast must not keep the others of this process waiting.
                await asyncio.sleep(0)
    if rest:
        batch.append(rest.decode())
    if batch:
        yield batch


def _bucket(source: Source) -> str:
    if not is_bucket_name(source.bucket_name):
        raise StoreMisconfigured("the bucket is given by its name, an opaque id", status=404)
    return source.bucket_name


def _instant(at_ns: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at_ns // 1_000)
