"""What people type to change their account, and what is wrong with it, in sentences. No database, no HTTP."""

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from portal.accounts import zones
from portal.accounts.forms import PASSWORD_MAX, ChosenPassword, Email
from portal.words import LANGUAGES, _

NAME_MAX = 80


def _display_name(text: str) -> str:
    name = " ".join(text.split())
    if not name.isprintable():
        raise ValueError(_("Please use characters that can be seen."))
    return name


def _zone(text: str) -> str:
    zone = zones.meant(text)
    if zone is None:
        raise ValueError(_("No such time zone is known. Write a city near you, or choose one of the list."))
    return zone


def _language(code: str) -> str:
    if code and code not in LANGUAGES:
        raise ValueError(_("Please choose one of these."))
    return code


class _Form(BaseModel):
    """Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Profile(_Form):
    """A name to be called by, which may be empty, and the time zone of the person's own home, where there is one.

    ``language`` is a code of ``words.LANGUAGES``, empty for whatever the browser asks for, None for no change.
    """

    display_name: Annotated[str, Field(max_length=NAME_MAX), AfterValidator(_display_name)] = ""
    time_zone: Annotated[str, Field(max_length=64), AfterValidator(_zone)] | None = None
    language: Annotated[str, Field(max_length=8), AfterValidator(_language)] | None = None


class PasswordChange(_Form):
    """The password that is, and the one that shall be."""

    old_password: str = Field(min_length=1, max_length=PASSWORD_MAX, repr=False)
    password: ChosenPassword = Field(repr=False)

    @model_validator(mode="after")
    def _is_another_one(self) -> Self:
        if self.password == self.old_password:
            raise ValueError(_("Please choose a password that is not the present one."))
        return self


class NewAddress(_Form):
    """Where log-in and mail shall go from now on."""

    email: Email


class Deletion(_Form):
    """A box that has to be ticked: an empty form deletes nobody."""

    sure: str = Field(default="", validate_default=True)

    @field_validator("sure")
    @classmethod
    def _is_ticked(cls, sure: str) -> str:
        if sure != "yes":
            raise ValueError(_("Please tick this first."))
        return sure
