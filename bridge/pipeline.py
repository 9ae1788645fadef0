"""The whole path on one screen: identify → decode → plausible → encode. What it decides, others carry out.

Every message taken in comes out in exactly one place of ``Decisions``, or waits in a cycle and comes out with its part.
No I/O: clocks are handed in, ``Live`` is memory.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from bridge.batch import Parcel
from bridge.counters import Counters
from bridge.cycles import Cycles, Part
from bridge.decoded import Decoded, Document, NotAReading, Refused, Scalar
from bridge.dialects import decode, deye_mqtt
from bridge.identify import Stranger, admit, feed_of, needs_claim
from bridge.plausible import Plausibility
from bridge.ports import Delivery, Letter, Live
from bridge.refusals import Reason, sentence
from bridge.routes import Directory, Route
from schema import topics
from schema.quantities import CATALOGUE
from schema.readings import Reading, TimeSource
from schema.timeseries import line_protocol

OLDEST = timedelta(days=730)
NEWEST = timedelta(minutes=10)
_TICK = timedelta(milliseconds=1)
_MOST_AHEAD = timedelta(seconds=1)
_LONGEST_PAYLOAD_KEPT = 4_096
_LONGEST_TOPIC_KEPT = 512

Source = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Claimed:
    """A parcel that may leave once the registry knows its feed's first reading or device."""

    device: str
    serial: str
    parcel: Parcel


