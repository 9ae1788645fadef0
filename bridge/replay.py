"""When a lane at rest may send what the spool keeps for it, and what of it goes: oldest first, after all fresh lines.

Replays and probes take a quarter of a server's requests at most and each lane half of its time: the rest is for fresh
lines. A parked server is given one probe at a time. Lines of a deleted inverter are dropped and counted.
"""

from collections import deque
from collections.abc import Callable

import structlog

from bridge.batch import MAX_LINES, Parcel
from bridge.clock import Clock
from bridge.keeper import Keeper
from bridge.kept import Spool, SpoolUnavailable, Tally
from bridge.lanes import LONGEST_PAUSE_S, Lane, Limits
from bridge.ports import Registry, RegistryUnavailable
from bridge.refusals import Reason, sentence
from bridge.seldom import Seldom
from bridge.sender import Sender
from bridge.server import Server
from bridge.shelf import Shelf
from schema.timeseries.port import Destination

_log = structlog.get_logger(__name__)

PROBE_LINES = 200
REPLAY_LINES = 2_000
REPLAY_BYTES = 500_000
SHORTEST_PAUSE_S = 0.05
# Of ten thousand lanes at rest not all are looked at ten times a second.
_LOOKED_AT = 500
# An inverter without a place has perhaps only been moved: nobody is asked about it before this.
ABSENT_FOR_S = 60.0
_DROPPED_AT_ONCE = 5_000


class Replay:
    """The lanes at rest, in turn."""

    def __init__(
        self,
        *,
        spool: Spool,
        registry: Registry,
        keeper: Keeper,
        shelf: Shelf,
        sender: Sender,
        clock: Clock,
        limits: Limits,
    ) -> None:
        self._spool = spool
        self._registry = registry
        self._keeper = keeper
        self._shelf = shelf
        self._sender = sender
        self._clock = clock
        self._most_at_once = max(1, limits.workers // 4)
        self._resting: deque[Lane] = deque()
        self._trouble = Seldom(clock.monotonic)

    def rest(self, lane: Lane) -> None:
        """The lane has something on the disk or is parked: look after it from now on."""
        if not lane.resting:
            lane.resting = True
            self._resting.append(lane)

    def look_after(
        self,
        server_of: Callable[[Destination], Server],
        start: Callable[[Lane, Destination], None],
        most: int = _LOOKED_AT,
    ) -> list[Lane]:
        """Start what may be tried now, of ``most`` lanes in turn; the lanes that need not be looked after any more."""
        now = self._clock.monotonic()
        done: list[Lane] = []
        for _ in range(min(len(self._resting), most)):
            lane = self._resting.popleft()
            if not (lane.spooled or lane.landing or lane.parked):
                lane.resting = False
                done.append(lane)
                continue
            self._resting.append(lane)
            if lane.replaying:
                continue
            destination = self._registry.directory.destination(lane.inverter_id)
            if destination is None:
                lane.absent_since = now if lane.absent_since is None else lane.absent_since
                continue
            lane.absent_since = None
            if lane.server not in ("", destination.server):
                # Moved while it waits at the old server: a turn there must not be counted at the new one.
                continue
            server = server_of(destination)
            if server.replays < self._most_at_once and self._may_go(lane, server, destination, now):
                server.replays += 1
                lane.replaying = True
                start(lane, destination)
        return done

    def _may_go(self, lane: Lane, server: Server, destination: Destination, now: float) -> bool:
        """A lane that is busy with fresh lines is not passed over: its kept ones go after the next of them."""
        if now < lane.replay_at:
            return False
        if server.parked:
            if not lane.spooled or not server.may_probe(now):
                return False
            server.probe = lane
            return True
        return lane.may_probe(now, destination) if lane.parked else bool(lane.spooled)

    async def turn(self, server: Server, lane: Lane, destination: Destination) -> None:
        """One batch, oldest first, then a pause as long as it took; whatever is parked has a pause of its own."""
        started = self._clock.monotonic()
        most = min(PROBE_LINES if lane.parked or server.parked else REPLAY_LINES, lane.most_lines)
        try:
            kept = await self._spool.oldest_lines(lane.inverter_id, lines=most + lane.leaving, size=REPLAY_BYTES)
        except SpoolUnavailable as fault:
            if self._trouble.due():
                _log.error("spool.unreadable", detail=str(fault))
            lane.replay_at = started + LONGEST_PAUSE_S
            return
        self._trouble.over()
        parcels = [
            Parcel(
                inverter_id=lane.inverter_id,
                line=one.line,
                tokens=[],
                login=one.topic[5:15],
                topic=one.topic,
                since=started,
                record=one.record,
            )
            for one in kept
            if not self._keeper.forgotten(one.record)
        ][:most]
        if parcels:
            await self._sender.write(server, lane, destination, parcels)
        elif not kept and not lane.landing:
            # Nothing to probe with: the next fresh line is the probe.
            self._shelf.dropped(lane, lane.spooled)
            lane.parked = False
        now = self._clock.monotonic()
        took = 0.0 if lane.parked or server.parked else now - started
        lane.replay_at = now + max(took, SHORTEST_PAUSE_S)

    async def drop_deleted(self) -> None:
        """Lines of inverters that nobody can bring back any more are dropped, durably counted. Only the database's own
        word counts: while it is away, nothing is dropped.
        """
        now = self._clock.monotonic()
        absent = [
            lane
            for lane in self._resting
            if lane.absent_since is not None and now - lane.absent_since >= ABSENT_FOR_S and not lane.landing
        ][:MAX_LINES]
        if not absent:
            return
        try:
            gone = await self._registry.gone({lane.inverter_id for lane in absent})
        except RegistryUnavailable:
            return
        for lane in absent:
            if lane.inverter_id in gone:
                await self._drop(lane)

    async def _drop(self, lane: Lane) -> None:
        detail = sentence(Reason.INVERTER_DELETED)
        tally = Tally("", lane.inverter_id, Reason.INVERTER_DELETED, detail, 0, self._clock.now())
        lines = dropped = 0
        try:
            while lines := await self._spool.drop_lines(lane.inverter_id, tally, _DROPPED_AT_ONCE):
                dropped += lines
        except SpoolUnavailable as fault:
            if self._trouble.due():
                _log.error("spool.unavailable", detail=str(fault))
            return
        self._shelf.dropped(lane, lane.spooled)
        lane.parked = False
        lane.absent_since = None
        _log.warning("lines.dropped", inverter_id=str(lane.inverter_id), lines=dropped, reason="inverter_deleted")
