"""The lease of several hosts: an advisory lock in a PostgreSQL session that is asked something every two seconds.

The server ends the session, and with it the lock, when its client dies, and after fifteen seconds without a word from
it (from PostgreSQL 14 on): a frozen or cut-off holder loses it. It needs a connection of its own to the server itself;
a pool in between that changes sessions (pgbouncer in transaction mode) would make it worthless.
"""

import hashlib
from enum import Enum
from typing import Any
from uuid import uuid4

import asyncpg
import structlog

from schema.database import async_url
from schema.database_faults import database_faults

ANSWER_S = 3.0

_log = structlog.get_logger(__name__)

_SET_UP = """
    SELECT set_config('idle_session_timeout', '15s', false) WHERE current_setting('server_version_num')::int >= 140000
"""
# Whoever holds it, by the name that his session gave itself.
_HOLDERS = """
    SELECT pid, application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND classid = $1 AND objid = $2
      AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class Answer(Enum):
    """What the database says."""

    OURS = "ours"
    ANOTHERS = "anothers"
    AWAY = "away"


class DatabaseLease:
    """One bridge's lease on one cell. Not for several tasks at once."""

    def __init__(self, url: str, cell: str) -> None:
        self._url = async_url(url).replace("+asyncpg", "", 1)
        self._faults = database_faults(url)
        digest = hashlib.sha256(f"deye bridge {cell}".encode()).digest()
        # The lock's number is 64 bits with a sign; without the top one its two halves are as the tables show them.
        self._high, self._low = int.from_bytes(digest[:4]) >> 1, int.from_bytes(digest[4:8])
        self._name = f"deye-bridge {uuid4()}"
        self._session: Any = None
        self._held = False

    async def ask(self) -> Answer:
        """Take the lease, or confirm that it is ours still."""
        try:
            return await self._asked()
        except self._faults as fault:
            self.drop()
            _log.debug("lease.away", detail=type(fault).__name__)
            return Answer.AWAY

    async def _asked(self) -> Answer:
        if self._session is None:
            self._session = await asyncpg.connect(
                self._url,
                timeout=ANSWER_S,
                command_timeout=ANSWER_S,
                server_settings={"application_name": self._name},
            )
            await self._session.execute(_SET_UP)
        if self._held:
            await self._session.execute("SELECT 1")
            return Answer.OURS
        self._held = await self._session.fetchval("SELECT pg_try_advisory_lock($1)", self._high << 32 | self._low)
        if self._held:
            return Answer.OURS
        for pid, name in await self._session.fetch(_HOLDERS, self._high, self._low):
            if name != self._name:
                return Answer.ANOTHERS
            # A session of ours that was cut off and lives on in the server.
            await self._session.execute(f"SELECT pg_terminate_backend({int(pid)})")
        return Answer.AWAY

    def drop(self) -> None:
        """Give up the session; the server frees the lease when it learns of it."""
        session, self._session, self._held = self._session, None, False
        if session is not None:
            session.terminate()
