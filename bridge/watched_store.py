"""The store, watched: how long its requests take, and whether it is there. It decides nothing and hides no failure."""

from collections.abc import Callable, Sequence

from bridge.times import Histogram
from schema.timeseries.port import Destination, PointWriter, StoreUnavailable


class WatchedStore:
    """A ``PointWriter`` that passes everything on to another one. Times are monotonic seconds.

    ``away_since`` is when a series of requests began that nobody answered, None since anybody has: a store that refuses
    one owner's token is there.
    """

    def __init__(self, store: PointWriter, took: Histogram, monotonic: Callable[[], float]) -> None:
        self._store = store
        self._took = took
        self._monotonic = monotonic
        self.away_since: float | None = None

    @property
    def durable(self) -> bool:
        """See ``PointWriter.durable``."""
        return self._store.durable

    async def write(self, destination: Destination, lines: Sequence[bytes]) -> None:
        """See ``PointWriter.write``; a request that failed took its time as well."""
        started = self._monotonic()
        try:
            await self._store.write(destination, lines)
        except StoreUnavailable:
            if self.away_since is None:
                self.away_since = started
            raise
        except Exception:
            self.away_since = None
            raise
        else:
            self.away_since = None
        finally:
            self._took.add(self._monotonic() - started)

    async def close(self) -> None:
        """See ``PointWriter.close``."""
        await self._store.close()
