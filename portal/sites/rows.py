"""A site's devices as its page lists them: how many rungs each has climbed, and what comes next. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from portal.dashboard import verdict
from portal.dashboard.numbers import Numbers
from portal.dashboard.verdict import Verdict
from portal.pairing.ladder import Step, StepState, ladder
from portal.pairing.service import Pairing


@dataclass(frozen=True, slots=True)
class Row:
    """One device. ``next`` is the rung to be looked at while it is not live, ``verdict`` what it does once it is."""

    id: UUID
    name: str
    serial: str
    login: str
    steps: Sequence[Step]
    next: Step | None
    verdict: Verdict | None

    @property
    def live(self) -> bool:
        """Whether readings have come, and nothing is wrong with its login."""
        return self.next is None


def rows(found: Sequence[Pairing], zone: ZoneInfo, now: datetime, numbers: Numbers) -> Sequence[Row]:
    """The rows in the order of the devices. One that was given away stands there with its past."""
    return [_row(one, zone, now, numbers) for one in found]


def _row(found: Pairing, zone: ZoneInfo, now: datetime, numbers: Numbers) -> Row:
    inverter = found.inverter
    login = found.logins[0] if found.logins else None
    steps = ladder(found.progress(login.name if login else ""), login_applied=login is not None and login.applied)
    pending = next((step for step in steps if step.state in (StepState.NEXT, StepState.TROUBLE)), None)
    said = None
    if pending is None or inverter.given_away_at is not None:
        pending = None
        said = verdict.of_inverter(found.row, zone, now, numbers, given_away_at=inverter.given_away_at)
    return Row(inverter.id, inverter.name, inverter.serial, login.name if login else "", steps, pending, said)
