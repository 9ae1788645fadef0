"""From a reading to a line on its way: may it speak on this feed, is it news, can it be true? No I/O.

What is set aside is told to its owner, whether it cost him the reading or only a value.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from bridge.batch import Parcel
from bridge.counters import Counters
from bridge.cycles import Part
from bridge.decisions import Claimed, Decisions, Source, delivery_of, letter
from bridge.decoded import Refused
from bridge.identify import admit, needs_claim
from bridge.plausible import Judged, Plausibility
from bridge.ports import Delivery, Live, Remarks
from bridge.refusals import Reason, sentence
from bridge.repeats import Repeats, news
from bridge.routes import Route
from schema.readings import Reading, TimeSource
from schema.timeseries import line_protocol


class Sieve:
    """Sifts readings; remembers lifetime counters, extra names, and who has just connected."""

    def __init__(self, *, live: Live, remarks: Remarks, counters: Counters, monotonic: Callable[[], float]) -> None:
        self._live = live
        self._remarks = remarks
        self._counters = counters
        self._monotonic = monotonic
        self._plausibility = Plausibility(live.newest)
        self.repeats = Repeats()

    def sift(
        self,
        route: Route,
        reading: Reading,
        origin: Delivery | Part[Source],
        tokens: list[int],
        *,
        device: str,
        serial: str,
        out: Decisions,
    ) -> None:
        """Decide a reading; ``origin`` is what it came in, ``tokens`` are the messages it settles."""
        received_at = origin.received_at
        admitted = admit(route, device=device, serial=serial)
        if isinstance(admitted, Refused):
            self.set_aside(_message(origin), route, admitted, out, tokens, device=device, serial=serial)
            return
        if reading.time_source is TimeSource.ARRIVAL and self.repeats.bursting(route.login, received_at):
            reading = self._news(route, reading, tokens, out)
            if not reading.values and not reading.extra:
                return
        judged = self._plausibility.judge(route.inverter_id, route.rated_power_w, reading)
        self._counters.values_set_aside += len(reading.values) - len(judged.values)
        self._counters.extras_over_limit += len(reading.extra) - len(judged.extra)
        if judged.impossible is not None:
            quantity, value, anybodys = judged.impossible
            self._remarks.impossible_power(route, quantity, value, received_at, anybodys=anybodys)
        elif not judged.aside:
            self._remarks.reading(route, judged.values, received_at)
        if judged.aside or len(judged.extra) < len(reading.extra):
            if not self._told(route, judged, origin, tokens, out):
                return
            reading = Reading(reading.at, judged.values, judged.extra, reading.time_source)
        self._live.reading(route.inverter_id, reading, received_at)
        parcel = self._parcel(route, reading, origin.topic, tokens)
        if admitted.alias:
            self.note(route, Reason.OTHER_SERIAL, sentence(Reason.OTHER_SERIAL, admitted.alias), received_at)
        if needs_claim(route, admitted):
            out.claims.append(Claimed(device, serial, parcel, _message(origin)))
        else:
            out.parcels.append(parcel)

    def _told(
        self, route: Route, judged: Judged, origin: Delivery | Part[Source], tokens: list[int], out: Decisions
    ) -> bool:
        """Tell the owner what was set aside; whether anything is left. Where nothing is, the messages end here."""
        left = bool(judged.values or judged.extra)
        if not left:
            self._live.understood(route.inverter_id, origin.received_at)
        if judged.aside:
            implausible = Refused(Reason.IMPLAUSIBLE, sentence(Reason.IMPLAUSIBLE, judged.aside))
            if left:
                self.note(route, implausible.reason, implausible.detail, origin.received_at)
            else:
                self.letter(_message(origin), route, implausible, out, tokens)
        elif not left:
            self._counters.not_readings["extras_over_limit"] += len(tokens)
            out.settled.extend(tokens)
        return left

    def _news(self, route: Route, reading: Reading, tokens: Sequence[int], out: Decisions) -> Reading:
        """What of a reading is no repetition; where nothing is, its messages end here."""
        values = news(reading.values, self._live.newest(route.inverter_id)[0])
        repeated = len(reading.values) - len(values)
        if repeated and not values:
            self._counters.not_readings["repeat"] += len(tokens)
            out.settled.extend(tokens)
            return Reading(reading.at, {}, {})
        if repeated:
            self._counters.not_readings["repeat"] += repeated
        return Reading(reading.at, values, reading.extra, reading.time_source)

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

    def note(self, route: Route, reason: Reason, detail: str, at: datetime) -> None:
        """Tell the owner of something that did not cost him the reading."""
        self._counters.refusals[reason] += 1
        self._live.refused(route.inverter_id, reason, detail, at)

    def set_aside(
        self,
        delivery: Delivery,
        route: Route | None,
        refused: Refused,
        out: Decisions,
        tokens: list[int],
        *,
        device: str,
        serial: str = "",
    ) -> None:
        """A message of a device that may not speak on this feed, or on any, becomes a dead letter; where its login
        could have a feed for it, the device is remarked.
        """
        if refused.reason is Reason.ANOTHER_DEVICE:
            self._remarks.another_device(delivery, route, device=device, serial=serial)
        self.letter(delivery, route, refused, out, tokens)

    def letter(
        self, delivery: Delivery, route: Route | None, refused: Refused, out: Decisions, tokens: list[int] | None = None
    ) -> None:
        """A message, or all of ``tokens``, becomes a dead letter."""
        if route is not None:
            self._live.refused(route.inverter_id, refused.reason, refused.detail, delivery.received_at)
        self._counters.refusals[refused.reason] += 1
        out.letters.append((letter(delivery, route, refused), [delivery.token] if tokens is None else tokens))


def _message(origin: Delivery | Part[Source]) -> Delivery:
    return origin if isinstance(origin, Delivery) else delivery_of(origin)
