"""What people type about a serial. No database, no HTTP."""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict

from portal.inverters.forms import Serial


class Why(StrEnum):
    """Why an inverter gets another serial: another device, or the same one mistyped."""

    REPLACED = "replaced"
    CORRECTED = "corrected"


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Another(_Form):
    """The new serial, and why."""

    serial: Serial
    why: Why


class GivenAway(_Form):
    """The tick that says that it was meant."""

    sure: Literal["yes"]


class Answer(_Form):
    """What the holder of a serial says to who asks for it."""

    answer: Literal["yes", "no"]
