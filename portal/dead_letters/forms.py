"""What an administrator types to find dead letters or to ask for something about them. No database, no HTTP."""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from schema.letters import NO_LOGIN, TITLES
from schema.topics import is_login

PAGE_SIZE = 50
_LONGEST_PAGE = 100_000


class Order(StrEnum):
    """How the list is sorted; the value stands in the address."""

    NEWEST = "last"
    OLDEST = "first"
    MOST = "count"
    LOGIN = "login"


def _login(text: str) -> str:
    login = text.strip().upper()
    if login and login != NO_LOGIN and not is_login(login):
        raise ValueError("A login has ten letters and digits, as on its pairing page.")
    return login


def _reason(text: str) -> str:
    if text and text not in TITLES:
        raise ValueError("There is no such reason.")
    return text


Login = Annotated[str, Field(max_length=40), AfterValidator(_login)]
Reason = Annotated[str, Field(max_length=40), AfterValidator(_reason)]


class Search(BaseModel):
    """Which letters are listed, in which order, from which page on (1 is the first). Empty fields mean any."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    login: Login = ""
    reason: Reason = ""
    sort: Order = Order.NEWEST
    page: int = Field(default=1, ge=1, le=_LONGEST_PAGE)


class Asked(BaseModel):
    """Which letters a request means: those of a search."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    login: Login = ""
    reason: Reason = ""


class Nothing(BaseModel):
    """A form that is only a button."""

    model_config = ConfigDict(extra="forbid", frozen=True)