@dataclass(slots=True)
class Decisions:
    """What is to be done now. ``settled`` are messages that are no readings, ``parts`` are for ``take_part``."""

    parcels: list[Parcel] = field(default_factory=list)
    claims: list[Claimed] = field(default_factory=list)
    letters: list[tuple[Letter, list[int]]] = field(default_factory=list)
    settled: list[int] = field(default_factory=list)
    strangers: list[Delivery] = field(default_factory=list)
    parts: list[Part[Source]] = field(default_factory=list)


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
    ) -> None:
        self._directory = directory
        self._live = live
        self._counters = counters
        self._reading_max_bytes = reading_max_bytes
        self._monotonic = monotonic
        self._cycles: Cycles[Source] = Cycles()
        self._plausibility = Plausibility(live.newest)
        self._families: dict[Source, str] = {}
        self._arrivals: dict[UUID, datetime] = {}

    @property
    def held(self) -> int:
        """Messages that wait in cycles."""
        return self._cycles.held

    def take(self, delivery: Delivery, out: Decisions) -> None:
        """Decide one message."""
        address = topics.parse(delivery.topic)
        if address is None:
            wrong = Refused(Reason.WRONG_TOPIC, sentence(Reason.WRONG_TOPIC, delivery.topic))
            self._letter(delivery, None, wrong, out)
            return
        found = feed_of(self._directory(), address)
        if isinstance(found, Stranger):
            out.strangers.append(delivery)
            return
        if isinstance(found, Refused):
            self._letter(delivery, None, found, out)
            return
        route = found.route
        self._live.topic_right(route.inverter_id, delivery.received_at)
        decoded = self._decoded(route, found.rest, delivery)
        if isinstance(decoded, Scalar):
            self._scalar(route, decoded, delivery, out)
        elif isinstance(decoded, Document):
            self._document(route, decoded, delivery, out)
        elif isinstance(decoded, NotAReading):
            self._not_a_reading(route, decoded, delivery, out)
        else:
            self._letter(delivery, route, decoded, out)

    def due(self, out: Decisions) -> None:
        """Let parts leave whose time has come."""
        out.parts.extend(self._cycles.due(self._monotonic()))

    def flush(self, out: Decisions) -> None:
        """Let every part leave now: the window is half full, or the bridge stops."""
        out.parts.extend(self._cycles.flush())

    def poisoned(self, delivery: Delivery, out: Decisions, tokens: list[int] | None = None) -> None:
        """A message the code failed on becomes a dead letter, so that it does not come again for ever."""
        self._letter(delivery, None, Refused(Reason.NOT_UNDERSTOOD, sentence(Reason.NOT_UNDERSTOOD)), out, tokens)

    def _decoded(self, route: Route, rest: str, delivery: Delivery) -> Decoded:
        if delivery.retained:
            return NotAReading("retained")
        if len(delivery.payload) > self._reading_max_bytes:
            if rest.endswith("/config"):
                return NotAReading("discovery")
            return Refused(Reason.TOO_LARGE, sentence(Reason.TOO_LARGE, str(len(delivery.payload))))
        return decode(route.dialect, rest, delivery.payload)

    def _not_a_reading(self, route: Route, decoded: NotAReading, delivery: Delivery, out: Decisions) -> None:
        self._counters.not_readings[decoded.why] += 1
        out.settled.append(delivery.token)
        if decoded.starts_cycle:
            part = self._cycles.end((route.login, route.selector, decoded.device))
            if part is not None:
                out.parts.append(part)

    def _scalar(self, route: Route, scalar: Scalar, delivery: Delivery, out: Decisions) -> None:
        admitted = admit(route, self._directory(), device=scalar.device, serial="", sums=True)
        if isinstance(admitted, Refused):
            self._letter(delivery, route, admitted, out)
            return
        part = self._cycles.add(
            (route.login, route.selector, scalar.device),
            scalar,
            delivery.token,
            topic=delivery.topic,
            at=delivery.received_at,
            now=self._monotonic(),
        )
        if part is not None:
            out.parts.append(part)

    def take_part(self, part: Part[Source], out: Decisions) -> None:
        """A part of a cycle as a reading. Its feed is looked up again: it may have changed since the first scalar."""
        login, selector, device = part.source
        delivery = delivery_of(part)
        entry = self._directory().login(login)
        route = entry.routes.get(selector) if entry and not entry.revoked else None
        if route is None:
            gone = Refused(Reason.REVOKED_LOGIN, sentence(Reason.REVOKED_LOGIN))
            self._letter(delivery, None, gone, out, part.tokens)
            return
        kin = self._families[part.source] = deye_mqtt.family(part.seen, self._families.get(part.source, ""))
        fresh = deye_mqtt.complete({name: part.values[name] for name in part.fresh}, part.values, kin)
        values = {name: value for name, value in fresh.items() if name in CATALOGUE}
        extra = {name: value for name, value in fresh.items() if name not in CATALOGUE}
        self._reading(route, Reading(part.at, values, extra), delivery, part.tokens, device=device, serial="", out=out)

    def _document(self, route: Route, document: Document, delivery: Delivery, out: Decisions) -> None:
        self._counters.values_unread += document.unread
        received_at, at = delivery.received_at, document.at
        if document.bad_time or (at is not None and not received_at - OLDEST <= at <= received_at + NEWEST):
            at = None
            self._note(route, Reason.BAD_TIME, sentence(Reason.BAD_TIME), received_at)
        source = TimeSource.ARRIVAL if at is None else TimeSource.PAYLOAD
        reading = Reading(at or self._arrival(route, received_at), document.values, document.extra, source)
        self._reading(
            route, reading, delivery, [delivery.token], device=document.device, serial=document.serial, out=out
        )

    def _arrival(self, route: Route, received_at: datetime) -> datetime:
        """Time of arrival, a millisecond apart where documents came at once: equal times would merge."""
        last = self._arrivals.get(route.feed_id)
        ahead = last is not None and timedelta(0) <= last + _TICK - received_at <= _MOST_AHEAD
        at = last + _TICK if last is not None and ahead else received_at
        self._arrivals[route.feed_id] = at
        return at

    def _reading(
        self,
        route: Route,
        reading: Reading,
        delivery: Delivery,
        tokens: list[int],
        *,
        device: str,
        serial: str,
        out: Decisions,
    ) -> None:
        admitted = admit(route, self._directory(), device=device, serial=serial)
        if isinstance(admitted, Refused):
            self._letter(delivery, route, admitted, out, tokens)
            return
        received_at = delivery.received_at
        judged = self._plausibility.judge(route.inverter_id, route.rated_power_w, reading)
        self._counters.values_set_aside += len(reading.values) - len(judged.values)
        self._counters.extras_over_limit += len(reading.extra) - len(judged.extra)
        empty = not judged.values and not judged.extra
        if empty:
            self._live.understood(route.inverter_id, received_at)
        if judged.aside:
            implausible = Refused(Reason.IMPLAUSIBLE, sentence(Reason.IMPLAUSIBLE, judged.aside))
            if empty:
                self._letter(delivery, route, implausible, out, tokens)
                return
            self._note(route, implausible.reason, implausible.detail, received_at)
        if empty:
            self._counters.not_readings["extras_over_limit"] += len(tokens)
            out.settled.extend(tokens)
            return
        kept = Reading(reading.at, judged.values, judged.extra, reading.time_source)
        self._live.reading(route.inverter_id, kept, received_at)
        parcel = self._parcel(route, kept, delivery.topic, tokens)
        if needs_claim(route, admitted):
            out.claims.append(Claimed(device, serial, parcel))
        else:
            out.parcels.append(parcel)

    def _parcel(self, route: Route, reading: Reading, topic: str, tokens: list[int]) -> Parcel:
        return Parcel(
            inverter_id=route.inverter_id,
            login=route.login,
            selector=route.selector,
            topic=topic,
            line=line_protocol.encode(reading, serial=route.serial),
            tokens=tokens,
            since=self._monotonic(),
        )

    def _note(self, route: Route, reason: Reason, detail: str, at: datetime) -> None:
        """Tell the owner of something that did not cost him the reading."""
        self._counters.refusals[reason] += 1
        self._live.refused(route.inverter_id, reason, detail, at)

    def _letter(
        self, delivery: Delivery, route: Route | None, refused: Refused, out: Decisions, tokens: list[int] | None = None
    ) -> None:
        if route is not None:
            self._live.refused(route.inverter_id, refused.reason, refused.detail, delivery.received_at)
        self._counters.refusals[refused.reason] += 1
        out.letters.append((letter(delivery, route, refused), [delivery.token] if tokens is None else tokens))


def letter(delivery: Delivery, route: Route | None, refused: Refused) -> Letter:
    """The dead letter of a message; the login is the topic's, which the broker has proved."""
    level = delivery.topic.split("/", 2)[1:2]
    return Letter(
        login=level[0] if level and topics.is_login(level[0]) else "",
        inverter_id=route.inverter_id if route else None,
        topic=delivery.topic[:_LONGEST_TOPIC_KEPT],
        payload=delivery.payload[:_LONGEST_PAYLOAD_KEPT],
        reason=refused.reason,
        detail=refused.detail,
        at=delivery.received_at,
    )


def delivery_of(part: Part[Source]) -> Delivery:
    """A part as one message, its new values as a document: that is what a dead letter can show of it."""
    payload = json.dumps({name: part.values[name] for name in part.fresh}).encode()
    return Delivery(part.tokens[0], part.topic, payload, part.at)
