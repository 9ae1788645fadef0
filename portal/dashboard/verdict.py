"""One sentence about one inverter, or about all: is it working, and if not, is that normal? Pure: time is handed in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from portal.dashboard.numbers import Numbers
from portal.dashboard.production import power_of
from portal.dashboard.sun import elevation, place_of
from portal.dead_letters.sentences import nameless, refused
from portal.words import _
from schema.models import LiveRow
from schema.quantities import STATUS_CODES

FRESH = timedelta(minutes=15)
"""Publishers that send on change repeat themselves after six minutes, loggers after five."""
SLEEPY_SUN_DEG = 8.0
"""Below this the sun may be too weak to wake an inverter; its place is only known as its time zone's city."""
_TROUBLE = ("alarm", "fault")


class State(StrEnum):
    """What an inverter is doing; also the name of its colour and icon."""

    WAITING = "waiting"
    WORKING = "working"
    ASLEEP = "asleep"
    QUIET = "quiet"
    SILENT = "silent"
    REFUSED = "refused"
    TROUBLE = "trouble"
    GONE = "gone"


_WORST_FIRST = (State.TROUBLE, State.SILENT, State.REFUSED, State.QUIET, State.WAITING, State.WORKING, State.ASLEEP)


@dataclass(frozen=True, slots=True)
class Verdict:
    """``lead`` answers in a word or two; ``text``, the time ``at`` (as an age where ``ago``) and ``rest`` go on.

    The parts carry their own blanks and punctuation: put one after the other they are sentences.
    """

    state: State
    lead: str
    text: str = ""
    at: datetime | None = None
    ago: bool = False
    rest: str = "."


def is_fresh(row: LiveRow | None, now: datetime) -> bool:
    """Whether the row's values may be called "now"."""
    return row is not None and row.reading_at is not None and now - row.reading_at <= FRESH


def of_inverter(
    row: LiveRow | None, zone: ZoneInfo, now: datetime, numbers: Numbers, *, given_away_at: datetime | None = None
) -> Verdict:
    """The verdict about one inverter by its live row, None where the bridge has never heard of it."""
    if given_away_at is not None:
        return Verdict(State.GONE, _("Given away"), _(": its readings end at "), given_away_at)
    if row is None or row.reading_at is None:
        return _before_the_first_reading(row)
    if is_fresh(row, now):
        return _alive(row, numbers)
    if row.refused_at is not None and row.refused_at > row.reading_at and now - row.refused_at <= FRESH:
        return Verdict(
            State.REFUSED,
            _("Not understood"),
            _(": the last good reading came at "),
            row.reading_at,
            rest=_set_aside(row),
        )
    return _without_data(row.reading_at, zone, now)


def _before_the_first_reading(row: LiveRow | None) -> Verdict:
    if row is not None and row.refusal:
        return Verdict(
            State.REFUSED, _("Almost there"), _(": messages arrive, but they are set aside"), rest=_set_aside(row)
        )
    return Verdict(State.WAITING, _("Waiting"), _(" for the first reading"))


def _set_aside(row: LiveRow) -> str:
    return ". " + (nameless(refused(row.refusal, row.refusal_detail)) or _("Messages since then were set aside."))


def _alive(row: LiveRow, numbers: Numbers) -> Verdict:
    code = row.values.get("status")
    word = STATUS_CODES[int(code)] if code is not None and 0 <= code < len(STATUS_CODES) else ""
    watts = power_of(row.values)
    shown = _(", updated ") if watts is None else _(": %(power)s, updated ", power=numbers.power(watts))
    if word in _TROUBLE:
        return Verdict(
            State.TROUBLE, _("The inverter reports: %(status)s", status=_(word)), shown, row.reading_at, ago=True
        )
    if word == "standby":
        return Verdict(State.WORKING, _("On standby"), shown, row.reading_at, ago=True)
    return Verdict(State.WORKING, _("Working"), shown, row.reading_at, ago=True)


def _without_data(since: datetime, zone: ZoneInfo, now: datetime) -> Verdict:
    place = place_of(zone.key)
    if place is None:
        rest = _(". At night that is normal; by day, check the inverter's network and the publisher.")
        return Verdict(State.QUIET, _("No data"), _(" since "), since, rest=rest)
    fell_asleep = elevation(place, since) <= SLEEPY_SUN_DEG and now - since < timedelta(hours=20)
    if fell_asleep and elevation(place, now) <= SLEEPY_SUN_DEG:
        return Verdict(State.ASLEEP, _("Asleep"), _(": no data since "), since, rest=_(", which is normal at night."))
    if fell_asleep:
        rest = _(". The sun is up: check the inverter's network and the publisher.")
        return Verdict(State.SILENT, _("Not awake yet"), _(": no data since "), since, rest=rest)
    rest = _(" in daylight: check power, Wi-Fi and the publisher.")
    if elevation(place, since) <= SLEEPY_SUN_DEG:
        rest = _(": check power, Wi-Fi and the publisher.")
    return Verdict(State.SILENT, _("Silent"), _(" since "), since, rest=rest)


def urgency(said: Verdict) -> int:
    """For sorting: what needs somebody comes first, what was given away last."""
    return _WORST_FIRST.index(said.state) if said.state in _WORST_FIRST else len(_WORST_FIRST)


def of_all(named: Sequence[tuple[str, Verdict]], watts: float | None, numbers: Numbers) -> Verdict | None:
    """The verdict about several inverters by name: the worst one speaks, and what was given away is not counted. None
    where there is none at all.
    """
    here = [pair for pair in named if pair[1].state is not State.GONE]
    if not here:
        return Verdict(State.GONE, _("All given away")) if named else None
    named = here
    name, worst = min(named, key=lambda pair: urgency(pair[1]))
    if len(named) == 1:
        return worst
    working = sum(verdict.state is State.WORKING for _name, verdict in named)
    newest = max((verdict.at for _name, verdict in named if verdict.at), default=None)
    if worst.state is State.ASLEEP:
        return Verdict(
            State.ASLEEP, _("All asleep"), _(": no data since "), newest, rest=_(", which is normal at night.")
        )
    shown = _(", last reading ") if watts is None else _(": %(power)s, updated ", power=numbers.power(watts))
    if working == len(named):
        return Verdict(State.WORKING, _("All %(count)s working", count=working), shown, newest, ago=True)
    if newest is None:
        return Verdict(worst.state, _("0 of %(count)s working", count=len(named)), _(": no reading has come in yet"))
    rest = "." if worst.state is State.WORKING else f". {name}: {worst.lead[:1].lower()}{worst.lead[1:]}."
    return Verdict(
        worst.state,
        _("%(working)s of %(count)s working", working=working, count=len(named)),
        shown,
        newest,
        ago=True,
        rest=rest,
    )
