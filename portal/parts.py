"""What every handler may need, built once by ``app`` and handed down: settings, database, store, clock, mail."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from litestar.connection import ASGIConnection
from sqlalchemy.ext.asyncio import AsyncEngine

from portal.accounts.links import MailedLinks
from portal.accounts.passwords import Passwords
from portal.dashboard.history import History
from portal.live import LiveFeed
from portal.mail import Mailer
from portal.throttle import Throttle
from portal.tries import Tries
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
    """The portal's surroundings. ``sessions`` opens transactions, ``live_engine`` the bridge's
    live rows, ``live_feed`` tells of their changes."""

    settings: PortalSettings
    sessions: Sessions
    live_engine: AsyncEngine
    live_feed: LiveFeed
    reader: SeriesReader
    history: History
    sealer: Sealer
    passwords: Passwords
    mailer: Mailer
    tries: Tries
    throttle: Throttle
    links: MailedLinks
    now: Clock = utc_now

    @property
    def mail_is_kept(self) -> bool:
        """Whether mails end as files in ``DATA_DIR/outbox``, because no mail server is named."""
        return not self.settings.smtp_host


def parts_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Parts:
    """The parts of the application that answers this request."""
    parts: Parts = connection.app.state.parts
    return parts
