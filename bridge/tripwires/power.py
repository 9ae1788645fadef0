"""Powers that cannot be true, again and again: a wrong rated power, a wrong device, another model's registers. Pure.

Values that cannot be true are set aside one by one; this is about those who send them all the time.
"""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from bridge.tripwires import MOST_REMEMBERED, Trip, Wire
from bridge.tripwires.remembered import Remembered

# A glitch or two are in many an hour; ten in one are a fault that somebody should look at.
TIMES = 10
WITHIN = timedelta(hours=1)
# Half an hour of readings of which not one has a power that any inverter could have, whatever its owner says of its
# size: nothing there measures an inverter. Sixty, so that nobody is judged by a handful of slow readings.
IN_A_ROW = 60
FOR = timedelta(minutes=30)


@dataclass(slots=True)
class _Inverter:
    at: deque[datetime] = field(default_factory=lambda: deque(maxlen=TIMES))
    tripped: bool = False


@dataclass(slots=True)
class _Row:
    since: datetime | None = None
    times: int = 0


class Power:
    """Watches powers that were set aside."""

    def __init__(self) -> None:
        self._inverters: Remembered[UUID, _Inverter] = Remembered(_Inverter, MOST_REMEMBERED)
        # Logins that have sent no possible power since their first impossible one.
        self._rows: Remembered[str, _Row] = Remembered(_Row, MOST_REMEMBERED)

    def impossible(
        self, login: str, inverter_id: UUID, *, quantity: str, value: float, anybodys: bool, at: datetime
    ) -> Trip | None:
        """A reading had such a power. ``anybodys`` says that no inverter of any size could have it."""
        clear = self._in_a_row(login, at) if anybodys else False
        if not anybodys:
            self._rows.forget(login)
        inverter = self._inverters.touch(inverter_id)
        inverter.at.append(at)
        often = len(inverter.at) == TIMES and at - inverter.at[0] <= WITHIN
        times = 1 if inverter.tripped else TIMES
        inverter.tripped = often
        if not often and not clear:
            return None
        details: dict[str, str | int | float] = {"quantity": quantity, "value": value}
        return Trip(Wire.IMPOSSIBLE_POWER, login, inverter_id, details, times, at, quarantine=clear)

    def possible(self, login: str) -> None:
        """A reading of the login had a power that can be true."""
        self._rows.forget(login)

    @property
    def watching(self) -> bool:
        """Whether a possible power would change anything for anybody."""
        return len(self._rows) > 0

    def _in_a_row(self, login: str, at: datetime) -> bool:
        row = self._rows.touch(login)
        row.since = row.since or at
        row.times += 1
        return row.times >= IN_A_ROW and at - row.since >= FOR
