"""Looks after the running bridge: asks every part how it is, keeps what was seen, and says what begins and ends.

The numbers and judgements are made elsewhere (``observed``, ``health``, ``alarms``, ``metrics``); here are the
questions that need the world: can the spool be written, is the database there, how much room has the disk.
"""

import asyncio
import shutil
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bridge.alarms import Alarms
from bridge.broker_watch import BrokerWatch
from bridge.clock import Clock
from bridge.counters import Counters
from bridge.edges.self_check import SelfCheck
from bridge.edges.spool import SqliteSpool
from bridge.edges.spool_state import spool_state
from bridge.kept import SpoolUnavailable
from bridge.observed import LaneLike, LanesNow, Observed, Role, combined, lanes_now
from bridge.ports import Registry
from bridge.watched_store import WatchedStore
from bridge.window import Window
from bridge.writer import Writer
from schema.changes import registry_version
from schema.database import Sessions, reading
from schema.settings import BridgeSettings
from schema.timeseries.port import PointWriter

_log = structlog.get_logger(__name__)

LOOK_EVERY_S = 5.0
# A question that writes costs an fsync: without being asked from outside it is put once in so many looks.
WRITE_EVERY_LOOKS = 6
QUESTION_TIMEOUT_S = 3.0
_REUSED_FOR_S = 1.0
_LANES_AT_ONCE = 2_000

AnswerT = TypeVar("AnswerT")


class _Session(Protocol):
    window: Window
    subscribed: bool


@dataclass(frozen=True, slots=True)
class Watched:
    """The parts of an active bridge; ``session`` is either edge's."""

    session: _Session
    writer: Writer
    spool: SqliteSpool
    registry: Registry
    sessions: Sessions
    broker: BrokerWatch
    check: SelfCheck


