"""A ``KeptBacklog`` on the spool: each verb is a job of the spool's thread."""

from collections.abc import Sequence

from bridge.counters import Counters
from bridge.edges.spool import SqliteSpool
from bridge.edges.spool_file import SpoolFile
from bridge.kept import Entry, KeptUntimed, Known, Outage


class SqliteBacklog:
    """See ``KeptBacklog``."""

    def __init__(self, spool: SqliteSpool, counters: Counters) -> None:
        self._spool = spool
        self._counters = counters

    async def known(self, last: int) -> Known:
        """See ``KeptBacklog.known``."""
        return await self._spool.run(lambda file: file.untimed.known(last))

    async def closed(self) -> list[Outage]:
        """See ``KeptBacklog.closed``."""
        return await self._spool.run(lambda file: file.untimed.closed())

    async def sources(self, epoch: int, after: str, limit: int) -> list[tuple[str, int]]:
        """See ``KeptBacklog.sources``."""
        return await self._spool.run(lambda file: file.untimed.sources(epoch, after, limit))

    async def oldest(self, epoch: int, source: str, limit: int) -> list[KeptUntimed]:
        """See ``KeptBacklog.oldest``."""
        kept, damaged = await self._spool.run(lambda file: file.untimed.oldest(epoch, source, limit))
        self._counters.records_damaged += damaged
        return kept

    async def turn(self, records: Sequence[int], entries: Sequence[Entry]) -> None:
        """See ``KeptBacklog.turn``."""

        def action(file: SpoolFile) -> None:
            file.untimed.delete(records)
            file.insert(entries)

        await self._spool.run(action)

    async def finish(self, epoch: int) -> bool:
        """See ``KeptBacklog.finish``."""
        return await self._spool.run(lambda file: file.untimed.finish(epoch))
