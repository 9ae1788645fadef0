"""Carries out what people ask for about dead letters, one request after the other, and lets old letters go.

The row says what is wanted and how far it has come; the spool says what has been done. A replay that is interrupted
goes on where it stopped; a purge is one transaction of the spool, and done again it finds nothing more to do.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

import structlog
from sqlalchemy import case, delete, select, update

from bridge.clock import Clock
from bridge.counters import Counters
from bridge.edges import letter_choice
from bridge.edges.dead_letters import DeadLetterCopy
from bridge.edges.letter_choice import Choice, Progress
from bridge.edges.spool import SqliteSpool
from bridge.kept import KeptLetter, SpoolUnavailable
from bridge.ports import Registry, RegistryUnavailable
from bridge.seldom import Seldom
from schema.database import Sessions, reading
from schema.database_faults import database_faults
from schema.letters import NO_LOGIN
from schema.models import DeadLetter, DeadLetterRequest, LetterAction, RequestState
from schema.timeseries.line_protocol import milliseconds

_log = structlog.get_logger(__name__)

ASK_EVERY_S = 1.0
EXPIRE_EVERY_S = 3600.0
# What a clock gains or loses by itself between two looks is far below this.
_CLOCK_WAS_SET_S = 3600.0
# After this an original whose outcome has not come (the database was away, say) is taken up again.
_RETRY_S = 30.0
_LOOK_EVERY_S = 0.1
_TELL_EVERY_S = 1.0
_MOST_ROUNDS_IN_VAIN = 5
# A message that ends the process ends it again after each start; that must stop.
_MOST_STARTS_IN_VAIN = 5


class TakesLetters(Protocol):
    """Who decides letters once more (``bridge.letter_replays``)."""

    def take(self, kept: Sequence[KeptLetter]) -> None:
        """Take up these letters, which are in the order in which they came."""


class LetterRequests:
    """Asks for requests and carries them out."""

    def __init__(
        self,
        *,
        spool: SqliteSpool,
        copy: DeadLetterCopy,
        sessions: Sessions,
        url: str,
        registry: Registry,
        replays: TakesLetters,
        clock: Clock,
        counters: Counters,
        keep: timedelta,
    ) -> None:
        """``keep`` is how long letters are kept."""
        self._spool = spool
        self._copy = copy
        self._sessions = sessions
        self._faults: tuple[type[Exception], ...] = (*database_faults(url), SpoolUnavailable, RegistryUnavailable)
        self._registry = registry
        self._replays = replays
        self._clock = clock
        self._trouble = Seldom(clock.monotonic)
        self._counters = counters
        self._keep = keep
        self._started: set[UUID] = set()
        self._expire_at = clock.monotonic() + EXPIRE_EVERY_S
        self._wall_ahead_s = self._wall_ahead_now()

    async def run(self) -> None:
        """Carry out requests, for ever."""
        while True:
            with self._trouble.outlived(self._faults, _log, "letters.request_postponed"):
                await self.look()
            await self._clock.sleep(ASK_EVERY_S)

    async def look(self) -> None:
        """One round: what is too old goes when it is time, then requests."""
        if self._time_to_expire():
            await self.expire()
            self._expire_at = self._clock.monotonic() + EXPIRE_EVERY_S
        while await self.turn():
            pass

    def _time_to_expire(self) -> bool:
        """Once an hour, and an hour after the start or after the clock was set: one that is wrong for a while (no
        battery, a wrong answer to the question for the time) must not make everything old.
        """
        ahead = self._wall_ahead_now()
        if abs(ahead - self._wall_ahead_s) > _CLOCK_WAS_SET_S:
            self._expire_at = self._clock.monotonic() + EXPIRE_EVERY_S
        self._wall_ahead_s = ahead
        return self._clock.monotonic() >= self._expire_at

    def _wall_ahead_now(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()

    async def turn(self) -> bool:
        """Carry out the oldest request; False where there is none."""
        request = await self._next()
        if request is None:
            return False
        choice = Choice(request.login, request.topic, request.reason, request.inverter_id)
        _log.info("letters.request", action=request.action, request=str(request.id))
        carry_out = self._purge if request.action == LetterAction.PURGE else self._replay
        try:
            await carry_out(request, choice)
        except self._faults:
            raise
        except Exception:  # noqa: BLE001  # one turn of a loop: this request fails, messages and other requests go on
            _log.exception("letters.request_fault", request=str(request.id))
            self._counters.faults += 1
            await self._finish(request.id, RequestState.FAILED, _FAULT)
        return True

    async def expire(self) -> None:
        """Let go what is older than it may be: originals, their counts, their copies, and finished requests."""
        before = self._clock.now() - self._keep
        self._counters.letters_expired += await self._spool.run(lambda file: file.letters.expire(milliseconds(before)))
        async with self._sessions.begin() as session:
            await session.execute(delete(DeadLetter).where(DeadLetter.last_seen_at < before))
            await session.execute(delete(DeadLetterRequest).where(DeadLetterRequest.finished_at < before))

    async def _next(self) -> DeadLetterRequest | None:
        """What was begun before goes first."""
        begun_first = case((DeadLetterRequest.state == RequestState.RUNNING, 0), else_=1)
        asked = (
            select(DeadLetterRequest)
            .where(DeadLetterRequest.state.in_((RequestState.WAITING, RequestState.RUNNING)))
            .order_by(begun_first, DeadLetterRequest.requested_at, DeadLetterRequest.id)
            .limit(1)
        )
        async with reading(self._sessions) as session:
            return (await session.scalars(asked)).one_or_none()

    async def _purge(self, request: DeadLetterRequest, choice: Choice) -> None:
        # Asked again after a crash, the first count is the right one.
        messages = request.chosen or await self._spool.run(lambda file: letter_choice.meant(file.letters, choice))
        await self._tell(request.id, state=RequestState.RUNNING, chosen=messages)
        self._counters.letters_purged += await self._spool.run(lambda file: letter_choice.purge(file.letters, choice))
        while await self._copy.copy():
            pass
        async with self._sessions.begin() as session:
            # Copies of a spool that is gone; whatever came since then has its trouble in the spool and is copied again.
            await session.execute(
                delete(DeadLetter).where(*_copies(choice), DeadLetter.last_seen_at < request.requested_at)
            )
        await self._finish(request.id, RequestState.DONE, "" if messages else _NOTHING, chosen=messages, done=messages)

    async def _replay(self, request: DeadLetterRequest, choice: Choice) -> None:
        starting = request.id not in self._started
        self._started.add(request.id)
        now = await self._progress(request.id, choice, starting=starting)
        await self._tell(request.id, state=RequestState.RUNNING, **_counts(now))
        rounds = 0
        while now.left and rounds < _MOST_ROUNDS_IN_VAIN and now.starts <= _MOST_STARTS_IN_VAIN:
            before = now.left
            await self._round(request.id, choice, now.upto)
            now = await self._progress(request.id, choice)
            rounds = 0 if now.left < before else rounds + 1
        if now.left:
            await self._finish(request.id, RequestState.FAILED, _STUCK.format(now.left), **_counts(now))
        else:
            await self._finish(request.id, RequestState.DONE, _remark(now), **_counts(now))
        while await self._copy.copy():
            pass

    async def _progress(self, request_id: UUID, choice: Choice, *, starting: bool = False) -> Progress:
        return await self._spool.run(
            lambda file: letter_choice.progress(file.letters, request_id, choice, starting=starting)
        )

    async def _round(self, request_id: UUID, choice: Choice, upto: int) -> None:
        """Take the next ones up and wait for what becomes of them."""
        kept, damaged = await self._spool.run(lambda file: letter_choice.next_originals(file.letters, choice, upto))
        self._counters.records_damaged += damaged
        if unknown := self._unknown({one.login for one in kept if one.login}):
            await self._registry.look_up(unknown)
        self._replays.take(kept)
        self._counters.letters_replayed += len(kept)
        records = [one.record for one in kept]
        began = told = self._clock.monotonic()
        while await self._spool.run(lambda file: letter_choice.left_of(file.letters, records)):
            await self._clock.sleep(_LOOK_EVERY_S)
            now = self._clock.monotonic()
            if now - told >= _TELL_EVERY_S:
                told = now
                await self._tell(request_id, **_counts(await self._progress(request_id, choice)))
            if now - began >= _RETRY_S:
                return
        await self._spool.run(lambda file: letter_choice.advanced(file.letters, request_id))

    def _unknown(self, logins: Collection[str]) -> list[str]:
        return [login for login in logins if self._registry.directory.login(login) is None]

    async def _finish(self, request_id: UUID, state: RequestState, error: str, **counts: int) -> None:
        await self._tell(request_id, state=state, error=error, finished_at=self._clock.now(), **counts)
        await self._spool.run(lambda file: letter_choice.finished(file.letters, request_id))
        _log.info("letters.request_finished", request=str(request_id), state=state, detail=error, **counts)

    async def _tell(self, request_id: UUID, **columns: RequestState | str | int | datetime) -> None:
        async with self._sessions.begin() as session:
            await session.execute(update(DeadLetterRequest).where(DeadLetterRequest.id == request_id).values(**columns))


_NOTHING = "Nothing like that is kept, so nothing was done."
_FAULT = "The bridge failed on this request; what it had not finished is kept. The fault is in its log."
_STUCK = "{} originals have no outcome yet; they are kept. Look at the bridge's log, then ask again."


def _counts(progress: Progress) -> dict[str, int]:
    return {"chosen": progress.chosen, "done": progress.chosen - progress.left, "again": progress.again}


def _remark(progress: Progress) -> str:
    """What a person has to know of a replay that came to its end."""
    if progress.unfit:
        return (
            f"{progress.unfit} more cannot be replayed: they are cut, damaged or put together from several messages. "
            "They can be looked at and purged."
        )
    return "" if progress.chosen else _NOTHING


def _copies(choice: Choice) -> list[Any]:
    """The copies that a choice means."""
    wanted: dict[Any, object] = {
        DeadLetter.login: choice.login,
        DeadLetter.topic: choice.topic,
        DeadLetter.reason: choice.reason,
        DeadLetter.inverter_id: choice.inverter_id,
    }
    return [column == ("" if value == NO_LOGIN else value) for column, value in wanted.items() if value]
