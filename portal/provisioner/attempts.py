"""One row's work at a time: its own trouble is noted on it and waits, and holds back nobody else's."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import update

from portal.provisioner.backoff import Backoff
from schema.database import Sessions, reading
from schema.models import OwnerPlacement, Placement
from schema.timeseries.port import StoreError, StoreUnavailable

_log = structlog.get_logger(__name__)

Table = type[OwnerPlacement] | type[Placement]

ERROR_LENGTH = 300
KEYS: dict[Table, Any] = {OwnerPlacement: OwnerPlacement.owner_id, Placement: Placement.inverter_id}


class NotYet(Exception):
    """Somebody else has to do something first; the message says who and what."""


class Attempts:
    """Work about rows of the two tables of places. ``now`` is the wall clock (UTC)."""

    def __init__(self, sessions: Sessions, *, now: Callable[[], datetime], backoff: Backoff) -> None:
        self._sessions = sessions
        self._now = now
        self._backoff = backoff

    async def attempt(self, table: Table, key: UUID, steps: Callable[[UUID], Awaitable[None]]) -> None:
        """Take the steps if the row is due. Raises ``StoreUnavailable``: that is the whole server's trouble."""
        # An administrator who wants it now has emptied the error (portal/admin/jobs).
        if not self._backoff.is_due(key) and not await self._asked_anew(table, key):
            return
        try:
            await steps(key)
        except StoreUnavailable:
            raise
        except NotYet as reason:
            self._backoff.failed(key)
            await self.note(table, key, str(reason))
        except StoreError as error:
            delay = self._backoff.failed(key)
            _log.error("placement.failed", row=str(key), error=str(error), again_in_s=round(delay, 1))
            await self.note(table, key, str(error))
        else:
            self._backoff.succeeded(key)

    async def note(self, table: Table, key: UUID, error: str) -> None:
        """For the administrator's page; written once, not at each try."""
        async with self._sessions.begin() as session:
            await session.execute(
                update(table)
                .where(KEYS[table] == key, table.last_error != error[:ERROR_LENGTH])
                .values(last_error=error[:ERROR_LENGTH], updated_at=self._now())
            )

    async def _asked_anew(self, table: Table, key: UUID) -> bool:
        async with reading(self._sessions) as session:
            row: Any = await session.get(table, key)
        return row is not None and not row.last_error
