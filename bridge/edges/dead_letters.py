"""Copies the spool's troubles into the table ``dead_letter`` for the pages. The spool is the truth: counts are set,
never added to, so a copy that is made twice changes nothing. A trouble that is over loses its copy, then its row.
"""

from typing import Any, NamedTuple
from uuid import UUID, uuid4

import structlog
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from bridge.clock import Clock
from bridge.counters import Counters
from bridge.edges.spool import SqliteSpool
from bridge.edges.spool_file import SpoolFile
from bridge.kept import SpoolUnavailable
from bridge.seldom import Seldom
from schema.database import Sessions, insert_or_update
from schema.database_faults import database_faults
from schema.letters import MOST_COUNTED
from schema.models import DeadLetter, Inverter
from schema.timeseries.line_protocol import from_milliseconds

_log = structlog.get_logger(__name__)

COPY_EVERY_S = 1.0
_MOST_AT_ONCE = 200


class _Trouble(NamedTuple):
    login: str
    topic: str
    reason: str
    inverter: bytes | None
    detail: str
    payload: bytes
    size: int
    form: str
    response: str
    first_ms: int
    last_ms: int
    times: int
    kept: int
    version: int


class DeadLetterCopy:
    """Copies as they come."""

    def __init__(self, spool: SqliteSpool, sessions: Sessions, url: str, clock: Clock, counters: Counters) -> None:
        self._spool = spool
        self._sessions = sessions
        self._faults: tuple[type[Exception], ...] = (*database_faults(url), SpoolUnavailable)
        self._clock = clock
        self._trouble = Seldom(clock.monotonic)
        self._counters = counters

    async def run(self) -> None:
        """Copy, for ever."""
        while True:
            await self._clock.sleep(COPY_EVERY_S)
            with self._trouble.outlived(self._faults, _log, "dead_letters.not_copied"):
                while await self.copy() == _MOST_AT_ONCE:
                    pass

    async def copy(self) -> int:
        """Copy what has changed since the last time; how many rows."""
        troubles = await self._spool.run(_uncopied)
        if not troubles:
            return 0
        async with self._sessions() as session, session.begin():
            wanted = {UUID(bytes=trouble.inverter) for trouble in troubles if trouble.inverter}
            # An inverter that was deleted meanwhile: its owner is gone, the letter stays without a name.
            present = set((await session.scalars(select(Inverter.id).where(Inverter.id.in_(wanted)))).all())
            for trouble in troubles:
                await session.execute(_upsert(session, trouble, present) if trouble.times else _delete(trouble))
        await self._spool.run(lambda file: _copied(file, troubles))
        self._counters.letters_copied += len(troubles)
        return len(troubles)


def _uncopied(file: SpoolFile) -> list[_Trouble]:
    found = file.connection.execute(
        "SELECT login, topic, reason, inverter, detail, payload, size, form, response, first_ms, last_ms, count,"
        " (SELECT count(*) FROM letter WHERE letter.login=trouble.login AND letter.reason=trouble.reason"
        " AND letter.shown_as=trouble.topic AND letter.whole=1), version"
        " FROM trouble WHERE copied<version LIMIT ?",
        (_MOST_AT_ONCE,),
    )
    return [_Trouble(*row) for row in found.fetchall()]


def _copied(file: SpoolFile, troubles: list[_Trouble]) -> None:
    file.connection.executemany(
        "UPDATE trouble SET copied=? WHERE login=? AND topic=? AND reason=?",
        [(trouble.version, trouble.login, trouble.topic, trouble.reason) for trouble in troubles],
    )
    # Whatever came meanwhile has raised the version: that row stays.
    file.connection.executemany(
        "DELETE FROM trouble WHERE login=? AND topic=? AND reason=? AND version=? AND count=0",
        [(one.login, one.topic, one.reason, one.version) for one in troubles if not one.times],
    )


def _delete(trouble: _Trouble) -> Any:
    return delete(DeadLetter).where(
        DeadLetter.login == trouble.login, DeadLetter.topic == trouble.topic, DeadLetter.reason == trouble.reason
    )


def _upsert(session: AsyncSession, trouble: _Trouble, present: set[UUID]) -> Any:
    inverter_id = UUID(bytes=trouble.inverter) if trouble.inverter else None
    changing = {
        "inverter_id": inverter_id if inverter_id in present else None,
        "payload": trouble.payload,
        "payload_bytes": trouble.size,
        "form": trouble.form,
        "detail": trouble.detail,
        "response": trouble.response,
        "first_seen_at": from_milliseconds(trouble.first_ms),
        "last_seen_at": from_milliseconds(trouble.last_ms),
        "count": min(trouble.times, MOST_COUNTED),
        "kept": trouble.kept,
    }
    return (
        insert_or_update(session.get_bind().dialect.name, DeadLetter)
        .values(
            id=uuid4(),
            login=trouble.login,
            topic=trouble.topic,
            reason=trouble.reason,
            **changing,
        )
        .on_conflict_do_update(index_elements=["login", "topic", "reason"], set_=changing)
    )
