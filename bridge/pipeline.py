"""The whole path on one screen: identify → decode → plausible → encode. What it decides, others carry out.

Every message taken in comes out in exactly one place of ``Decisions``, or waits in a cycle and comes out with its part.
No I/O: clocks are handed in, ``Live`` is memory.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from bridge.backlog import Backlog
from bridge.counters import Counters
from bridge.cycles import Cycles, Part
from bridge.decisions import Claimed, Decisions, Source, delivery_of, letter
from bridge.decoded import Decoded, Document, NotAReading, Refused, Scalar
from bridge.dialects import decode, deye_mqtt
from bridge.identify import Barred, Found, Stranger, admit, find, is_sum, nobodys, whose
from bridge.ports import Delivery, Live, NoRemarks, Remarks
from bridge.refusals import Reason, sentence
from bridge.routes import Directory, Route
from bridge.sieve import Sieve
from schema.quantities import CATALOGUE
from schema.readings import Reading, TimeSource
from schema.topics import CANARY_TOPIC

OLDEST = timedelta(days=730)
NEWEST = timedelta(minutes=10)
_TICK = timedelta(milliseconds=1)
_MOST_AHEAD = timedelta(seconds=1)
_SUM = NotAReading("sum_of_loggers")
__all__ = ["Claimed", "Decisions", "Pipeline", "Source", "delivery_of", "letter"]


class Pipeline:
    """Turns deliveries into decisions; remembers open cycles, lifetime counters and families of devices."""

    def __init__(
        self,
        *,
        directory: Callable[[], Directory],
        live: Live,
        counters: Counters,
        reading_max_bytes: int,
        monotonic: Callable[[], float],
        backlog: Backlog | None = None,
        remarks: Remarks | None = None,
    ) -> None:
        """Without a ``backlog`` nothing is kept for later: what had waited gets its arrival as an estimate."""
        self._directory = directory
        self._live = live
        self._counters = counters
        self._reading_max_bytes = reading_max_bytes
        self._monotonic = monotonic
        self._cycles: Cycles[Source] = Cycles(estimates=backlog is None)
        self._remarks = remarks or NoRemarks()
        self._sieve = Sieve(live=live, remarks=self._remarks, counters=counters, monotonic=monotonic)
        self._families: dict[Source, str] = {}
        self._arrivals: dict[UUID, datetime] = {}
        self._backlog = backlog

    @property
    def held(self) -> int:
        """Messages that wait in cycles."""
        return self._cycles.held

    def take(self, delivery: Delivery, out: Decisions) -> None:
        """Decide one message."""
        if delivery.backlog and self._backlog is not None and self._backlog.reconnected():
            self._cycles.connection_lost()
        found = self._found(delivery, out)
        if found is None:
            return
        route, rest, entry = found
        decoded = self._decoded(route, rest, delivery)
        if isinstance(decoded, Scalar):
            # Nearly all are of the one device that the feed has, or of a login that names none.
            if route is None or entry is not None or decoded.device != route.device_key:
                route = self._may_speak(found, decoded, delivery, out)
            if route is not None:
                self._scalar(route, decoded, delivery, out)
        elif isinstance(decoded, Document):
            if route is None or entry is not None:
                tokens = [delivery.token]
                route = self._whose(found, delivery, out, tokens, device=decoded.device, serial=decoded.serial)
            if route is not None:
                self._document(route, decoded, delivery, out)
        elif isinstance(decoded, NotAReading):
            self._not_a_reading(whose(found, device=decoded.device, serial=""), decoded, delivery, out)
        else:
            self._topic_right(route, delivery)
            self._sieve.letter(delivery, route, decoded, out)

    def _found(self, delivery: Delivery, out: Decisions, tokens: list[int] | None = None) -> Found | None:
        """The feed a message belongs to; None where that has decided it."""
        found = find(self._directory(), delivery.topic)
        if isinstance(found, Found):
            return found
        if isinstance(found, Stranger):
            out.strangers.append(delivery)
        elif delivery.topic == CANARY_TOPIC:
            self._counters.not_readings["self_check"] += 1
            out.settled.append(delivery.token)
        elif isinstance(found, Barred):
            self._sieve.letter(delivery, found.route, found.refused, out, tokens)
        else:
            self._sieve.letter(delivery, None, found, out, tokens)
        return None

    def spread(self, cycle: Sequence[Delivery], at: datetime, out: Decisions) -> None:
        """Decide the untimed messages of one cycle of a backlog, which was measured at about ``at``. They settle
        nothing: whoever kept them forgets them with what they became.
        """
        scalars: dict[Source, list[Scalar]] = {}
        for delivery in cycle:
            found = self._found(delivery, out, [])
            if found is None:
                continue
            decoded = self._decoded(found.route, found.rest, delivery)
            if isinstance(decoded, Scalar):
                route = self._whose(found, delivery, out, [], device=decoded.device)
                if route is not None:
                    scalars.setdefault((route.login, route.selector, decoded.device), []).append(decoded)
            elif isinstance(decoded, Document):
                route = self._whose(found, delivery, out, [], device=decoded.device, serial=decoded.serial)
                reading = Reading(at, decoded.values, decoded.extra, TimeSource.ESTIMATED)
                if route is not None:
                    self._sieve.sift(
                        route, reading, delivery, [], device=decoded.device, serial=decoded.serial, out=out
                    )
            elif isinstance(decoded, Refused):
                self._sieve.letter(delivery, found.route, decoded, out, [])
        first = cycle[0]
        for source, ours in scalars.items():
            values = {scalar.name: scalar.value for scalar in ours}
            seen = frozenset(scalar.tail for scalar in ours)
            self.take_part(Part(source, at, values, list(values), seen, [], first.topic, first.received_at), out)

    def login_connected(self, login: str, at: datetime) -> None:
        """The broker let this login in: what comes now may be what a home broker had kept."""
        self._sieve.repeats.connected(login, at)

    def due(self, out: Decisions) -> None:
        """Let parts leave whose time has come."""
        out.parts.extend(self._cycles.due(self._monotonic()))

    def flush(self, out: Decisions) -> None:
        """Let every part leave now: the window is half full, or the bridge stops."""
        out.parts.extend(self._cycles.flush())

    def poisoned(self, delivery: Delivery, out: Decisions, tokens: list[int] | None = None) -> None:
        """A message the code failed on becomes a dead letter, so that it does not come again for ever."""
        self._sieve.letter(delivery, None, Refused(Reason.NOT_UNDERSTOOD, sentence(Reason.NOT_UNDERSTOOD)), out, tokens)

    def _decoded(self, route: Route | None, rest: str, delivery: Delivery) -> Decoded:
        if delivery.retained:
            return NotAReading("retained")
        if len(delivery.payload) > self._reading_max_bytes:
            if rest.endswith("/config"):
                return NotAReading("discovery")
            return Refused(Reason.TOO_LARGE, sentence(Reason.TOO_LARGE, str(len(delivery.payload))))
        return decode(route.dialect if route is not None else "auto", rest, delivery.payload)

    def _whose(
        self, found: Found, delivery: Delivery, out: Decisions, tokens: list[int], *, device: str, serial: str = ""
    ) -> Route | None:
        """The feed of a device on a login with several; where it has none, the message is set aside."""
        route = whose(found, device=device, serial=serial)
        if route is None:
            self._sieve.set_aside(
                delivery, None, nobodys(found.rest, device=device, serial=serial), out, tokens,
                device=device, serial=serial,
            )  # fmt: skip
        return route

    def _topic_right(self, route: Route | None, delivery: Delivery) -> None:
        """What becomes a reading says more of the inverter than this, a moment later."""
        if route is not None:
            self._live.topic_right(route.inverter_id, delivery.received_at)

    def _not_a_reading(self, route: Route | None, decoded: NotAReading, delivery: Delivery, out: Decisions) -> None:
        self._topic_right(route, delivery)
        self._counters.not_readings[decoded.why] += 1
        out.settled.append(delivery.token)
        if decoded.starts_cycle and route is not None:
            source = (route.login, route.selector, decoded.device)
            part = self._cycles.end(source)
            if part is not None:
                out.parts.append(part)
            if delivery.backlog and self._backlog is not None:
                self._backlog.ended(source)

    def _may_speak(self, found: Found, scalar: Scalar, delivery: Delivery, out: Decisions) -> Route | None:
        """The feed of a scalar, looked at closely; None where that has ended its message."""
        if (found.route is not None or scalar.name in CATALOGUE) and is_sum(found, scalar.device):
            self._not_a_reading(found.route, _SUM, delivery, out)
            return None
        route = self._whose(found, delivery, out, [delivery.token], device=scalar.device)
        admitted = admit(route, device=scalar.device, serial="") if route is not None else None
        if isinstance(admitted, Refused):
            self._topic_right(route, delivery)
            self._sieve.set_aside(delivery, route, admitted, out, [delivery.token], device=scalar.device)
            return None
        return route

    def _scalar(self, route: Route, scalar: Scalar, delivery: Delivery, out: Decisions) -> None:
        source = (route.login, route.selector, scalar.device)
        if delivery.backlog and self._kept(delivery, source, scalar.tail, out):
            self._live.topic_right(route.inverter_id, delivery.received_at)
            return
        part = self._cycles.add(source, scalar, delivery, self._monotonic())
        if part is not None:
            out.parts.append(part)

    def _kept(self, delivery: Delivery, source: Source, tail: str | None, out: Decisions) -> bool:
        """Whether an untimed message of a backlog is kept until the outage is over."""
        if self._backlog is None:
            return False
        if self._backlog.has(delivery, source, tail):
            out.kept.append(delivery.token)
            return True
        untimed = self._backlog.keep(delivery, source, tail)
        if untimed is None:
            return False
        out.untimed.append((untimed, [delivery.token]))
        first_part = self._backlog.full()
        if first_part is not None:
            out.untimed.append((first_part, []))
        return True

    def take_part(self, part: Part[Source], out: Decisions) -> None:
        """A part of a cycle as a reading. Its feed is looked up again: it may have changed since the first scalar."""
        login, selector, device = part.source
        entry = self._directory().login(login)
        route = entry.routes.get(selector) if entry and not entry.revoked else None
        if route is None:
            gone = Refused(Reason.REVOKED_LOGIN, sentence(Reason.REVOKED_LOGIN))
            self._sieve.letter(delivery_of(part), None, gone, out, part.tokens)
            return
        # Which loggers there are may have turned out since its first scalar.
        found = Found(route, "", entry)
        if is_sum(found, device):
            self._counters.not_readings[_SUM.why] += len(part.tokens)
            out.settled.extend(part.tokens)
            return
        route = whose(found, device=device, serial="") or route
        kin = self._families[part.source] = deye_mqtt.family(part.seen, self._families.get(part.source, ""))
        fresh = deye_mqtt.complete({name: part.values[name] for name in part.fresh}, part.values, kin)
        extra = {name: fresh.pop(name) for name in fresh.keys() - CATALOGUE.keys()}
        time_source = TimeSource.ESTIMATED if part.estimated_for else TimeSource.ARRIVAL
        reading = Reading(part.at, fresh, extra, time_source)
        self._sieve.sift(route, reading, part, part.tokens, device=device, serial="", out=out)

    def _document(self, route: Route, document: Document, delivery: Delivery, out: Decisions) -> None:
        self._counters.values_unread += document.unread
        received_at, at = delivery.received_at, document.at
        wrong = document.bad_time
        if at is not None:
            behind = received_at - at
            wrong = not -NEWEST <= behind <= OLDEST
            if not delivery.backlog:
                self._remarks.own_time(route, behind, received_at)
        if wrong or at is None:
            at = None
            source = (route.login, route.selector, document.device)
            if delivery.backlog and self._kept(delivery, source, None, out):
                return
        if wrong:
            self._sieve.note(route, Reason.BAD_TIME, sentence(Reason.BAD_TIME), received_at)
        arrival = TimeSource.ESTIMATED if delivery.backlog and self._backlog is None else TimeSource.ARRIVAL
        time_source = arrival if at is None else TimeSource.PAYLOAD
        reading = Reading(at or self._arrival(route, received_at), document.values, document.extra, time_source)
        self._sieve.sift(
            route, reading, delivery, [delivery.token], device=document.device, serial=document.serial, out=out
        )

    def _arrival(self, route: Route, received_at: datetime) -> datetime:
        """Time of arrival, a millisecond apart where documents came at once: equal times would merge."""
        last = self._arrivals.get(route.feed_id)
        ahead = last is not None and timedelta(0) <= last + _TICK - received_at <= _MOST_AHEAD
        at = last + _TICK if last is not None and ahead else received_at
        self._arrivals[route.feed_id] = at
        return at
