"""What somebody types to find some of many inverters. No database, no HTTP."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from portal.admin.search import Search
from portal.words import _


class Shown(StrEnum):
    """Which inverters are listed; the value stands in the address. ``ALARM`` is whatever needs somebody."""

    ANY = ""
    ALARM = "alarm"
    SILENT = "silent"
    REFUSED = "refused"
    TROUBLE = "trouble"
    QUARANTINED = "quarantined"
    DISPUTED = "disputed"
    NOTICE = "notice"
    WAITING = "waiting"
    WORKING = "working"
    ASLEEP = "asleep"


class Silence(StrEnum):
    """For how long no reading has come; one that has never sent any is silent for ever."""

    ANY = ""
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


AT_LEAST = {
    Silence.HOUR: timedelta(hours=1),
    Silence.DAY: timedelta(days=1),
    Silence.WEEK: timedelta(days=7),
    Silence.MONTH: timedelta(days=30),
}


def _visible(text: str) -> str:
    # PostgreSQL's text cannot hold NUL, and nothing of ours has other control characters in it.
    if not text.isprintable():
        raise ValueError(_("Please use characters that can be seen."))
    return text.strip()


class FleetSearch(Search):
    """``q`` is a part of an inverter's name or serial, or of its site's name."""

    q: Annotated[str, Field(max_length=254), AfterValidator(_visible)] = ""
    state: Shown = Shown.ANY
    silence: Silence = Silence.ANY
