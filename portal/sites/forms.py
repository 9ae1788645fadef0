"""What an installer types on site, and what is wrong with it. No database, no HTTP."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from portal.accounts import zones
from portal.inverters.forms import NAME_MAX, Serial
from portal.words import _


def _spaced(text: str) -> str:
    name = " ".join(text.split())
    if not name.isprintable():
        raise ValueError(_("Please use characters that can be seen."))
    return name


def _site_name(text: str) -> str:
    name = _spaced(text)
    if not name:
        raise ValueError(_("Please give it a name, such as the customer's or the street's."))
    return name


def _zone(guess: str) -> str:
    # It comes from the browser: one that we do not know is no fault of whoever types.
    return zones.meant(guess) or ""


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NewSite(_Form):
    """What the site is called; ``time_zone`` is the browser's, empty where it told none that we know."""

    name: Annotated[str, Field(max_length=NAME_MAX), AfterValidator(_site_name)]
    time_zone: Annotated[str, Field(max_length=64), AfterValidator(_zone)] = ""


class NewDevice(_Form):
    """The serial on the sticker; a name may wait, then the device is called by its number."""

    serial: Serial
    name: Annotated[str, Field(max_length=NAME_MAX), AfterValidator(_spaced)] = ""