class Watch:
    """What was seen of one process, whether it is active or stands by."""

    def __init__(self, settings: BridgeSettings, counters: Counters, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self.counters = counters
        self.alarms = Alarms()
        self.role = Role.STANDING_BY
        self._tasks: Sequence[asyncio.Task[None]] = ()
        self._store: WatchedStore | None = None
        self._parts: Watched | None = None
        self._asked = Observed()
        self._asking = asyncio.Lock()
        self._asked_at = float("-inf")
        self._ticked = clock.monotonic()
        self._delay_s = 0.0
        self._unsubscribed_since: float | None = None
        self._database_since: float | None = None
        self._current_at: float | None = None
        self._parked_since: dict[UUID, float] = {}
        self._servers_since: dict[str, float] = {}
        self._lanes = LanesNow()
        self._live_counts = (0, 0)

    def store(self, store: PointWriter) -> PointWriter:
        """The same store, watched."""
        self._store = WatchedStore(store, self.counters.times.store_request, self._clock.monotonic)
        return self._store

    def attach(self, parts: Watched) -> None:
        """This process is about to become the bridge."""
        self._parts, self.role = parts, Role.STARTING
        self._current_at = self._clock.monotonic()

    def active(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        """All loops of the bridge run."""
        self._tasks, self.role = tasks, Role.ACTIVE

    async def run(self) -> None:
        """Look every few seconds, for ever, and say in the log what begins and ends."""
        looks = 0
        while True:
            await self.look(writing=looks % WRITE_EVERY_LOOKS == 0)
            looks += 1
            slept_at = self._ticked = self._clock.monotonic()
            await self._clock.sleep(LOOK_EVERY_S)
            self._ticked = self._clock.monotonic()
            self._delay_s = max(0.0, self._ticked - slept_at - LOOK_EVERY_S)

    async def look(self, *, writing: bool) -> Observed:
        """Ask every part now; an answer younger than a second is used again."""
        async with self._asking:
            if self._parts is not None and self._clock.monotonic() - self._asked_at > _REUSED_FOR_S:
                try:
                    await self._ask(self._parts, writing=writing)
                except Exception:  # noqa: BLE001  # one turn of a loop: who watches may not end what is watched
                    _log.exception("watch.fault")
                    self.counters.faults += 1
                self._asked_at = self._clock.monotonic()
        seen = self.observed()
        self._say(seen)
        return seen

    def observed(self) -> Observed:
        """What is known without asking anybody: numbers of this moment, and the answers of the last look."""
        now, parts = self._clock.monotonic(), self._parts
        seen = replace(
            self._asked,
            role=self.role,
            loop_delay_s=max(self._delay_s, now - self._ticked - LOOK_EVERY_S - QUESTION_TIMEOUT_S, 0.0),
            ended_tasks=tuple(task.get_name() for task in self._tasks if task.done()),
        )
        if parts is None:
            return seen
        window, subscribed = parts.session.window, parts.session.subscribed
        self._unsubscribed_since = None if subscribed else self._unsubscribed_since or now
        summary = self._lanes
        oldest = window.oldest
        arrived = self.counters.times.arrivals.of(oldest) if oldest is not None else None
        away = [self._store.away_since] if self._store and self._store.away_since is not None else []
        return replace(
            seen,
            received=window.received,
            settled=window.settled,
            dropped=window.dropped,
            in_window=len(window),
            window_limit=self._settings.receive_maximum,
            oldest_in_window_s=_ago(arrived, now),
            subscribed=subscribed,
            broker_away_s=_ago(self._unsubscribed_since, now),
            lanes=summary,
            spool=replace(seen.spool, lines=summary.spooled),
            oldest_in_lanes_s=_ago(summary.oldest_since, now),
            parked_longest_s=_ago(min(self._parked_since.values(), default=None), now),
            servers_parked=len(self._servers_since),
            store_away_s=_ago(min([*away, *self._servers_since.values()], default=None), now),
            database_away_s=_ago(self._database_since, now),
            registry_version=parts.registry.directory.version,
            registry_age_s=_ago(self._current_at, now),
            broker=parts.broker.now(len(parts.registry.directory)),
            broker_rules=parts.check.rules,
            broker_lost=parts.broker.lost,
            broker_lost_s=_ago(parts.broker.lost_at, now),
        )

    async def _count_lanes(self, writer: Writer) -> None:
        """All lanes, and since when each lane and server that is parked has been seen so. After an outage of a fleet
        that takes a tenth of a second, so messages have their turn in between.
        """
        lanes: list[LaneLike] = list(writer.lanes)
        counts: list[LanesNow] = []
        parked: dict[UUID, float] = {}
        for first in range(0, len(lanes), _LANES_AT_ONCE):
            some = lanes[first : first + _LANES_AT_ONCE]
            counts.append(lanes_now(some))
            now = self._clock.monotonic()
            parked |= {one: self._parked_since.get(one, now) for one in _parked(some)}
            await asyncio.sleep(0)
        now = self._clock.monotonic()
        self._lanes, self._parked_since = combined(counts), parked
        silent = (server.name for server in writer.servers if server.parked)
        self._servers_since = {one: self._servers_since.get(one, now) for one in silent}

    async def _ask(self, parts: Watched, *, writing: bool) -> None:
        settings = self._settings
        await self._count_lanes(parts.writer)
        spool, spool_fault = await _answer(
            parts.spool.run(lambda file: spool_state(file, self._clock.now(), writing=writing))
        )
        version, database_fault = await _answer(_newest_version(parts.sessions))
        usage, _ = await _answer(asyncio.to_thread(shutil.disk_usage, settings.data_dir))
        now = self._clock.monotonic()
        self._database_since = (self._database_since or now) if database_fault else None
        if version == parts.registry.directory.version:
            self._current_at = now
        self._asked = replace(
            self._asked,
            spool=replace(spool or self._asked.spool, limit_bytes=settings.spool_max_bytes),
            spool_fault=spool_fault,
            database_fault=database_fault,
            live_fault=self._live_fault(),
            disk_free_bytes=usage.free if usage else self._asked.disk_free_bytes,
            disk_floor_bytes=settings.disk_floor_bytes,
        )

    def _live_fault(self) -> str:
        """The live rows are written all the time: whether that fails shows in the counts."""
        failures, written = self._live_counts
        counters = self.counters
        self._live_counts = (counters.live_failures, counters.live_rows_written)
        if counters.live_failures > failures:
            return "the live rows cannot be written"
        return "" if counters.live_rows_written > written else self._asked.live_fault

    def _say(self, seen: Observed) -> None:
        for change in self.alarms.look(seen, self._clock.monotonic()):
            event = "alarm.began" if change.begins else "alarm.ended"
            say = getattr(_log, change.level)
            say(event, alarm=change.name, detail=change.detail, lasted_s=round(change.lasted_s, 1))


def _parked(lanes: Iterable[LaneLike]) -> Iterator[UUID]:
    return (lane.inverter_id for lane in lanes if lane.parked)


async def _newest_version(sessions: Sessions) -> int:
    async with reading(sessions) as session:
        return await registry_version(session)


async def _answer(question: Awaitable[AnswerT]) -> tuple[AnswerT | None, str]:
    """The answer, or in a few words why there is none."""
    try:
        async with asyncio.timeout(QUESTION_TIMEOUT_S):
            return await question, ""
    except TimeoutError:
        return None, f"no answer within {QUESTION_TIMEOUT_S:.0f} s"
    except SpoolUnavailable as fault:
        return None, str(fault)
    except (OSError, SQLAlchemyError) as fault:
        return None, type(fault).__name__


def _ago(moment: float | None, now: float) -> float | None:
    return None if moment is None else max(0.0, now - moment)
