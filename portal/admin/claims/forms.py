"""What an administrator looks for and decides about claims. No database, no HTTP."""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict

from portal.admin.search import Search


class Order(StrEnum):
    """How serials are sorted; the value stands in the address."""

    SERIAL = "serial"
    NEWEST = "newest"


class State(StrEnum):
    """Which serials are listed: those with something to decide, or those of which something was decided."""

    OPEN = ""
    SETTLED = "settled"


class ClaimSearch(Search):
    """``q`` is a part of the serial or of a claimant's address."""

    sort: Order = Order.NEWEST
    state: State = State.OPEN


class Decision(BaseModel):
    """Whose the serial is: the inverter's that the button names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    inverter: Annotated[UUID, BeforeValidator(str)]
