"""Which found device a button means, and the serial of one that tells none. No database, no HTTP."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from portal.inverters.forms import Serial
from schema.topics import LOGIN_LENGTH

SELECTOR_MAX = 64


class Chosen(BaseModel):
    """A found device, by the login it speaks through and what it is called there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    login: Annotated[str, Field(max_length=LOGIN_LENGTH)]
    selector: Annotated[str, Field(max_length=SELECTOR_MAX)]


class Adopted(Chosen):
    """``serial`` is typed for a device that names none by itself."""

    serial: Serial | None = None
