"""Tripwires: what about a login or a device is so odd that its owner should know, or that it must not go on. Pure.

Each wire hangs on what the broker or a payload has proved of one login; nothing that another login does can touch it.
The one exception says so: a refused log-in may name any login, so it never leads to more than a notice.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID


class Wire(StrEnum):
    """The kinds of ``schema.models.NoticeKind`` that the bridge notices, without its tables."""

    FLAPPING = "flapping"
    IMPOSSIBLE_POWER = "impossible_power"
    CLOCK_SKEW = "clock_skew"
    FAILED_LOG_INS = "failed_log_ins"


class Trip(NamedTuple):
    """It has happened: ``times`` since the last trip of this wire. ``schema.notices`` says what ``details`` are.

    ``inverter_id`` is None where it is about the login as a whole. ``quarantine`` says that the case is clear-cut: what
    the login sends is to be set aside.
    """

    wire: Wire
    login: str
    inverter_id: UUID | None
    details: Mapping[str, str | int | float]
    times: int
    at: datetime
    quarantine: bool = False


# Logins, or feeds, that one wire remembers; beyond that those go that have been quiet longest.
MOST_REMEMBERED = 10_000
