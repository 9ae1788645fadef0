"""When each login was last heard, and when it came and went: gathered in memory, written now and then. A cache like the
live rows: never waited for, and a failure to write costs a moment of freshness.

Only logins of the registry are remembered, so nobody fills memory or table with names he has made up.
"""

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from bridge.clock import Clock
from bridge.counters import Counters
from bridge.routes import Directory
from bridge.seldom import Seldom
from schema import live
from schema.database_faults import database_faults

_log = structlog.get_logger(__name__)

# A page says "10 seconds ago" at best: a login that speaks all the time is written so often and no more.
AGAIN_S = 10.0
FLUSH_S = 1.0
_MOST_AT_ONCE = 1_000
TIDY_EVERY_S = 3600.0
# So long after its last word the row of a login that was withdrawn has told all it can tell.
KEPT_FOR = timedelta(days=30)

_Row = dict[str, object]


class LoginRows:
    """``run`` writes what has changed. ``engine`` gives the live database, or raises what keeps it away."""

    def __init__(
        self,
        engine: Callable[[], Awaitable[AsyncEngine]],
        directory: Callable[[], Directory],
        url: str,
        clock: Clock,
        counters: Counters,
    ) -> None:
        self._engine = engine
        self._directory = directory
        self._faults = database_faults(url)
        self._clock = clock
        self._counters = counters
        self._trouble = Seldom(clock.monotonic)
        self._changed: dict[str, _Row] = {}
        # Logins whose row was written a moment ago, and when: the oldest first.
        self._written: dict[str, float] = {}

    def spoke(self, logins: Iterable[str], at: datetime) -> None:
        """Messages of these came."""
        known = self._directory()
        for login in logins:
            if login in known:
                self._row(login)["seen_at"] = at

    def came(self, login: str, at: datetime) -> None:
        """The broker let it in."""
        self._at_once(login, "connected_at", at)

    def went(self, login: str, at: datetime) -> None:
        """Its connection ended."""
        self._at_once(login, "disconnected_at", at)

    def _at_once(self, login: str, column: str, at: datetime) -> None:
        if login in self._directory():
            self._row(login)[column] = at
            self._written.pop(login, None)

    def _row(self, login: str) -> _Row:
        row = self._changed.get(login)
        if row is None:
            row = self._changed[login] = {
                "login": login,
                "seen_at": None,
                "connected_at": None,
                "disconnected_at": None,
            }
        return row

    async def run(self) -> None:
        """Write, for ever."""
        tidy_at = self._clock.monotonic()
        while True:
            while await self.flush() == _MOST_AT_ONCE:
                pass
            if self._clock.monotonic() >= tidy_at:
                await self.tidy()
                tidy_at = self._clock.monotonic() + TIDY_EVERY_S
            await self._clock.sleep(FLUSH_S)

    async def flush(self, *, everything: bool = False) -> int:
        """Write what is due; how many rows. What cannot be written waits for the next time."""
        now = self._clock.monotonic()
        if everything:
            self._written.clear()
        while self._written and now - next(iter(self._written.values())) >= AGAIN_S:
            del self._written[next(iter(self._written))]
        due = [login for login in self._changed if login not in self._written][:_MOST_AT_ONCE]
        if not due:
            return 0
        rows = [self._changed.pop(login) for login in due]
        try:
            await live.put_logins(await self._engine(), rows)
        except self._faults as fault:
            for login, row in zip(due, rows, strict=True):
                self._changed[login] = _newer(self._changed.get(login), row)
            self._failed(fault)
            return 0
        self._trouble.over()
        self._written |= dict.fromkeys(due, now)
        return len(due)

    async def tidy(self) -> None:
        """Forget who was withdrawn and has been silent since."""
        known = self._directory()
        try:
            engine = await self._engine()
            silent = await live.logins_silent_since(engine, self._clock.now() - KEPT_FOR)
            await live.forget_logins(engine, [login for login in silent if not known.may_speak(login)])
        except self._faults as fault:
            self._failed(fault)

    def _failed(self, fault: Exception) -> None:
        self._counters.live_failures += 1
        if self._trouble.due():
            _log.warning("login_rows.not_written", detail=type(fault).__name__, times=self._trouble.times)


def _newer(newer: _Row | None, row: _Row) -> _Row:
    """Both as one: what came meanwhile is newer."""
    if newer is None:
        return row
    return {column: row[column] if newer[column] is None else newer[column] for column in row}
