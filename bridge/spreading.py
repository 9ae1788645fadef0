"""Keeps the untimed messages of a backlog, and turns them into readings spread over the outage once it is over.

Source by source, cycle by cycle, oldest first: what a cycle became takes the place of its messages in one transaction
of the spool, from where the writer's lanes replay it beside fresh data. So a crash at any point goes on where it was,
with the same times. What the registry must be asked about waits while the database is away; the others go on.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from itertools import groupby
from uuid import UUID

import structlog

from bridge.backlog import LONGEST_CYCLE, Backlog, time_of
from bridge.batch import Parcel
from bridge.clock import Clock
from bridge.counters import Counters
from bridge.decisions import Claimed, Decisions, letter
from bridge.decoded import Refused
from bridge.identify import Admitted, admit, needs_claim
from bridge.keeper import Keeper
from bridge.kept import KeptBacklog, KeptUntimed, Line, Outage, SpoolUnavailable, Untimed
from bridge.pipeline import Pipeline
from bridge.ports import Delivery, Registry, RegistryUnavailable
from bridge.refusals import Reason, sentence

_log = structlog.get_logger(__name__)

RETRY_S = 10.0
_SOURCES_AT_ONCE = 16
# One whole cycle fits always.
_MESSAGES_AT_ONCE = LONGEST_CYCLE + 100
# A feed's activation, its device and its alias.
_MOST_CLAIMS = 3


class Spreading:
    """The way of untimed messages, from the pipeline to the lanes. ``spooled`` is told of an inverter's new lines in
    the spool: how many, and their bytes.
    """

    def __init__(
        self,
        *,
        backlog: Backlog,
        kept: KeptBacklog,
        keeper: Keeper,
        pipeline: Pipeline,
        registry: Registry,
        spooled: Callable[[UUID, int, int], None],
        counters: Counters,
        clock: Clock,
    ) -> None:
        self._backlog = backlog
        self._kept = kept
        self._keeper = keeper
        self._pipeline = pipeline
        self._registry = registry
        self._spooled = spooled
        self._counters = counters
        self._clock = clock
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._working = False

    def keep(self, entries: Sequence[tuple[Untimed | Outage, list[int]]]) -> None:
        """Keep what the pipeline has set aside, in this order."""
        for entry, tokens in entries:
            self._keeper.keep(entry, tokens, then=partial(self._on_disk, entry))

    def heard(self, at: datetime) -> None:
        """A message came that had not waited."""
        self._backlog.heard(at)

    def marker(self) -> None:
        """No more of the backlog follows, and all of it has been decided. The outage is closed behind its messages."""
        closed = self._backlog.marker(self._clock.now())
        if closed is not None:
            self.keep([(closed, [])])

    def _on_disk(self, entry: Untimed | Outage, record: int) -> None:
        """Called with 0 where it was dropped, for it comes again."""
        outage = entry if isinstance(entry, Outage) else entry.outage
        if record and isinstance(entry, Untimed):
            self._backlog.kept(entry)
        if not outage.open:
            self._wanted.set()

    @property
    def busy(self) -> bool:
        """Whether something is being spread, or is about to be."""
        return self._working or self._wanted.is_set()

    async def run(self) -> None:
        """Spread, for ever."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            self._working = True
            try:
                done = await self._round()
            except SpoolUnavailable as fault:
                _log.error("spool.unreadable", detail=str(fault))
                done = False
            finally:
                self._working = False
            if not done:
                await self._clock.sleep(RETRY_S)
                self._wanted.set()

    async def _round(self) -> bool:
        """Every closed outage once; whether nothing is left."""
        done = True
        for outage in await self._kept.closed():
            after = ""
            while page := await self._kept.sources(outage.epoch, after, _SOURCES_AT_ONCE):
                turns = [self._turn(outage, source, total) for source, total in page]
                # To the end, all of them: one that still waits would be taken up a second time beside itself.
                for fault in await asyncio.gather(*turns, return_exceptions=True):
                    if fault is not None:
                        raise fault
                after = page[-1][0]
            if await self._kept.finish(outage.epoch):
                _log.info("backlog.spread", since=str(outage.since), until=str(outage.until))
            else:
                done = False
        return done

    async def _turn(self, outage: Outage, source: str, total: int) -> None:
        try:
            await self._source(outage, source, total)
        except RegistryUnavailable as fault:
            _log.warning("backlog.postponed", detail=str(fault))
        except SpoolUnavailable:
            raise
        except Exception:  # noqa: BLE001  # one turn of a loop: this source is tried again, the others go on
            _log.exception("backlog.fault", source=source)
            self._counters.faults += 1

    async def _source(self, outage: Outage, source: str, total: int) -> None:
        """All cycles of one source; the first one alone, for it may have to claim the feed."""
        first = True
        while messages := await self._kept.oldest(outage.epoch, source, _MESSAGES_AT_ONCE):
            cycles = _whole_cycles(messages)[: 1 if first else None]
            first = False
            timed = [(time_of(outage, cycle[0].cycle, total), cycle) for cycle in cycles]
            out = self._decided(timed)
            if out.strangers:
                await self._registry.look_up({delivery.topic.split("/", 2)[1] for delivery in out.strangers})
                out = self._decided(timed)
            for _ in range(_MOST_CLAIMS):
                if out.claims:
                    await self._claim(out.claims[0])
                    out = self._decided(timed)
            await self._keep([message.record for cycle in cycles for message in cycle], out)

    def _decided(self, timed: Iterable[tuple[datetime, Sequence[KeptUntimed]]]) -> Decisions:
        out = Decisions()
        for at, cycle in timed:
            deliveries = [Delivery(0, one.topic, one.payload, one.received_at, backlog=True) for one in cycle]
            try:
                self._pipeline.spread(deliveries, at, out)
            except Exception:  # noqa: BLE001  # one turn of a loop: this cycle becomes dead letters, the others go on
                _log.exception("backlog.cycle_fault", topic=deliveries[0].topic)
                self._counters.faults += 1
                for delivery in deliveries:
                    self._pipeline.poisoned(delivery, out, [])
        return out

    async def _claim(self, claimed: Claimed) -> None:
        """Let the registry know of a feed's first reading or device. Raises ``RegistryUnavailable``."""
        entry = self._registry.directory.login(claimed.parcel.login)
        route = entry.routes.get(claimed.parcel.selector) if entry else None
        admitted = admit(route, device=claimed.device, serial=claimed.serial) if route else None
        if route is not None and isinstance(admitted, Admitted) and needs_claim(route, admitted):
            await self._registry.claim(route, device_key=admitted.device_key, alias=admitted.alias)

    async def _keep(self, records: Sequence[int], out: Decisions) -> None:
        """Put lines and dead letters in the place of their messages, and tell whoever replays the lines."""
        parcels = out.parcels + [claimed.parcel for claimed in out.claims]
        unknown = Refused(Reason.UNKNOWN_LOGIN, sentence(Reason.UNKNOWN_LOGIN))
        letters = [one for one, _ in out.letters] + [letter(delivery, None, unknown) for delivery in out.strangers]
        now, version = self._clock.now(), self._registry.directory.version
        lines = [Line(parcel.inverter_id, version, now, parcel.line, parcel.topic) for parcel in parcels]
        await self._kept.turn(records, [*lines, *letters])
        self._counters.untimed_spread += len(records)
        for inverter_id, own in groupby(sorted(parcels, key=_inverter), key=_inverter):
            sizes = [len(parcel.line) for parcel in own]
            self._spooled(inverter_id, len(sizes), sum(sizes))


def _inverter(parcel: Parcel) -> UUID:
    return parcel.inverter_id


def _whole_cycles(messages: Sequence[KeptUntimed]) -> list[list[KeptUntimed]]:
    """The messages by cycle; the last one is left away where there may be more of it."""
    cycles = [list(cycle) for _, cycle in groupby(messages, key=lambda message: message.cycle)]
    return cycles[:-1] if len(messages) == _MESSAGES_AT_ONCE and len(cycles) > 1 else cycles
