"""Two buckets made equal: which days are compared and copied, and what is said where they never come out equal."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from portal.provisioner import copying
from portal.provisioner.copying import AT_ONCE, Span, Way
from schema.timeseries.management import BEGINNING, Extent, Tally
from schema.timeseries.port import Destination, Source, StoreUnavailable

pytestmark = pytest.mark.unit
DAY = datetime(2026, 6, 1, tzinfo=UTC)
ONE = timedelta(days=1)
OLD, NEW = Source(uuid4(), uuid4(), "http://old"), Source(uuid4(), uuid4(), "http://new")
WAY = Way(OLD, NEW, Destination(uuid4(), uuid4()))


class Copier:
    """Days of the old bucket as they stand; what is copied arrives, or does not."""

    def __init__(self, old: Mapping[datetime, Tally], *, arrives: bool = True) -> None:
        self.days = {OLD: dict(old), NEW: {}}
        self.copied: list[Span] = []
        self._arrives = arrives

    async def tallies(self, source: Source, start: datetime, end: datetime) -> dict[datetime, Tally]:
        return {day: tally for day, tally in self.days[source].items() if start <= day < end}

    async def copy(self, source: Source, _: Destination, start: datetime, end: datetime) -> int:
        self.copied.append((start, end))
        if self._arrives:
            self.days[NEW] |= await self.tallies(source, start, end)
        return 1

    async def extent(self, source: Source, since: datetime) -> Extent | None:
        raise NotImplementedError

    async def copy_missing(self, source: Source, there: Source, to: Destination, start: datetime, end: datetime) -> int:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError


async def test_only_days_that_differ_are_copied_and_neighbours_go_together() -> None:
    """A count or a sum is enough to differ; what is equal stays as it is."""
    days: dict[datetime, Tally] = {DAY + n * ONE: {"p": (2, 5.0)} for n in range(6)}
    copier = Copier(days)
    copier.days[NEW] = {DAY: {"p": (2, 5.0)}, DAY + ONE: {"p": (1, 5.0)}, DAY + 2 * ONE: {"p": (2, 5.5)}}
    copier.days[NEW][DAY + 4 * ONE] = {"p": (2, 5.0)}

    count = await copying.even(copier, WAY, (DAY, DAY + 6 * ONE))

    assert copier.copied == [(DAY + ONE, DAY + 4 * ONE), (DAY + 5 * ONE, DAY + 6 * ONE)]
    assert count == 12


async def test_a_day_that_never_comes_out_equal_is_told() -> None:
    """A copy that is answered and does not arrive must not pass for one; without insisting it is looked at later."""
    copier = Copier({DAY: {"p": (2, 5.0)}}, arrives=False)

    with pytest.raises(StoreUnavailable, match="2026-06-01 differs after it was copied 5 times"):
        await copying.even(copier, WAY, (DAY, DAY + ONE))

    copier.copied.clear()
    await copying.even(copier, WAY, (DAY, DAY + ONE), insist=False)
    assert copier.copied == [(DAY, DAY + ONE)]


def test_stretches_are_whole_days_without_a_gap() -> None:
    """From the first value's day to the last one's, that of the last instant included."""
    spans = list(copying.stretches(DAY + timedelta(hours=5), DAY + 2 * AT_ONCE))

    assert [span[0] for span in spans] == [DAY, DAY + AT_ONCE, DAY + 2 * AT_ONCE]
    assert [span[1] for span in spans] == [DAY + AT_ONCE, DAY + 2 * AT_ONCE, DAY + 2 * AT_ONCE + ONE]


def test_what_goes_by_itself_any_day_is_not_copied() -> None:
    """The new server would refuse it; without a retention everything goes along."""
    now = DAY + timedelta(hours=7)

    assert copying.oldest(now, 30 * 86_400) == DAY - 29 * ONE
    assert copying.oldest(now, 0) == BEGINNING
