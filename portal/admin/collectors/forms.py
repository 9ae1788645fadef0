"""What an administrator types or presses about collectors. No database, no HTTP."""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from portal.admin.search import Search
from portal.credentials.networks import written
from portal.words import N_

DAYS = (30, 90, 180, 365)
"""How long a key may live, in days."""
OVERLAPS_H = (0, 1, 24, 168)
"""How long the key that is replaced goes on working, in hours."""
_LONGEST_NAME = 80
_LONGEST_NETWORKS = 400


class Order(StrEnum):
    """How collectors are sorted; the value stands in the address."""

    NAME = "name"
    NEWEST = "newest"
    USED = "used"


class State(StrEnum):
    """Which collectors are listed; the first one is all that have not ended."""

    LIVING = ""
    STOPPED = "stopped"
    UNUSED = "unused"
    ENDED = "ended"
    ANY = "any"


class CollectorSearch(Search):
    """``q`` is a part of the name, or how a key begins."""

    sort: Order = Order.NAME
    state: State = State.LIVING


def _name(typed: str) -> str:
    name = " ".join(typed.split())
    if not name or not name.isprintable():
        raise ValueError(N_("Please write a name that can be read."))
    return name


def _days(typed: int) -> int:
    if typed not in DAYS:
        raise ValueError(N_("Please choose one of these."))
    return typed


def _overlap(typed: int) -> int:
    if typed not in OVERLAPS_H:
        raise ValueError(N_("Please choose one of these."))
    return typed


Name = Annotated[str, Field(max_length=_LONGEST_NAME), AfterValidator(_name)]
Networks = Annotated[str, Field(max_length=_LONGEST_NETWORKS), AfterValidator(written)]
Days = Annotated[int, AfterValidator(_days)]
Fleet = Annotated[str, Field(pattern="^(|yes)$")]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NewCollector(_Form):
    """An identity to be made. ``fleet``: it begins with many inverters."""

    name: Name
    networks: Networks = ""
    days: Days
    fleet: Fleet = ""


class ChangedCollector(_Form):
    """Another name, other networks."""

    name: Name
    networks: Networks = ""


class NewKey(_Form):
    """A key instead of the one that begins with ``instead_of``, which goes on working for ``overlap`` hours."""

    instead_of: str = Field(max_length=16)
    days: Days
    overlap: Annotated[int, AfterValidator(_overlap)]


class GoOn(_Form):
    """A stopped one is answered again. ``fleet``: it has many more inverters to ask for."""

    fleet: Fleet = ""
