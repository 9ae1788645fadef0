"""The ladder from a new login to the first watts: what has worked, what comes next, what to look at meanwhile. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from portal.words import N_, _
from schema.models import Rung


class StepState(StrEnum):
    """Where one rung stands."""

    DONE = "done"
    NEXT = "next"
    TROUBLE = "trouble"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Step:
    """One rung: ``text`` says what is to be seen now, or what to look at while it is missing."""

    rung: int
    title: str
    state: StepState
    text: str


@dataclass(frozen=True, slots=True)
class Progress:
    """What the bridge knows of an inverter so far; ``refusal`` is its sentence about the last message set aside,
    ``flapping`` that two programs throw each other out on the login that is shown.
    """

    rung: int = Rung.NOTHING
    reading_at: datetime | None = None
    refusal: str = ""
    refused_at: datetime | None = None
    flapping: bool = False

    @property
    def trouble(self) -> str:
        """The refusal that still stands: one that a newer reading has overtaken is history."""
        if not self.refusal or self.refused_at is None:
            return ""
        return "" if self.reading_at is not None and self.reading_at >= self.refused_at else self.refusal


@dataclass(frozen=True, slots=True)
class _Rung:
    rung: Rung
    title: str
    done: str
    missing: str


_RUNGS = (
    _Rung(
        Rung.BROKER_REACHED,
        N_("Broker reached"),
        N_("Your device or program has found its way here."),
        N_("Nothing has arrived yet. Check host and port, and that the device is switched on: many sleep at night."),
    ),
    _Rung(
        Rung.LOGIN_ACCEPTED,
        N_("Login accepted"),
        N_("User name and secret fit."),
        N_("User name or secret do not fit. Copy both again; the dashes belong to the secret."),
    ),
    _Rung(
        Rung.TOPIC_RIGHT,
        N_("Topic right"),
        N_("Messages arrive below your own topic."),
        N_("Connected, but no message has come below your topic. Copy the topic again: capitals count."),
    ),
    _Rung(
        Rung.PAYLOAD_UNDERSTOOD,
        N_("Message understood"),
        N_("We can read what is sent."),
        N_("Messages arrive, but none could be read yet."),
    ),
    _Rung(
        Rung.VALUES_PLAUSIBLE,
        N_("Values plausible"),
        N_("Your inverter is measuring. This is it."),
        N_("Messages can be read, but no value made sense yet."),
    ),
)

FLAPPING = N_("Two programs use this login and throw each other out. Give each a login of its own, and enter it there.")
PREPARING = N_("Your login is on its way to the broker. This takes a few seconds.")


def ladder(progress: Progress, *, login_applied: bool) -> tuple[Step, ...]:
    """The five rungs. ``login_applied``: the broker knows the login; before that nothing else can work."""
    return tuple(_step(rung, progress, login_applied=login_applied) for rung in _RUNGS)


def _step(rung: _Rung, progress: Progress, *, login_applied: bool) -> Step:
    if rung.rung is Rung.LOGIN_ACCEPTED and progress.flapping:
        # Readings may come all the same, in between: this rung is where it breaks again and again.
        return Step(rung.rung, _(rung.title), StepState.TROUBLE, _(FLAPPING))
    if rung.rung <= progress.rung:
        return Step(rung.rung, _(rung.title), StepState.DONE, _(rung.done))
    if rung.rung > progress.rung + 1:
        return Step(rung.rung, _(rung.title), StepState.LATER, "")
    if progress.trouble:
        return Step(rung.rung, _(rung.title), StepState.TROUBLE, progress.trouble)
    text = rung.missing if login_applied or progress.rung > Rung.NOTHING else PREPARING
    return Step(rung.rung, _(rung.title), StepState.NEXT, _(text))
