"""What people type to invite somebody, and to accept. No database, no HTTP."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from portal.accounts.forms import ChosenPassword, Email
from portal.words import N_, _

LOOKING = {
    "0": N_("until I end it"),
    "30": N_("for 30 days"),
    "90": N_("for 90 days"),
    "365": N_("for a year"),
}
"""How many days a reader may look, in words; 0 is without end."""
KEEPING = {
    "0": N_("not at all"),
    "90": N_("for 90 days"),
    "365": N_("for a year"),
    "730": N_("for two years"),
}
"""How many days whoever hands over goes on looking, in words; never without end."""


def _one_of(choices: Mapping[str, str]) -> AfterValidator:
    def offered(typed: str) -> str:
        if typed not in choices:
            raise ValueError(_("Please choose one of these."))
        return typed

    return AfterValidator(offered)


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NewReader(_Form):
    """Whom the owner lets look, and for how many days."""

    email: Email
    days: Annotated[str, _one_of(LOOKING)]


class NewOwner(_Form):
    """To whom the home is handed over, and for how many days whoever does so goes on looking."""

    email: Email
    days: Annotated[str, _one_of(KEEPING)]


class Answered(_Form):
    """A button on the page that an invitation leads to: yes, or no."""

    token: str = Field(max_length=100, repr=False)


class Joined(_Form):
    """The same by somebody without an account: the mail has proved the address, a password is all that lacks."""

    token: str = Field(max_length=100, repr=False)
    password: ChosenPassword = Field(repr=False)
    time_zone: str = Field(default="", max_length=64)
