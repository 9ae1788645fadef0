"""What people type about an inverter, and what is wrong with it. No database, no HTTP."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from portal.credentials.forms import LONGEST_VERSION, MOST_MPPTS, MOST_RATED_W, VERSION_PATTERN
from portal.words import _
from schema.serials import MAX_LENGTH, MIN_LENGTH, InvalidSerial, apart, normalised

NAME_MAX = 80
_WATTS = re.compile(r"(\d{1,7}(?:[.,]\d{1,3})?) ?(?:W|(kW))?", re.IGNORECASE)


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not name:
        raise ValueError(_("Please give it a name, for instance where it hangs."))
    if not name.isprintable():
        raise ValueError(_("Please use characters that can be seen."))
    return name


def _serial(text: str) -> str:
    if len(apart(text)) > 1:
        raise ValueError(_("These are several serials. Please add one device after the other."))
    try:
        return normalised(text)
    except InvalidSerial:
        raise ValueError(
            _(
                "A serial has %(least)s to %(most)s letters and digits. "
                "It stands on the sticker of the inverter or logger.",
                least=MIN_LENGTH,
                most=MAX_LENGTH,
            )
        ) from None


Name = Annotated[str, Field(max_length=NAME_MAX), AfterValidator(_name)]
# Longer than a serial may be, because separators that people type do not count.
Serial = Annotated[str, Field(max_length=64), AfterValidator(_serial)]


def _power(typed: object) -> object:
    """Watts: "800", "800 W", "0.8 kW", "0,8 kW"; nothing for not known."""
    if not isinstance(typed, str) or not typed.strip():
        return None
    found = _WATTS.fullmatch(typed.strip())
    watts = float(found[1].replace(",", ".")) * (1000 if found[2] else 1) if found else 0.0
    if not 1 <= watts <= MOST_RATED_W:
        raise ValueError(_("Please write the power in watts, such as 800, or in kilowatts, such as 5.5 kW."))
    return round(watts)


def _inputs(typed: object) -> object:
    if not isinstance(typed, str) or not typed.strip():
        return None
    text = typed.strip()
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else 0
    if not 1 <= number <= MOST_MPPTS:
        raise ValueError(_("Please write a whole number from 1 to %(most)s.", most=MOST_MPPTS))
    return number


def _version(typed: object) -> object:
    if not isinstance(typed, str) or not typed.strip():
        return None
    version = " ".join(typed.split())
    if len(version) > LONGEST_VERSION or not re.fullmatch(VERSION_PATTERN, version):
        raise ValueError(_("Please write at most %(most)s plain letters, digits and signs.", most=LONGEST_VERSION))
    return version


Power = Annotated[int | None, BeforeValidator(_power)]
Inputs = Annotated[int | None, BeforeValidator(_inputs)]
Version = Annotated[str | None, BeforeValidator(_version)]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NewInverter(_Form):
    """A name for people, and the serial on the sticker. ``home`` is an id, needed where the account owns several."""

    name: Name
    serial: Serial
    home: str = Field(default="", max_length=36)


class Edited(_Form):
    """What an owner says about a device. What is empty is not known (any more); what is not sent stays."""

    name: Name
    rated_power_w: Power = None
    number_of_mppts: Inputs = None
    sw_version: Version = None
