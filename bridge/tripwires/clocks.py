"""A device whose clock is wrong sends times that are far from now, always by the same amount. Pure.

Who sends old readings late (a backlog of his own, hourly means) is told from that: his times come nearer or go on by
themselves, or lie exactly one interval back.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from bridge.tripwires import MOST_REMEMBERED, Trip, Wire
from bridge.tripwires.remembered import Remembered

# The pages draw means of five minutes: a clock that is less wrong changes nothing that anybody sees.
FAR = timedelta(minutes=5)
# So many documents in a row, over so long, that are wrong by the same amount, give or take a minute.
TIMES = 10
FOR = timedelta(minutes=10)
STEADY = timedelta(minutes=1)
# A time that lies one interval back is the beginning of what the document sums up.
_ONE_INTERVAL = (0.8, 1.2)


@dataclass(slots=True)
class _Row:
    behind: timedelta = timedelta(0)
    since: datetime | None = None
    last: datetime | None = None
    times: int = 0
    tripped: bool = False


class Clocks:
    """Watches documents that name their own time."""

    def __init__(self) -> None:
        self._rows: Remembered[UUID, _Row] = Remembered(_Row, MOST_REMEMBERED)

    def own_time(self, login: str, inverter_id: UUID, behind: timedelta, at: datetime) -> Trip | None:
        """A document that came at ``at`` named a time that is so far behind; below zero it is ahead."""
        if -FAR <= behind <= FAR:
            if len(self._rows):
                self._rows.forget(inverter_id)
            return None
        row = self._rows.touch(inverter_id)
        if row.since is None or abs(behind - row.behind) > STEADY:
            row.behind, row.since, row.times, row.tripped = behind, at, 0, False
        row.last = at
        row.times += 1
        if row.times < TIMES or at - row.since < FOR or self._one_interval_back(row):
            return None
        times = 1 if row.tripped else row.times
        row.tripped = True
        details = {"seconds": round(-behind.total_seconds())}
        return Trip(Wire.CLOCK_SKEW, login, inverter_id, details, times, at)

    @staticmethod
    def _one_interval_back(row: _Row) -> bool:
        if row.since is None or row.last is None or row.behind < timedelta(0):
            return False
        interval = (row.last - row.since) / (row.times - 1)
        low, high = _ONE_INTERVAL
        return interval * low <= row.behind <= interval * high
