"""Where messages end: acknowledged because the store has them, or kept in the spool first and acknowledged then.

Everything to be kept is gathered and committed together, so that one fsync serves many messages. What cannot be kept
is not acknowledged: it waits here and in the window, and the broker is not read any further.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import structlog

from bridge.clock import Clock
from bridge.counters import Counters
from bridge.ports import BrokerSession, Entry, Letter, Raw, Spool, SpoolUnavailable

_log = structlog.get_logger(__name__)

RETRY_S = 1.0
_MOST_AT_ONCE = 5_000


class Outcome(StrEnum):
    """How a message ended (DESIGN 4.2, a to d)."""

    WRITTEN = "written"
    SPOOLED = "spooled"
    DEAD_LETTERED = "dead_lettered"
    NOT_A_READING = "not_a_reading"


@dataclass(frozen=True, slots=True)
class _Kept:
    entry: Entry
    tokens: Sequence[int]
    then: Callable[[int], None] | None


class Keeper:
    """Settles messages, and keeps what has to outlive the process before it does so.

    Tokens below zero are spool records of messages kept as they came: their settlement is to be forgotten there.
    """

    def __init__(
        self,
        spool: Spool,
        session: BrokerSession,
        counters: Counters,
        clock: Clock,
    ) -> None:
        self._spool = spool
        self._session = session
        self._counters = counters
        self._clock = clock
        self._entries: list[_Kept] = []
        self._forgotten: set[int] = set()
        self._wanted = asyncio.Event()
        self._committing = False

    def settle(self, tokens: Sequence[int], outcome: Outcome) -> None:
        """End messages whose outcome is durable already, or that are no readings."""
        ours = [-token for token in tokens if token < 0]
        if ours:
            self.forget(ours)
            tokens = [token for token in tokens if token > 0]
        if tokens and (settled := self._session.settle(tokens)):
            self._counters.outcomes[outcome] += settled

    def alive(self, tokens: Sequence[int]) -> bool:
        """Whether somebody waits for these messages; without tokens nobody can say otherwise."""
        return not tokens or any(token < 0 or self._session.alive(token) for token in tokens)

    def keep(self, entry: Entry, tokens: Sequence[int], *, then: Callable[[int], None] | None = None) -> None:
        """Keep an entry, settle its messages once that is durable and call ``then`` with the record's number."""
        self._entries.append(_Kept(entry, tokens, then))
        self._wanted.set()

    def forget(self, records: Sequence[int]) -> None:
        """Drop spool records whose content has another home now."""
        self._forgotten.update(records)
        self._wanted.set()

    def forgotten(self, record: int) -> bool:
        """Whether the record is about to be dropped."""
        return record in self._forgotten

    async def run(self) -> None:
        """Commit whatever waits, for ever."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while self._entries or self._forgotten:
                await self._turn()

    @property
    def pending(self) -> bool:
        """Whether something waits to be kept or forgotten."""
        return bool(self._entries or self._forgotten or self._committing)

    async def _turn(self) -> None:
        batch, self._entries = self._entries[:_MOST_AT_ONCE], self._entries[_MOST_AT_ONCE:]
        wanted = [kept for kept in batch if self.alive(kept.tokens)]
        self._counters.dropped_copies += len(batch) - len(wanted)
        forgotten = list(self._forgotten)
        self._committing = True
        try:
            records = await self._spool.commit([kept.entry for kept in wanted], forgotten)
        except SpoolUnavailable as fault:
            self._entries = wanted + self._entries
            self._counters.spool_failures += 1
            _log.error("spool.unavailable", detail=str(fault), waiting=len(self._entries))
            await self._clock.sleep(RETRY_S)
            return
        finally:
            self._committing = False
        self._forgotten.difference_update(forgotten)
        for kept, record in zip(wanted, records, strict=True):
            if isinstance(kept.entry, Raw):
                self._counters.raws_spooled += 1
            outcome = Outcome.DEAD_LETTERED if isinstance(kept.entry, Letter) else Outcome.SPOOLED
            self.settle(kept.tokens, outcome)
            if kept.then is not None:
                kept.then(record)
