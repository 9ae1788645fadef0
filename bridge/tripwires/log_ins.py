"""Refused log-ins that name a login: an old secret somewhere, or somebody who tries. Pure.

Mosquitto 2.1 logs who was refused and from where; 2.0 does not, so there this wire never trips. Anybody may try any
name, so it leads to a notice and to nothing else.
"""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bridge.tripwires import MOST_REMEMBERED, Trip, Wire
from bridge.tripwires.remembered import Remembered

# Whoever types a secret wrongly while pairing sees it on that page; a client that tries again and again with growing
# pauses of up to two minutes gets here within the hour.
TIMES = 20
WITHIN = timedelta(hours=1)


@dataclass(slots=True)
class _Login:
    at: deque[datetime] = field(default_factory=lambda: deque(maxlen=TIMES))
    tripped: bool = False


class LogIns:
    """Watches refusals."""

    def __init__(self) -> None:
        self._logins: Remembered[str, _Login] = Remembered(_Login, MOST_REMEMBERED)

    def refused(self, login: str, address: str, at: datetime) -> Trip | None:
        """Somebody came with this login and was refused. ``address`` is empty where the broker does not tell it."""
        state = self._logins.touch(login)
        state.at.append(at)
        often = len(state.at) == TIMES and at - state.at[0] <= WITHIN
        times = 1 if state.tripped else TIMES
        state.tripped = often
        if not often:
            return None
        details: dict[str, str | int | float] = {"times": TIMES}
        if address:
            details["address"] = address
        return Trip(Wire.FAILED_LOG_INS, login, None, details, times, at)
