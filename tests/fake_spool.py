"""A fake of the bridge's spool, in memory: entries kept in order, shares by inverter, a disk that fails on demand."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from bridge.kept import Entry, KeptLine, KeptRaw, Letter, Line, Raw, SpoolUnavailable, Tally
from bridge.refusals import Reason


class FakeSpool:
    """Keeps entries in memory. ``broken`` refuses everything; ``commits_left`` is how many more commits of entries
    succeed (None: all). Each commit waits for ``hold``, and ``log`` has what each one kept and forgot.
    """

    def __init__(self) -> None:
        self.records: dict[int, Entry] = {}
        self.broken = False
        self.commits_left: int | None = None
        self.hold: asyncio.Event | None = None
        self.log: list[tuple[Sequence[Entry], Sequence[int]]] = []
        self.commits = 0

    async def commit(self, entries: Sequence[Entry], forgotten: Sequence[int]) -> list[int]:
        """Keep and forget."""
        await asyncio.sleep(0)
        if self.hold is not None:
            await self.hold.wait()
        if self.broken or (entries and self.commits_left == 0):
            raise SpoolUnavailable("no space left on device")
        self.commits += 1
        self.log.append((entries, forgotten))
        if entries and self.commits_left is not None:
            self.commits_left -= 1
        for record in forgotten:
            self.records.pop(record, None)
        first = max(self.records, default=0) + 1 + self.commits * 1000
        self.records.update(enumerate(entries, first))
        return list(range(first, first + len(entries)))

    async def oldest_lines(self, inverter_id: UUID, *, lines: int, size: int) -> list[KeptLine]:
        """Lines of one inverter; one at least, whatever its size."""
        found = [
            KeptLine(record, entry.line, entry.topic)
            for record, entry in sorted(self.records.items())
            if isinstance(entry, Line) and entry.inverter_id == inverter_id
        ]
        while len(found) > 1 and sum(len(kept.line) for kept in found) > size:
            found.pop()
        return found[:lines]

    async def oldest_raws(self, limit: int) -> list[KeptRaw]:
        """Messages kept as they came."""
        found = [KeptRaw(record, entry) for record, entry in sorted(self.records.items()) if isinstance(entry, Raw)]
        return found[:limit]

    async def holdings(self) -> dict[UUID, tuple[int, int]]:
        """Lines and bytes by inverter."""
        held: dict[UUID, tuple[int, int]] = {}
        for entry in self.records.values():
            if isinstance(entry, Line):
                lines, size = held.get(entry.inverter_id, (0, 0))
                held[entry.inverter_id] = (lines + 1, size + len(entry.line))
        return held

    async def drop_lines(self, inverter_id: UUID, tally: Tally, limit: int) -> int:
        """Drop and count."""
        gone = [
            record
            for record, entry in sorted(self.records.items())
            if isinstance(entry, Line) and entry.inverter_id == inverter_id
        ][:limit]
        for record in gone:
            del self.records[record]
        if gone:
            await self.commit([tally._replace(times=len(gone))], [])
        return len(gone)

    @property
    def letters(self) -> list[Letter]:
        """The dead letters."""
        return [entry for entry in self.records.values() if isinstance(entry, Letter)]

    @property
    def tallies(self) -> Counter[tuple[str, Reason]]:
        """What was counted beyond quotas, by login and reason."""
        counts: Counter[tuple[str, Reason]] = Counter()
        for entry in self.records.values():
            if isinstance(entry, Tally):
                counts[entry.login, entry.reason] += entry.times
        return counts

    @property
    def lines(self) -> list[bytes]:
        """The kept lines."""
        return [entry.line for entry in self.records.values() if isinstance(entry, Line)]
