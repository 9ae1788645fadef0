"""What a collector asks for, and may tell about a device. No database, no HTTP."""

from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

MOST_RATED_W = 1_000_000
MOST_MPPTS = 32
LONGEST_VERSION = 64
LONGEST_SERIAL = 254
VERSION_PATTERN = "^[ -~]+$"
"""What can be seen of ASCII: versions of firmware have nothing else."""


def _number(sent: object) -> object:
    # Litestar asks pydantic to be lenient, whatever the model says of itself.
    if isinstance(sent, str | bool):
        raise ValueError("must be a number")  # noqa: TRY004  # pydantic collects no other error
    return sent


Count = Annotated[int, BeforeValidator(_number)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WhichSerial(_Body):
    """A serial as anybody writes it; one that is none is as good as an unknown one."""

    serial: str = Field(max_length=LONGEST_SERIAL)


class Metadata(_Body):
    """At least one of the three, in the types they have ("800" is no number); null is as good as left out.

    ``rated_power`` is in watts; names as in the original system.
    """

    sw_version: str | None = Field(default=None, min_length=1, max_length=LONGEST_VERSION, pattern=VERSION_PATTERN)
    rated_power: Count | None = Field(default=None, ge=1, le=MOST_RATED_W)
    number_of_mppts: Count | None = Field(default=None, ge=1, le=MOST_MPPTS)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.sw_version is None and self.rated_power is None and self.number_of_mppts is None:
            raise ValueError("names none of sw_version, rated_power, number_of_mppts")
        return self
