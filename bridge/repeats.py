"""Tells what a home bridge repeats from what is new (DESIGN 4.4). Pure: times are handed in.

A home broker that restarts sends its retained values as live messages with retain 0 (measured; stack-measurements 9).
So in the burst after a login has connected, a value equal to the last known one says nothing about now. Who connects
for every cycle sends no such bursts: from its third connection in a quarter of an hour on a login is believed.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

BURST = timedelta(seconds=5)
RESTLESS = timedelta(minutes=15)
# Logins whose connections are remembered; beyond that the ones that have been quiet are forgotten.
_MOST = 10_000


class Repeats:
    """When each login connected, and the time before."""

    def __init__(self) -> None:
        self._connected: dict[str, tuple[datetime, datetime | None, datetime | None]] = {}

    def connected(self, login: str, at: datetime) -> None:
        """The broker let ``login`` in."""
        newest, before, _ = self._connected.pop(login, (None, None, None))
        # At the end of the dictionary: the first ones are those who have been quiet longest.
        self._connected[login] = (at, newest, before)
        if len(self._connected) > _MOST:
            del self._connected[next(iter(self._connected))]

    def bursting(self, login: str, at: datetime) -> bool:
        """Whether what came at ``at`` may be a repetition of what the login's home broker had kept."""
        known = self._connected.get(login)
        if known is None:
            return False
        newest, _, third = known
        if not timedelta(0) <= at - newest <= BURST:
            return False
        return third is None or newest - third > RESTLESS


def news(values: Mapping[str, float], known: Mapping[str, float]) -> dict[str, float]:
    """The values that differ from the last known ones."""
    return {name: value for name, value in values.items() if known.get(name) != value}
