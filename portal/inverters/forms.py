"""What people type about an inverter, and what is wrong with it. No database, no HTTP."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from schema.serials import normalised

NAME_MAX = 80


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not name:
        raise ValueError("Please give it a name, for instance where it hangs.")
    if not name.isprintable():
        raise ValueError("Please use characters that can be seen.")
    return name


Name = Annotated[str, Field(max_length=NAME_MAX), AfterValidator(_name)]
# Longer than a serial may be, because separators that people type do not count.
Serial = Annotated[str, Field(max_length=64), AfterValidator(normalised)]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NewInverter(_Form):
    """A name for people, and the serial on the sticker."""

    name: Name
    serial: Serial


class Renamed(_Form):
    """Another name."""

    name: Name
