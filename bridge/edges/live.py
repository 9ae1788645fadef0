"""The live rows: merged in memory, written out at once after a quiet time and then at most twice a second for each.

A cache (DESIGN 4.2): never waited for, a failure to write costs a moment of freshness and is tried again.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from bridge.clock import Clock
from bridge.counters import Counters
from bridge.pipeline import NEWEST
from bridge.refusals import Reason
from bridge.seldom import Seldom
from schema import live
from schema.database_faults import database_faults
from schema.models import Rung
from schema.readings import Reading

_log = structlog.get_logger(__name__)

MIN_INTERVAL_S = 0.5
_RETRY_S = 1.0
# A transaction costs 2 ms and a row 25 us: so many times as long as one took nothing is written, which gathers rows
# where there are many and is not noticed where there are few.
_REST = 19
_MOST_AT_ONCE = 500
_PATIENCE_S = 5.0


@dataclass(slots=True, eq=False)
class _State:
    inverter_id: UUID
    rung: Rung = Rung.NOTHING
    values: dict[str, float] = field(default_factory=dict)
    reading_at: datetime | None = None
    seen_at: datetime | None = None
    refusal: str = ""
    refusal_detail: str = ""
    refused_at: datetime | None = None
    written: float = float("-inf")


class LiveRows:
    """A ``Live``. ``run`` writes the rows that changed."""

    def __init__(self, url: str, clock: Clock, counters: Counters) -> None:
        self._url = url
        self._faults = database_faults(url)
        self._engine: AsyncEngine | None = None
        self._clock = clock
        self._counters = counters
        self._trouble = Seldom(clock.monotonic)
        self._states: dict[UUID, _State] = {}
        # In the order in which they changed.
        self._dirty: dict[_State, None] = {}
        self._changed = asyncio.Event()
        self._version = 0

    async def start(self) -> None:
        """Go on from the rows written before, if the database is there; else when it comes."""
        try:
            await self._open()
        except self._faults as fault:
            _log.warning("live.away", detail=type(fault).__name__)

    async def close(self) -> None:
        """Give the connections back."""
        if self._engine is not None:
            await self._engine.dispose()

    async def engine(self) -> AsyncEngine:
        """The live database, opened where it was away at the start. Raises what keeps it away."""
        return await self._open()

    async def _open(self) -> AsyncEngine:
        if self._engine is not None:
            return self._engine
        engine = await live.open_live(self._url, patience_s=_PATIENCE_S)
        try:
            self._version = max(self._version, await live.newest_version(engine))
            rows = await live.newer(engine, -1)
        except self._faults:
            await engine.dispose()
            raise
        for row in rows:
            if row.inverter_id in self._states:
                continue
            self._states[row.inverter_id] = _State(
                row.inverter_id,
                rung=Rung(row.rung),
                values=dict(row.values),
                reading_at=row.reading_at,
                seen_at=row.seen_at,
                refusal=row.refusal,
                refusal_detail=row.refusal_detail,
                refused_at=row.refused_at,
            )
        self._engine = engine
        return engine

    def login_accepted(self, inverter_ids: Iterable[UUID]) -> None:
        """The broker let the login of these inverters in."""
        for inverter_id in inverter_ids:
            self._reached(inverter_id, Rung.LOGIN_ACCEPTED)

    def broker_reached(self, inverter_ids: Iterable[UUID]) -> None:
        """Somebody came with the login of these inverters and was refused."""
        for inverter_id in inverter_ids:
            self._reached(inverter_id, Rung.BROKER_REACHED)

    def topic_right(self, inverter_id: UUID, at: datetime) -> None:
        """See ``Live.topic_right``."""
        self._seen(self._reached(inverter_id, Rung.TOPIC_RIGHT), at)

    def understood(self, inverter_id: UUID, at: datetime) -> None:
        """See ``Live.understood``."""
        self._seen(self._reached(inverter_id, Rung.PAYLOAD_UNDERSTOOD), at)

    def reading(self, inverter_id: UUID, reading: Reading, at: datetime) -> None:
        """See ``Live.reading``. An older reading that comes late only fills gaps."""
        state = self._reached(inverter_id, Rung.VALUES_PLAUSIBLE)
        self._seen(state, at)
        if self._is_newer(reading.at, state.reading_at):
            state.reading_at = reading.at
            state.values.update(reading.values)
        else:
            state.values = {**reading.values, **state.values}

    def refused(self, inverter_id: UUID, reason: Reason, detail: str, at: datetime) -> None:
        """See ``Live.refused``."""
        state = self._reached(inverter_id, Rung.NOTHING)
        state.refusal, state.refusal_detail, state.refused_at = reason.value, detail, at
        self._seen(state, at)

    def newest(self, inverter_id: UUID) -> tuple[Mapping[str, float], datetime | None]:
        """See ``Live.newest``."""
        state = self._states.get(inverter_id)
        return (state.values, state.reading_at) if state else ({}, None)

    def _seen(self, state: _State, at: datetime) -> None:
        """A message came; one that was kept for a while takes nothing back."""
        if self._is_newer(at, state.seen_at):
            state.seen_at = at

    def _is_newer(self, at: datetime, known: datetime | None) -> bool:
        """What a row has from beyond ``NEWEST`` comes from when our clock was wrong: nothing would ever be newer."""
        return known is None or at >= known or known > self._clock.now() + NEWEST

    def _reached(self, inverter_id: UUID, rung: Rung) -> _State:
        state = self._states.get(inverter_id)
        if state is None:
            state = self._states[inverter_id] = _State(inverter_id)
        if rung > state.rung:  # noqa: PLR1730  # max() of two members of an enumeration costs as much as all else here
            state.rung = rung
        self._dirty[state] = None
        self._changed.set()
        return state

    async def run(self) -> None:
        """Write what changed, for ever."""
        while True:
            await self._changed.wait()
            started = self._clock.monotonic()
            pause = await self.flush()
            took = self._clock.monotonic() - started
            await self._clock.sleep(max(pause, min(took * _REST, MIN_INTERVAL_S)))

    async def flush(self, *, everything: bool = False) -> float:
        """Write the rows that are due; seconds until the next one is, 0 where nothing waits."""
        now = self._clock.monotonic()
        due = [state for state in self._dirty if everything or now - state.written >= MIN_INTERVAL_S]
        if not everything:
            del due[_MOST_AT_ONCE:]
        if due:
            for state in due:
                del self._dirty[state]
            try:
                engine = await self._open()
                await live.put(engine, [self._row(state) for state in due])
            except self._faults as fault:
                self._dirty.update(dict.fromkeys(due))
                self._counters.live_failures += 1
                if self._trouble.due():
                    _log.warning("live.not_written", detail=type(fault).__name__, times=self._trouble.times)
                return _RETRY_S
            if self._trouble.over():
                _log.info("live.written_again")
            self._counters.live_rows_written += len(due)
            for state in due:
                state.written = now
        if not self._dirty:
            self._changed.clear()
            return 0.0
        soonest = min(state.written for state in self._dirty)
        return max(0.01, soonest + MIN_INTERVAL_S - self._clock.monotonic())

    def _row(self, state: _State) -> dict[str, object]:
        self._version += 1
        return {
            "inverter_id": state.inverter_id,
            "version": self._version,
            "rung": int(state.rung),
            "values": dict(state.values),
            "reading_at": state.reading_at,
            "seen_at": state.seen_at,
            "refusal": state.refusal,
            "refusal_detail": state.refusal_detail,
            "refused_at": state.refused_at,
        }
