"""Lines to the store, and what each answer means (DESIGN 4.2): acknowledge, keep, halve, dead-letter or park.

One request at a time for each inverter, so many in all; what waits together goes together, and nothing waits while the
store is idle. Fresh lines go first, kept ones are replayed when a lane is otherwise idle.
"""

import asyncio
from collections.abc import Callable, Sequence
from uuid import UUID

import structlog

from bridge.batch import Parcel, together
from bridge.clock import Clock
from bridge.counters import Counters
from bridge.keeper import Keeper, Outcome
from bridge.lanes import LONGEST_PAUSE_S, Lane, Limits, pause
from bridge.ports import Letter, Line, Registry, Spool, SpoolUnavailable
from bridge.refusals import Reason, sentence
from schema.timeseries.port import (
    BatchTooLarge,
    Destination,
    PointsRefused,
    PointWriter,
    StoreMisconfigured,
    StoreUnavailable,
)

_log = structlog.get_logger(__name__)

SWEEP_S = 0.1
_PROBE_LINES = 200
_REPLAY_LINES = 2_000
_REPLAY_BYTES = 500_000
_SHORTEST_REPLAY_PAUSE_S = 0.05
_LONGEST_LINE_KEPT = 4_096


class Writer:
    """All lanes, and the workers that serve them."""

    def __init__(
        self,
        *,
        store: PointWriter,
        registry: Registry,
        keeper: Keeper,
        spool: Spool,
        counters: Counters,
        clock: Clock,
        limits: Limits,
    ) -> None:
        self._store = store
        self._registry = registry
        self._keeper = keeper
        self._spool = spool
        self._counters = counters
        self._clock = clock
        self._limits = limits
        self._lanes: dict[UUID, Lane] = {}
        self._busy: set[Lane] = set()
        self._queue: asyncio.Queue[Lane] = asyncio.Queue()
        self._replays = 0

    async def start(self) -> None:
        """Learn what the spool holds from before."""
        for inverter_id, count in (await self._spool.backlog()).items():
            self._lane(inverter_id).spooled = count

    def add(self, parcels: Sequence[Parcel]) -> None:
        """Take lines in; they go at once where their lane is free."""
        for parcel in parcels:
            lane = self._lane(parcel.inverter_id)
            if lane.parked or lane.slow or self._destination(lane) is None:
                self._keep(lane, [parcel])
                continue
            lane.waiting.append(parcel)
            if not lane.queued and not lane.flight:
                self._enqueue(lane)

    def spool_lines(self, parcels: Sequence[Parcel]) -> None:
        """Keep lines without trying the store: what belongs to them could not be asked for."""
        for parcel in parcels:
            self._keep(self._lane(parcel.inverter_id), [parcel])

    async def work(self) -> None:
        """One worker, for ever."""
        while True:
            lane = await self._queue.get()
            lane.queued = False
            try:
                await self._serve(lane)
            except Exception:  # noqa: BLE001  # one turn of a loop: the lines are kept, the other lanes go on
                _log.exception("writer.fault", inverter_id=str(lane.inverter_id))
                self._counters.faults += 1
                self._park(lane, LONGEST_PAUSE_S, self._destination(lane))
            finally:
                lane.flight = []
                lane.slow = False
                self._replays -= lane.replaying
                lane.replaying = False
            if lane.waiting and not lane.queued:
                self._enqueue(lane)

    async def sweep(self) -> None:
        """Look after what waits too long and what may be tried again, for ever."""
        while True:
            await self._clock.sleep(SWEEP_S)
            self.look_after()

    def look_after(self) -> None:
        """One round of ``sweep``."""
        now = self._clock.monotonic()
        for lane in list(self._busy):
            if lane.overdue(now, self._limits.hold_s):
                lane.slow = bool(lane.flight)
                self._keep(lane, [*lane.flight, *lane.waiting])
                lane.waiting.clear()
            if lane.idle and not lane.queued:
                self._busy.discard(lane)
            elif not lane.queued and not lane.flight and not lane.waiting:
                self._consider_replay(lane, now)

    @property
    def pending(self) -> bool:
        """Whether a line waits or is under way."""
        return any(lane.waiting or lane.flight for lane in self._busy)

    def keep_all(self) -> None:
        """Hand everything that still waits to the spool: the bridge stops."""
        for lane in self._busy:
            self._keep(lane, [*lane.flight, *lane.waiting])
            lane.waiting.clear()

    def _lane(self, inverter_id: UUID) -> Lane:
        lane = self._lanes.get(inverter_id)
        if lane is None:
            lane = self._lanes[inverter_id] = Lane(inverter_id)
        self._busy.add(lane)
        return lane

    def _destination(self, lane: Lane) -> Destination | None:
        return self._registry.directory.destination(lane.inverter_id)

    def _enqueue(self, lane: Lane) -> None:
        lane.queued = True
        self._queue.put_nowait(lane)

    def _consider_replay(self, lane: Lane, now: float) -> None:
        """Probes and replays take a quarter of the workers at most: the others are for fresh lines."""
        destination = self._destination(lane)
        if destination is None or self._replays >= max(1, self._limits.workers // 4):
            return
        if lane.may_probe(now, destination) if lane.parked else lane.spooled and now >= lane.replay_at:
            lane.replaying = True
            self._replays += 1
            self._enqueue(lane)

    async def _serve(self, lane: Lane) -> None:
        """Fresh lines first; where there are none, kept ones."""
        destination = self._destination(lane)
        fresh = together(lane.waiting, lambda parcel: self._keeper.alive(parcel.tokens))
        if destination is None:
            self._keep(lane, fresh)
        elif fresh:
            lane.flight = fresh
            await self._write(lane, destination, fresh)
        else:
            await self._replay(lane, destination)

    async def _replay(self, lane: Lane, destination: Destination) -> None:
        """Oldest first, one batch, then a pause as long as it took: fresh data keeps half of the store's time."""
        started = self._clock.monotonic()
        try:
            most = _PROBE_LINES if lane.parked else _REPLAY_LINES
            kept = await self._spool.oldest_lines(lane.inverter_id, lines=most, size=_REPLAY_BYTES)
            parcels = [
                Parcel(inverter_id=lane.inverter_id, line=line, tokens=[], since=started, record=record)
                for record, line in kept
                if not self._keeper.forgotten(record)
            ]
            if parcels:
                await self._write(lane, destination, parcels)
            elif not kept:
                # Nothing to probe with: the next fresh line is the probe.
                lane.spooled = 0
                lane.parked = False
        except SpoolUnavailable as fault:
            _log.error("spool.unreadable", detail=str(fault))
            lane.replay_at = started + LONGEST_PAUSE_S
            return
        now = self._clock.monotonic()
        lane.replay_at = now + max(now - started, _SHORTEST_REPLAY_PAUSE_S)

    async def _write(self, lane: Lane, destination: Destination, parcels: Sequence[Parcel]) -> None:
        self._counters.requests += 1
        try:
            await self._store.write(destination, [parcel.line for parcel in parcels])
        except StoreUnavailable as fault:
            self._failed(lane, destination, parcels, fault, wish_s=fault.retry_after_s, longest_s=self._limits.probe_s)
        except StoreMisconfigured as fault:
            _log.error("store.misconfigured", inverter_id=str(lane.inverter_id), status=fault.status)
            if lane.failed_destination != destination:
                self._registry.refetch()
            self._failed(lane, destination, parcels, fault, wish_s=LONGEST_PAUSE_S, longest_s=LONGEST_PAUSE_S)
        except (BatchTooLarge, PointsRefused) as fault:
            if len(parcels) == 1:
                self._refuse(lane, parcels[0], str(fault))
                return
            for half in (parcels[: len(parcels) // 2], parcels[len(parcels) // 2 :]):
                if lane.parked and lane.failed_destination == destination and lane.retry_at > self._clock.monotonic():
                    self._keep(lane, half)
                else:
                    await self._write(lane, destination, half)
        else:
            self._written(lane, parcels)

    def _failed(
        self,
        lane: Lane,
        destination: Destination,
        parcels: Sequence[Parcel],
        fault: Exception,
        *,
        wish_s: float | None,
        longest_s: float,
    ) -> None:
        self._counters.request_failures += 1
        if not lane.parked:
            _log.warning("destination.parked", inverter_id=str(lane.inverter_id), detail=str(fault))
        self._keep(lane, parcels)
        seconds = pause(lane.failures, longest_s=longest_s, wish_s=wish_s, dice=self._clock.dice())
        self._park(lane, seconds, destination)

    def _park(self, lane: Lane, seconds: float, destination: Destination | None) -> None:
        self._keep(lane, [*lane.flight, *lane.waiting])
        lane.waiting.clear()
        lane.park(self._clock.monotonic(), seconds, destination)

    def _written(self, lane: Lane, parcels: Sequence[Parcel]) -> None:
        if lane.parked:
            _log.info("destination.back", inverter_id=str(lane.inverter_id), kept=lane.spooled)
        lane.succeeded()
        settled: list[int] = []
        records: list[int] = []
        for parcel in parcels:
            parcel.written = True
            if not parcel.kept:
                settled.extend(parcel.tokens)
            elif parcel.record:
                records.append(parcel.record)
        self._counters.lines_written += len(parcels)
        self._keeper.settle(settled, Outcome.WRITTEN)
        self._forget(lane, records)

    def _forget(self, lane: Lane, records: Sequence[int]) -> None:
        if records:
            lane.spooled = max(0, lane.spooled - len(records))
            self._counters.lines_replayed += len(records)
            self._keeper.forget(records)

    def _keep(self, lane: Lane, parcels: Sequence[Parcel]) -> None:
        """Hand lines to the spool, once each; the spool settles their messages."""
        for parcel in parcels:
            if parcel.kept:
                continue
            parcel.kept = True
            line = Line(
                inverter_id=parcel.inverter_id,
                registry_version=self._registry.directory.version,
                received_at=self._clock.now(),
                line=parcel.line,
            )
            self._keeper.keep(line, parcel.tokens, then=self._kept(lane, parcel))

    def _kept(self, lane: Lane, parcel: Parcel) -> Callable[[int], None]:
        def then(record: int) -> None:
            parcel.record = record
            lane.spooled += 1
            self._busy.add(lane)
            if parcel.written:
                self._forget(lane, [record])

        return then

    def _refuse(self, lane: Lane, parcel: Parcel, detail: str) -> None:
        """The one line the store will never take becomes a dead letter; its spool record goes when that is durable."""
        self._counters.refusals[Reason.STORE_REFUSED] += 1
        letter = Letter(
            login=parcel.login,
            inverter_id=parcel.inverter_id,
            topic=parcel.topic,
            payload=parcel.line[:_LONGEST_LINE_KEPT],
            reason=Reason.STORE_REFUSED,
            detail=sentence(Reason.STORE_REFUSED, detail),
            at=self._clock.now(),
        )
        tokens = [] if parcel.kept else parcel.tokens
        parcel.kept, parcel.written = True, True
        self._keeper.keep(letter, tokens, then=lambda _: self._forget(lane, [parcel.record] if parcel.record else []))
