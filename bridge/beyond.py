"""What is beyond a quota (DESIGN 4.2, e): counted durably, then acknowledged, and shown to its owner. None is kept."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from bridge.counters import Counters
from bridge.keeper import Keeper
from bridge.kept import Tally
from bridge.ports import Live


class Beyond:
    """Counts messages through the spool and tells the live rows."""

    def __init__(self, keeper: Keeper, live: Live, counters: Counters) -> None:
        self._keeper = keeper
        self._live = live
        self._counters = counters

    def count(self, tally: Tally, tokens: Sequence[int], also: Iterable[UUID] = ()) -> None:
        """Count the messages with these tokens; they are settled when that is durable. ``also`` are further inverters
        of the same owner whose pages say so.
        """
        self._counters.refusals[tally.reason] += len(tokens)
        for inverter_id in (tally.inverter_id, *also):
            if inverter_id is not None:
                self._live.refused(inverter_id, tally.reason, tally.detail, tally.at)
        self._keeper.keep(tally, tokens)
