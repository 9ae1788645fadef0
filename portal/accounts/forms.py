"""What people type to sign up and log in, and what is wrong with it, in sentences. No database, no HTTP."""

from typing import Annotated, Self
from zoneinfo import available_timezones

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

PASSWORD_MIN = 12
PASSWORD_MAX = 128
FEWEST_DIFFERENT_CHARACTERS = 5
DEFAULT_ZONE = "UTC"

_ZONES = available_timezones()


def _email(text: str) -> str:
    """The address in one spelling. Whether it exists is for the confirmation mail to show."""
    try:
        return validate_email(text.strip(), check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise ValueError(str(error)) from None


def _password(text: str) -> str:
    if len(set(text.casefold())) < FEWEST_DIFFERENT_CHARACTERS:
        raise ValueError("Please use more different characters.")
    return text


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

    @model_validator(mode="after")
    def _password_is_not_the_address(self) -> Self:
        if self.password.casefold() in (self.email.casefold(), self.email.casefold().partition("@")[0]):
            raise ValueError("Please choose a password that is not your e-mail address.")
        return self


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
