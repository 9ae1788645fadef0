"""What speaks for the one or the other of those who claim a serial. Pure: no database, no HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from schema.models import ClaimState

TOTAL_ENERGY = "total_energy"
"""The lifetime counter: the only value of somebody's readings that an administrator is shown, and only here."""

_NOISE_KWH = 5.0
# More than any single inverter of a home makes in an hour.
_MOST_KWH_PER_H = 30.0


@dataclass(frozen=True, slots=True)
class Person:
    """An owner's account, and the language of its mails."""

    account_id: UUID
    email: str
    language: str


@dataclass(frozen=True, slots=True)
class Side:
    """One inverter that claims the serial. ``first_active_at`` is when a reading first proved it, where one did.

    ``counter_kwh`` is its lifetime counter at ``counted_at``, as its own publisher says. ``serials`` were seen in its
    payloads, ``devices`` are names that its publishers give the device.
    """

    inverter_id: UUID
    owner_id: UUID
    name: str
    people: Sequence[Person]
    holds: bool
    states: Sequence[ClaimState]
    logins: Sequence[str]
    added_at: datetime
    first_active_at: datetime | None
    seen_at: datetime | None
    counter_kwh: float | None
    counted_at: datetime | None
    serials: Sequence[str]
    devices: Sequence[str]

    @property
    def disputed(self) -> bool:
        """Whether it claims what another one holds."""
        return ClaimState.DISPUTED in self.states


class Counters(StrEnum):
    """What the lifetime counters of two sides say about them being one device."""

    UNKNOWN = "unknown"
    ALIKE = "alike"
    APART = "apart"


def counters(sides: Sequence[Side]) -> Counters:
    """Alike where all known counters could stand on one device, as long as they are apart in time; else apart.

    A hint and no proof: whoever publishes may publish any number.
    """
    known = [(side.counter_kwh, side.counted_at) for side in sides]
    values = [(kwh, at) for kwh, at in known if kwh is not None and at is not None]
    if len(values) < 2:
        return Counters.UNKNOWN
    first = values[0]
    for kwh, at in values[1:]:
        hours = abs((at - first[1]).total_seconds()) / 3600
        if abs(kwh - first[0]) > _NOISE_KWH + _MOST_KWH_PER_H * hours:
            return Counters.APART
    return Counters.ALIKE
