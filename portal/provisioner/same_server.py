"""Nobody makes, mends or erases anything on a server that is another one than before.

A wrong address, a fresh volume or a restored machine answers like the right InfluxDB and has none of its organisations:
everything would be taken for gone, made anew, and what had to be erased for erased. So a manager is asked who it is
before it is used, at the start, after every silence and now and then; an operator says when a new one is meant.
"""

from collections.abc import Callable
from typing import Any, cast

import structlog
from sqlalchemy import update

from schema.database import Sessions
from schema.models import StoreServer
from schema.timeseries.management import StoreManager
from schema.timeseries.port import StoreUnavailable

_log = structlog.get_logger(__name__)

LOOK_AGAIN_S = 30.0
ANOTHER = "another one does, at the same address (docs/running.md: another InfluxDB)"
_OUTSIDE = frozenset({"onboard", "identity", "close"})


class SameServer:
    """A manager that is not used while it is a stranger. ``clock`` is monotonic seconds."""

    def __init__(self, sessions: Sessions, inner: StoreManager, *, server: str, clock: Callable[[], float]) -> None:
        self._sessions = sessions
        self._inner = inner
        self._server = server
        self._clock = clock
        self._looked_at = float("-inf")

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._inner, name)
        if name in _OUTSIDE:
            return call

        async def called(*arguments: Any, **named: Any) -> Any:
            try:
                await self._look()
                return await call(*arguments, **named)
            except StoreUnavailable:
                self._looked_at = float("-inf")
                raise

        return called

    async def _look(self) -> None:
        """Raises ``StoreUnavailable`` where somebody else answers."""
        now = self._clock()
        if now - self._looked_at < LOOK_AGAIN_S:
            return
        seen = await self._inner.identity()
        async with self._sessions.begin() as session:
            row = await session.get(StoreServer, self._server, with_for_update=True)
            known = row.identity if row else ""
            another = known not in ("", seen)
            if row is not None and (not known or row.another != another):
                mark = {"identity": known or seen, "another": another}
                await session.execute(update(StoreServer).where(StoreServer.url == self._server).values(**mark))
        if another:
            _log.error("server.another", server=self._server)
            raise StoreUnavailable(ANOTHER)
        self._looked_at = now


def same_server(sessions: Sessions, inner: StoreManager, *, server: str, clock: Callable[[], float]) -> StoreManager:
    """``inner`` behind a ``SameServer``."""
    return cast("StoreManager", SameServer(sessions, inner, server=server, clock=clock))
