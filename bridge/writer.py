"""Lines to the store (DESIGN 4.2): each inverter's have a lane, each lane's server has workers of its own.

One request at a time for each inverter, so many in all for each server; what waits together goes together, and nothing
waits while the store is idle. Fresh lines go first, kept ones are replayed when a lane is otherwise idle.
"""

import asyncio
from collections.abc import Collection, Sequence
from uuid import UUID

import structlog

from bridge.batch import Parcel, together
from bridge.beyond import Beyond
from bridge.clock import Clock
from bridge.counters import Counters
from bridge.keeper import Keeper
from bridge.kept import Spool
from bridge.lanes import LONGEST_PAUSE_S, Lane, Limits
from bridge.ports import Live, Registry
from bridge.replay import Replay
from bridge.sender import Sender
from bridge.server import Server
from bridge.shelf import Shelf
from schema.timeseries.port import Destination, PointWriter

_log = structlog.get_logger(__name__)

SWEEP_S = 0.1
LOOK_FOR_DELETED_S = 60.0
_LOOKED_AT = 32


class Writer:
    """All lanes and servers, and the workers that serve them."""

    def __init__(
        self,
        *,
        store: PointWriter,
        registry: Registry,
        keeper: Keeper,
        spool: Spool,
        live: Live,
        counters: Counters,
        clock: Clock,
        limits: Limits,
    ) -> None:
        self._registry = registry
        self._keeper = keeper
        self._spool = spool
        self._counters = counters
        self._clock = clock
        self._limits = limits
        self._lanes: dict[UUID, Lane] = {}
        self._active: dict[Lane, None] = {}
        self._servers: dict[str, Server] = {}
        self._hired: asyncio.Queue[Server] = asyncio.Queue()
        self.beyond = Beyond(keeper, live, counters)
        self._shelf = Shelf(
            keeper=keeper,
            beyond=self.beyond,
            counters=counters,
            clock=clock,
            version=lambda: registry.directory.version,
            speaks=self._speaks,
            share_bytes=limits.share_bytes,
        )
        self._sender = Sender(
            store=store, registry=registry, shelf=self._shelf, counters=counters, clock=clock, limits=limits
        )
        self._replay = Replay(
            spool=spool,
            registry=registry,
            keeper=keeper,
            shelf=self._shelf,
            sender=self._sender,
            clock=clock,
            limits=limits,
        )

    async def start(self) -> None:
        """Learn what the spool holds from before."""
        for inverter_id, (lines, size) in (await self._spool.holdings()).items():
            lane = self._lane(inverter_id)
            lane.spooled, lane.weight = lines, size
            self._replay.rest(lane)

    def add(self, parcels: Sequence[Parcel]) -> None:
        """Take lines in; they go at once where their lane is free."""
        directory = self._registry.directory
        for parcel in parcels:
            lane = self._lane(parcel.inverter_id)
            destination = directory.destination(parcel.inverter_id)
            if destination is None or lane.parked or lane.slow or (server := self._server(destination)).parked:
                self._keep(lane, (parcel,))
                continue
            lane.waiting.append(parcel)
            self._active[lane] = None
            if not lane.queued and not lane.busy:
                self._enqueue(server, lane, destination)

    def spooled(self, inverter_id: UUID, lines: int, size: int) -> None:
        """The spool has got these lines from elsewhere: they wait for their turn like others."""
        lane = self._lane(inverter_id)
        lane.spooled += lines
        lane.weight += size
        self._replay.rest(lane)

    def spool_lines(self, parcels: Sequence[Parcel]) -> None:
        """Keep lines without trying the store: what belongs to them could not be asked for."""
        for parcel in parcels:
            self._keep(self._lane(parcel.inverter_id), (parcel,))

    async def work(self) -> None:
        """Let workers begin as they are needed, for ever."""
        async with asyncio.TaskGroup() as group:
            while True:
                server = await self._hired.get()
                group.create_task(self._work(server), name="bridge.writer.worker")

    async def sweep(self) -> None:
        """Look after what waits too long and what may be tried again, for ever."""
        look_for_deleted_at = self._clock.monotonic() + LOOK_FOR_DELETED_S
        while True:
            await self._clock.sleep(SWEEP_S)
            self.look_after()
            if self._clock.monotonic() >= look_for_deleted_at:
                await self._replay.drop_deleted()
                look_for_deleted_at = self._clock.monotonic() + LOOK_FOR_DELETED_S

    def look_after(self) -> None:
        """One round of ``sweep``."""
        now = self._clock.monotonic()
        for lane in list(self._active):
            if lane.overdue(now, self._limits.hold_s):
                self._overdue(lane, now)
            if not (lane.waiting or lane.busy or lane.queued):
                del self._active[lane]
                self._forget_idle(lane)
        for lane in self._replay.look_after(self._server, self._start_replay):
            self._forget_idle(lane)

    @property
    def lanes(self) -> Collection[Lane]:
        """Every lane that has anything waiting, under way or kept, or is parked."""
        return self._lanes.values()

    @property
    def servers(self) -> Collection[Server]:
        """Every server that was written to."""
        return self._servers.values()

    @property
    def pending(self) -> bool:
        """Whether a line waits or is under way."""
        return any(lane.waiting or lane.flight for lane in self._active)

    def keep_all(self) -> None:
        """Hand everything that still waits to the spool: the bridge stops."""
        for lane in list(self._active):
            self._sender.keep(lane)

    def _lane(self, inverter_id: UUID) -> Lane:
        lane = self._lanes.get(inverter_id)
        if lane is None:
            lane = self._lanes[inverter_id] = Lane(inverter_id)
        return lane

    def _server(self, destination: Destination) -> Server:
        server = self._servers.get(destination.server)
        if server is None:
            server = self._servers[destination.server] = Server(destination.server)
        return server

    def _keep(self, lane: Lane, parcels: Sequence[Parcel]) -> None:
        self._shelf.put_all(lane, parcels)
        self._replay.rest(lane)

    def _overdue(self, lane: Lane, now: float) -> None:
        """Keep what has waited for too long. A server that has answered nobody meanwhile is left alone as a whole."""
        lane.slow = lane.busy
        destination = self._registry.directory.destination(lane.inverter_id)
        if destination is not None and lane.busy and now - lane.began >= self._limits.hold_s:
            self._sender.silent(self._server(destination), lane)
        self._sender.keep(lane)
        self._replay.rest(lane)

    def _forget_idle(self, lane: Lane) -> None:
        """A lane that has nothing left is forgotten: there may be a hundred thousand."""
        if lane.idle and not lane.resting and lane not in self._active:
            self._lanes.pop(lane.inverter_id, None)

    def _enqueue(self, server: Server, lane: Lane, destination: Destination) -> None:
        """It is the lane's turn when its owner's is; a worker that has nothing to do is woken, or one more begins."""
        lane.queued, lane.server = True, server.name
        server.push(lane, destination.owner_id)
        if not server.wake() and server.workers < self._limits.workers:
            server.workers += 1
            self._hired.put_nowait(server)

    def _start_replay(self, lane: Lane, destination: Destination) -> None:
        self._active[lane] = None
        if not (lane.queued or lane.busy):
            self._enqueue(self._server(destination), lane, destination)

    async def _work(self, server: Server) -> None:
        """One worker, for ever."""
        while True:
            lane = server.pop()
            if lane is None:
                woken = asyncio.get_running_loop().create_future()
                server.idle.append(woken)
                await woken
                continue
            lane.queued, lane.busy = False, True
            try:
                await self._serve(lane)
            except Exception:  # noqa: BLE001  # one turn of a loop: the lines are kept, the other lanes go on
                _log.exception("writer.fault", inverter_id=str(lane.inverter_id))
                self._counters.faults += 1
                self._sender.park(lane, LONGEST_PAUSE_S, self._registry.directory.destination(lane.inverter_id))
            finally:
                self._served(server, lane)

    async def _serve(self, lane: Lane) -> None:
        """Fresh lines first, then, where it is the lane's turn, kept ones."""
        fresh = together(lane.waiting, lambda parcel: self._wanted(lane, parcel), lane.most_lines)
        destination = self._registry.directory.destination(lane.inverter_id)
        if destination is None:
            self._keep(lane, fresh)
            return
        server = self._server(destination)
        if server.parked and server.probe is not lane:
            self._keep(lane, fresh)
            return
        if fresh:
            lane.flight = fresh
            await self._sender.write(server, lane, destination, fresh)
            lane.flight = ()
            if lane.parked or server.parked:
                return
        if lane.replaying:
            await self._replay.turn(server, lane, destination)

    def _speaks(self, login: str, selector: str, inverter_id: UUID) -> bool:
        return self._registry.directory.speaks(login, selector, inverter_id)

    def _wanted(self, lane: Lane, parcel: Parcel) -> bool:
        return self._keeper.alive(parcel.tokens) and not self._shelf.withdrawn(lane, parcel)

    def _served(self, server: Server, lane: Lane) -> None:
        lane.flight = ()
        lane.slow = lane.busy = False
        lane.server = ""
        if server.probe is lane:
            server.probe = None
        if lane.spooled or lane.landing or lane.parked:
            self._replay.rest(lane)
        if lane.waiting and not lane.queued:
            destination = self._registry.directory.destination(lane.inverter_id)
            if destination is None:
                self._sender.keep(lane)
                self._replay.rest(lane)
            else:
                self._enqueue(self._server(destination), lane, destination)
        if lane.replaying:
            lane.replaying = False
            server.replays -= 1
            # The next one now, not with the next sweep: many lanes may have a few lines each.
            for idle in self._replay.look_after(self._server, self._start_replay, most=_LOOKED_AT):
                self._forget_idle(idle)
