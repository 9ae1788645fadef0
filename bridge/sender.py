"""One request to the store, and what each answer means: acknowledge, keep, narrow down, dead-letter or park."""

from collections.abc import Sequence
from enum import StrEnum

import structlog

from bridge.batch import MAX_LINES, Parcel
from bridge.clock import Clock
from bridge.counters import Counters
from bridge.lanes import LONGEST_PAUSE_S, Lane, Limits, pause
from bridge.ports import Registry
from bridge.server import Failure, Server
from bridge.shelf import Shelf
from schema.timeseries.port import (
    BatchTooLarge,
    Destination,
    PointsRefused,
    PointWriter,
    StoreMisconfigured,
    StoreUnavailable,
)

_log = structlog.get_logger(__name__)

# Finding one bad line among 5,000 takes 25 requests; what a batch needs beyond this waits for its next turn.
MOST_REQUESTS = 64
# A batch that could not be narrowed down in one turn is tried again in pieces of this many lines.
FEWER_LINES = 32


class Answer(StrEnum):
    """What became of one request."""

    WRITTEN = "written"
    FAILED = "failed"
    REFUSED = "refused"
    TOO_LARGE = "too_large"


class Sender:
    """Writes batches, one at a time for each lane."""

    def __init__(
        self,
        *,
        store: PointWriter,
        registry: Registry,
        shelf: Shelf,
        counters: Counters,
        clock: Clock,
        limits: Limits,
    ) -> None:
        self._store = store
        self._registry = registry
        self._shelf = shelf
        self._counters = counters
        self._clock = clock
        self._limits = limits

    async def write(self, server: Server, lane: Lane, destination: Destination, parcels: Sequence[Parcel]) -> None:
        """Write these lines; whatever the answer, each of them finds its end or is kept."""
        answer = await self._request(server, lane, destination, parcels)
        if answer is Answer.WRITTEN:
            if lane.most_lines < MAX_LINES:
                lane.most_lines = min(MAX_LINES, lane.most_lines * 2)
        elif answer is not Answer.FAILED and len(parcels) > 1:
            await self._narrow(server, lane, destination, parcels, answer)
        elif answer is not Answer.FAILED and lane.parked:
            # A probe of one line that nobody will ever take: that says nothing of the next one.
            self.park(lane, self._pause(lane, None, self._limits.probe_s), destination)

    async def _request(self, server: Server, lane: Lane, destination: Destination, parcels: Sequence[Parcel]) -> Answer:
        """One request. A single line that was refused is dealt with here; several are the caller's to narrow down."""
        self._counters.requests += 1
        lane.began = began = self._clock.monotonic()
        try:
            await self._store.write(destination, [parcel.line for parcel in parcels])
        except StoreUnavailable as fault:
            self._unavailable(server, lane, destination, fault, began)
            return Answer.FAILED
        except StoreMisconfigured as fault:
            self._answered(server)
            self._misconfigured(lane, destination, fault)
            return Answer.FAILED
        except (BatchTooLarge, PointsRefused) as fault:
            self._answered(server)
            if len(parcels) == 1:
                self._shelf.refuse(lane, parcels[0], str(fault))
            return Answer.TOO_LARGE if isinstance(fault, BatchTooLarge) else Answer.REFUSED
        self._answered(server)
        if lane.parked:
            _log.info("destination.back", inverter_id=str(lane.inverter_id), kept=lane.spooled)
        lane.succeeded()
        self._shelf.written(lane, parcels)
        return Answer.WRITTEN

    async def _narrow(
        self, server: Server, lane: Lane, destination: Destination, parcels: Sequence[Parcel], answer: Answer
    ) -> None:
        """Halve what was refused until the bad lines stand alone. What this turn has no request left for is kept."""
        pending = _halves(parcels)
        any_written = False
        for _ in range(MOST_REQUESTS):
            part: Sequence[Parcel] = [parcel for parcel in pending.pop() if not self._shelf.withdrawn(lane, parcel)]
            answer = await self._request(server, lane, destination, part) if part else Answer.WRITTEN
            any_written = any_written or answer is Answer.WRITTEN
            if answer is Answer.FAILED:
                pending.append(part)
                break
            if answer is not Answer.WRITTEN and len(part) > 1:
                pending += _halves(part)
            if answer is Answer.TOO_LARGE:
                lane.most_lines = min(lane.most_lines, max(1, len(part) // 2))
            if not pending:
                break
        for rest in pending:
            self._shelf.put_all(lane, rest)
        if answer is not Answer.FAILED and (pending or not any_written):
            self._refuses_nearly_all(lane, destination)

    def _refuses_nearly_all(self, lane: Lane, destination: Destination) -> None:
        """Go on later and with smaller batches, ever more slowly while nothing at all is taken."""
        lane.most_lines = min(lane.most_lines, FEWER_LINES)
        self.park(lane, self._pause(lane, None, self._limits.probe_s), destination)

    def silent(self, server: Server, lane: Lane) -> None:
        """The lane's request has had no answer for longer than a message may be held."""
        if not server.parked:
            self._failed(server, lane, lane.began, answered=False, wish_s=None)

    def _unavailable(
        self, server: Server, lane: Lane, destination: Destination, fault: StoreUnavailable, began: float
    ) -> None:
        self._counters.request_failures += 1
        if self._failed(server, lane, began, answered=fault.answered, wish_s=fault.retry_after_s):
            # All its lanes keep; when it is back, none of them has a pause of its own to wait for.
            self.keep(lane)
            return
        if not lane.parked:
            _log.warning("destination.parked", inverter_id=str(lane.inverter_id), detail=str(fault))
        self.park(lane, self._pause(lane, fault.retry_after_s, self._limits.probe_s), destination)

    def _misconfigured(self, lane: Lane, destination: Destination, fault: StoreMisconfigured) -> None:
        """The credential is fetched again once; then the lane waits for another one, or for a repair of the place."""
        self._counters.request_failures += 1
        if lane.refused_destination != destination:
            _log.error("store.misconfigured", inverter_id=str(lane.inverter_id), status=fault.status)
            lane.refused_destination = destination
            self._registry.refetch(lane.inverter_id)
        self.park(lane, self._pause(lane, LONGEST_PAUSE_S, LONGEST_PAUSE_S), destination)

    def _pause(self, lane: Lane, wish_s: float | None, longest_s: float) -> float:
        return pause(lane.failures, longest_s=longest_s, wish_s=wish_s, dice=self._clock.dice())

    def keep(self, lane: Lane) -> None:
        """What is under way and what waits goes to the spool."""
        self._shelf.put_all(lane, lane.flight)
        self._shelf.put_all(lane, lane.waiting)
        lane.waiting.clear()

    def park(self, lane: Lane, seconds: float, destination: Destination | None) -> None:
        """Send nothing there for a while; what waits is kept."""
        self.keep(lane)
        lane.park(self._clock.monotonic(), seconds, destination)

    def _failed(self, server: Server, lane: Lane, began: float, *, answered: bool, wish_s: float | None) -> bool:
        """Whether the server is parked as a whole by now."""
        fault = Failure(answered, self._limits.probe_s, self._clock.dice(), wish_s)
        before = server.parked
        parked = server.failed(self._clock.monotonic(), began, fault, probe=server.probe is lane)
        if parked and not before:
            _log.warning("server.parked", server=server.name)
        return parked

    def _answered(self, server: Server) -> None:
        if server.answered(self._clock.monotonic()):
            _log.info("server.back", server=server.name)


def _halves(parcels: Sequence[Parcel]) -> list[Sequence[Parcel]]:
    """The first half last: it is taken first."""
    middle = len(parcels) // 2
    return [parcels[middle:], parcels[:middle]]
