"""Where messages end: acknowledged because the store has them, or kept in the spool first and acknowledged then.

Everything to be kept is gathered and committed together, so that one fsync serves many messages. What cannot be kept
is not acknowledged: it waits here and in the window, and the broker is not read any further.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import NamedTuple

import structlog

from bridge.clock import Clock
from bridge.counters import Counters
from bridge.kept import LETTER_RECORDS, Entry, Letter, Line, Raw, Spool, SpoolUnavailable, Tally
from bridge.ports import BrokerSession
from bridge.seldom import Seldom

_log = structlog.get_logger(__name__)

RETRY_S = 1.0
_MOST_AT_ONCE = 5_000


class Outcome(StrEnum):
    """How a message ended (DESIGN 4.2, a to e)."""

    WRITTEN = "written"
    SPOOLED = "spooled"
    DEAD_LETTERED = "dead_lettered"
    NOT_A_READING = "not_a_reading"
    OVER_QUOTA = "over_quota"


class _Kept(NamedTuple):
    entry: Entry
    tokens: Sequence[int]
    then: Callable[[int], None] | None


class Keeper:
    """Settles messages, and keeps what has to outlive the process before it does so.

    Tokens below zero are spool records of messages kept as they came, or of dead letters that are replayed: their
    settlement is to be forgotten there, in the same commit that keeps what has become of them.
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
        # Records whose place an entry will take that waits still.
        self._moving: set[int] = set()
        self._wanted = asyncio.Event()
        self._committing = False
        self._most_at_once = _MOST_AT_ONCE
        self._trouble = Seldom(clock.monotonic)

    def settle(self, tokens: Sequence[int], outcome: Outcome) -> None:
        """End messages whose outcome is durable already, or that are no readings."""
        if tokens and min(tokens) < 0:
            self.forget([-token for token in tokens if token < 0])
            tokens = [token for token in tokens if token > 0]
        if tokens and (settled := self._session.settle(tokens)):
            self._counters.outcomes[outcome] += settled
            self._counters.times.ended(tokens, outcome, settled, self._clock.monotonic)

    def alive(self, tokens: Sequence[int]) -> bool:
        """Whether somebody waits for these messages; without tokens nobody can say otherwise."""
        for token in tokens:
            if token < 0 or self._session.alive(token):
                return True
        return not tokens

    def keep(self, entry: Entry, tokens: Sequence[int], *, then: Callable[[int], None] | None = None) -> None:
        """Keep an entry, settle its messages once that is durable and call ``then`` with the record's number; with 0
        where the connection of its messages was lost meanwhile, so that this copy was dropped.
        """
        if isinstance(entry, Letter) and tokens and tokens[0] <= -LETTER_RECORDS:
            entry = replace(entry, replaces=tuple(-token for token in tokens))
        kept = _Kept(entry, tokens, then)
        self._entries.append(kept)
        self._moving.update(_moved(kept))
        self._wanted.set()

    def forget(self, records: Sequence[int]) -> None:
        """Drop spool records whose content has another home now."""
        self._forgotten.update(records)
        self._wanted.set()

    def forgotten(self, record: int) -> bool:
        """Whether the record is about to be dropped, or to become something else."""
        return record in self._forgotten or record in self._moving

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
        most = self._most_at_once
        batch, self._entries = self._entries[:most], self._entries[most:]
        wanted = self._without_copies(batch)
        forgotten = list(self._forgotten)
        moved = [record for kept in wanted for record in _moved(kept)]
        self._committing = True
        started = self._clock.monotonic()
        try:
            records = await self._spool.commit([kept.entry for kept in wanted], [*forgotten, *moved])
        except SpoolUnavailable as fault:
            self._entries = self._without_copies(wanted + self._entries)
            await self._failed(fault, len(wanted), forgotten)
            return
        finally:
            self._committing = False
        if self._trouble.over():
            _log.info("spool.back", waiting=len(self._entries))
        self._most_at_once = min(_MOST_AT_ONCE, most * 2)
        self._counters.times.spool_commit.add(self._clock.monotonic() - started)
        self._forgotten.difference_update(forgotten)
        self._moving.difference_update(moved)
        self._end(wanted, records)

    def _without_copies(self, entries: Sequence[_Kept]) -> list[_Kept]:
        """Those that somebody waits for. The others' messages come again: they would pile up with each reconnect."""
        wanted: list[_Kept] = []
        for kept in entries:
            if self.alive(kept.tokens):
                wanted.append(kept)
            else:
                self._counters.dropped_copies += 1
                if kept.then is not None:
                    kept.then(0)
        return wanted

    async def _failed(self, fault: SpoolUnavailable, tried: int, forgotten: Sequence[int]) -> None:
        """Nothing is acknowledged. What is written elsewhere by now makes room all the same, and fewer may fit."""
        self._counters.spool_failures += 1
        if self._trouble.due():
            _log.error("spool.unavailable", detail=str(fault), waiting=len(self._entries), times=self._trouble.times)
        self._most_at_once = max(1, tried // 2)
        if tried and forgotten:
            with contextlib.suppress(SpoolUnavailable):
                await self._spool.commit([], forgotten)
                self._forgotten.difference_update(forgotten)
        await self._clock.sleep(RETRY_S)

    def _end(self, kept: Sequence[_Kept], records: Sequence[int]) -> None:
        """The entries are durable: settle the messages of each outcome together, then hand out the numbers."""
        ended: dict[Outcome, list[int]] = {}
        for one, record in zip(kept, records, strict=True):
            ended.setdefault(self._outcome(one.entry, record), []).extend(one.tokens)
        for outcome, tokens in ended.items():
            # Records below zero went with this commit.
            self.settle([token for token in tokens if token > 0], outcome)
        for one, record in zip(kept, records, strict=True):
            if one.then is not None:
                one.then(record)

    def _outcome(self, entry: Entry, record: int) -> Outcome:
        """A letter without a number is beyond its login's cap of originals."""
        if isinstance(entry, Line):
            return Outcome.SPOOLED
        if isinstance(entry, Letter):
            if entry.replaces:
                return Outcome.DEAD_LETTERED
            self._counters.dead_letters[entry.reason] += 1
            return Outcome.DEAD_LETTERED if record else Outcome.OVER_QUOTA
        if isinstance(entry, Tally):
            return Outcome.OVER_QUOTA
        self._counters.raws_spooled += isinstance(entry, Raw)
        return Outcome.SPOOLED


def _moved(kept: _Kept) -> list[int]:
    """The spool records that this entry takes the place of. A letter itself looks after the letters it replaces."""
    if not kept.tokens or min(kept.tokens) > 0 or (isinstance(kept.entry, Letter) and kept.entry.replaces):
        return []
    return [-token for token in kept.tokens if token < 0]
