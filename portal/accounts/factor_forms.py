"""What people type at the second factor, at API keys, and to prove who they are once more. No database, no HTTP."""

from pydantic import BaseModel, ConfigDict, Field, field_validator

from portal.accounts.forms import PASSWORD_MAX
from portal.words import _

CODE_MAX = 40
KEY_DAYS = (7, 30, 90, 365)


class _Form(BaseModel):
    """Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Proof(_Form):
    """The password again, and a code where the account has a second factor."""

    password: str = Field(max_length=PASSWORD_MAX, repr=False)
    code: str = Field(default="", max_length=CODE_MAX, repr=False)
    next: str = ""
    again: str = ""


class Code(_Form):
    """A code of the second factor, or a recovery code."""

    code: str = Field(min_length=1, max_length=CODE_MAX, repr=False)


class SwitchOn(_Form):
    """The sealed offer that the page's picture shows, and the code that the app made of it."""

    offer: str = Field(max_length=400, repr=False)
    code: str = Field(min_length=1, max_length=CODE_MAX, repr=False)


class NewCodes(_Form):
    """``instead_of`` names the set of recovery codes that the page spoke of."""

    instead_of: str = Field(max_length=40)


class Nothing(_Form):
    """A button."""


class NewKey(_Form):
    """An API key to be made; ``days`` is one of the choices."""

    name: str = Field(min_length=1, max_length=80)
    days: int

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, typed: str) -> str:
        name = " ".join(typed.split())
        if not name or not name.isprintable():
            raise ValueError(_("Please write a name that can be read."))
        return name

    @field_validator("days")
    @classmethod
    def _is_a_choice(cls, days: int) -> int:
        if days not in KEY_DAYS:
            raise ValueError(_("Please choose one of these."))
        return days
