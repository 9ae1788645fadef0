"""What every handler may need, built once by ``app`` and handed down: settings, database, store, clock, mail."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from litestar.connection import ASGIConnection
from sqlalchemy.ext.asyncio import AsyncEngine

from portal.accounts.passwords import Passwords
from portal.mail import Mailer
from portal.throttle import Throttle
from schema.database import Sessions
from schema.sealing import Sealer
from schema.settings import PortalSettings
from schema.timeseries.port import SeriesReader

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The clock that ``app`` hands down; tests hand down another."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Parts:
    """The portal's surroundings. ``sessions`` opens transactions, ``live_engine`` the bridge's live rows."""

    settings: PortalSettings
    sessions: Sessions
    live_engine: AsyncEngine
    reader: SeriesReader
    sealer: Sealer
    passwords: Passwords
    mailer: Mailer
    throttle: Throttle
    now: Clock = utc_now


def parts_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Parts:
    """The parts of the application that answers this request."""
    parts: Parts = connection.app.state.parts
    return parts
