"""What a collector may tell about a device. No database, no HTTP."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

MOST_RATED_W = 1_000_000
MOST_MPPTS = 32


class Metadata(BaseModel):
    """At least one of the three. ``rated_power`` is in watts; names as in the original system."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sw_version: str | None = Field(default=None, min_length=1, max_length=64)
    rated_power: int | None = Field(default=None, ge=1, le=MOST_RATED_W)
    number_of_mppts: int | None = Field(default=None, ge=1, le=MOST_MPPTS)

    @field_validator("sw_version")
    @classmethod
    def _printable(cls, text: str | None) -> str | None:
        if text is not None and not text.isprintable():
            raise ValueError("must consist of characters that can be seen")
        return text

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.sw_version is None and self.rated_power is None and self.number_of_mppts is None:
            raise ValueError("names none of sw_version, rated_power, number_of_mppts")
        return self
