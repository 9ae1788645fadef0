"""What people type to sign up and log in, and what is wrong with it, in sentences. No database, no HTTP."""

from typing import Annotated
from zoneinfo import available_timezones

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from portal.accounts import guessable
from portal.words import N_, SOURCE, _, reader

PASSWORD_MIN = 12
PASSWORD_MAX = 128
DEFAULT_ZONE = "UTC"

_ZONES = available_timezones()


# The library's English sentences that people meet; the others are about rare kinds of addresses.
_ADDRESS_FAULTS = (
    N_("An email address must have an @-sign."),
    N_("An email address cannot have more than one @-sign."),
    N_("There must be something before the @-sign."),
    N_("There must be something after the @-sign."),
    N_("The part after the @-sign is not valid. It should have a period."),
    N_("An email address cannot have a period immediately before the @-sign."),
    N_("An email address cannot have a period immediately after the @-sign."),
    N_("An email address cannot end with a period."),
    N_("An email address cannot start with a period."),
    N_("An email address cannot have two periods in a row."),
)


def _address_fault(english: str) -> str:
    if reader().language == SOURCE:
        return english
    return _(english) if english in _ADDRESS_FAULTS else _("This is no e-mail address that mail can be sent to.")


def _email(text: str) -> str:
    """The address in one spelling. Whether it exists is for the confirmation mail to show."""
    try:
        return validate_email(text.strip(), check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise ValueError(_address_fault(str(error))) from None


def _password(text: str) -> str:
    """The password as it is hashed. The longest is what was typed; the shortest is what is left of it."""
    password = guessable.normalised(text)
    if len(password) < PASSWORD_MIN:
        raise ValueError(_("Please write at least %(min_length)s characters.", min_length=PASSWORD_MIN))
    if reason := guessable.refused_because(password):
        raise ValueError(reason)
    return password


def not_about(password: str, *owner: str) -> str:
    """The password again. Raises ``ValueError`` with a sentence where it is made of its owner's address or name."""
    if reason := guessable.refused_because(password, owner):
        raise ValueError(reason)
    return password


def email_key(email: str) -> str:
    """How addresses are compared: without regard to capitals."""
    return email.casefold()


Email = Annotated[str, Field(max_length=254), AfterValidator(_email)]
ChosenPassword = Annotated[str, Field(min_length=PASSWORD_MIN, max_length=PASSWORD_MAX), AfterValidator(_password)]


class _Form(BaseModel):
    """Unknown fields are refused: nobody becomes an administrator by adding a field."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SignUp(_Form):
    """A new account. ``time_zone`` is the browser's guess; what is not a zone becomes UTC."""

    email: Email
    password: ChosenPassword = Field(repr=False)
    time_zone: str = DEFAULT_ZONE

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, guess: str) -> str:
        return guess if guess in _ZONES else DEFAULT_ZONE

    @field_validator("password")
    @classmethod
    def _not_about_the_owner(cls, password: str, typed: ValidationInfo) -> str:
        return not_about(password, typed.data.get("email", ""))


class LogIn(_Form):
    """Whatever was typed: a log-in form gives no lessons about addresses and passwords."""

    email: str = Field(max_length=254)
    password: str = Field(max_length=PASSWORD_MAX, repr=False)
    next: str = ""


class MailMe(_Form):
    """An address that wants a link: to confirm it, or to set a new password."""

    email: Email


class NewPassword(_Form):
    """A password set with a mailed one-time token."""

    token: str = Field(max_length=100, repr=False)
    password: ChosenPassword = Field(repr=False)


class Confirmation(_Form):
    """The button on the page that a confirmation mail leads to."""

    token: str = Field(max_length=100, repr=False)
