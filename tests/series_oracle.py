"""What a store must answer, computed from the readings alone in the plainest way there is. No store is asked."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from schema.readings import Reading
from schema.timeseries.port import COUNTER_LOOK_BACK, CounterDay, Sample, Window

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SeriesOracle:
    """Merges the readings as a store does: equal times field by field, the last one wins."""

    def __init__(self, readings: Sequence[Reading]) -> None:
        """Take the readings in the order they were written."""
        self._instants: dict[datetime, dict[str, float]] = {}
        for one in readings:
            at = one.at - (one.at - _EPOCH) % timedelta(milliseconds=1)
            self._instants.setdefault(at, {}).update({**one.values, **one.extra})

    def latest(self, since: datetime) -> dict[str, Sample]:
        """The newest of each."""
        found: dict[str, Sample] = {}
        for at in sorted(self._instants):
            if at >= since:
                found |= {name: Sample(at, value) for name, value in self._instants[at].items()}
        return found

    def windows(self, quantities: Sequence[str], start: datetime, end: datetime, every_s: int) -> list[Window]:
        """Means."""
        every = timedelta(seconds=every_s)
        values: dict[datetime, dict[str, list[float]]] = {}
        for at, fields in self._instants.items():
            if start <= at < end:
                for name in set(fields) & set(quantities):
                    window = values.setdefault(at - (at - _EPOCH) % every, {})
                    window.setdefault(name, []).append(fields[name])
        return [
            Window(at, {name: sum(found) / len(found) for name, found in values[at].items()}) for at in sorted(values)
        ]

    def counter_days(self, quantity: str, ranges: Sequence[tuple[datetime, datetime]]) -> list[CounterDay]:
        """Before, first, last, maximum."""
        days = []
        for start, end in ranges:
            before, within = (
                self._samples(quantity, start - COUNTER_LOOK_BACK, start),
                self._samples(quantity, start, end),
            )
            largest = max((sample.value for sample in within), default=None)
            first, last = (within[0], within[-1]) if within else (None, None)
            days.append(CounterDay(start, end, before[-1] if before else None, first, last, largest))
        return days

    def _samples(self, quantity: str, start: datetime, end: datetime) -> list[Sample]:
        return [
            Sample(at, self._instants[at][quantity])
            for at in sorted(self._instants)
            if start <= at < end and quantity in self._instants[at]
        ]
