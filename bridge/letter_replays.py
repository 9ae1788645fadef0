"""Takes dead letters up again: their originals go through a pipeline of their own, with their own time of arrival.

A letter is forgotten by whoever makes its new outcome durable (``Keeper``), never here: whatever is interrupted is
taken up again and says the same. Live messages are not mixed with old ones, neither in cycles nor on the live row.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import structlog

from bridge.batch import Parcel
from bridge.claims import Claims
from bridge.clock import Clock
from bridge.counters import Counters
from bridge.decisions import Decisions, delivery_of, letter
from bridge.decoded import Refused
from bridge.keeper import Keeper, Outcome
from bridge.kept import KeptLetter, Letter
from bridge.pipeline import Pipeline
from bridge.ports import Delivery, Live
from bridge.refusals import Reason, sentence
from bridge.routes import Directory
from bridge.writer import Writer
from schema.letters import PayloadForm
from schema.readings import Reading

_log = structlog.get_logger(__name__)


class Behind:
    """Live rows as a replay sees them: they may be read, and nothing old is written on them."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def topic_right(self, inverter_id: UUID, at: datetime) -> None:
        """Nothing."""

    def understood(self, inverter_id: UUID, at: datetime) -> None:
        """Nothing."""

    def reading(self, inverter_id: UUID, reading: Reading, at: datetime) -> None:
        """Nothing."""

    def refused(self, inverter_id: UUID, reason: Reason, detail: str, at: datetime) -> None:
        """Nothing."""

    def newest(self, inverter_id: UUID) -> tuple[Mapping[str, float], datetime | None]:
        """See ``Live.newest``."""
        return self._live.newest(inverter_id)


class LetterReplays:
    """Decides kept letters once more and hands on what was decided."""

    def __init__(
        self,
        *,
        directory: Callable[[], Directory],
        live: Live,
        reading_max_bytes: int,
        writer: Writer,
        keeper: Keeper,
        claims: Claims,
        clock: Clock,
        backlog: Callable[[Sequence[Delivery]], None],
    ) -> None:
        """``backlog`` takes messages that the broker had kept, whose time is not that of their arrival."""
        self._directory = directory
        self._live = Behind(live)
        self._reading_max_bytes = reading_max_bytes
        self._writer = writer
        self._keeper = keeper
        self._claims = claims
        self._clock = clock
        self._backlog = backlog

    def take(self, kept: Sequence[KeptLetter]) -> None:
        """Take up these letters, which are in the order in which they came."""
        for one in kept:
            if one.form is PayloadForm.LINE:
                self._line(one)
        messages = [one for one in kept if one.form is PayloadForm.MESSAGE]
        self._messages([one for one in messages if not one.backlog])
        # When these were measured is an estimate: the live pipeline has the means for that.
        self._backlog([_delivery(one) for one in messages if one.backlog])

    def _messages(self, kept: Sequence[KeptLetter]) -> None:
        """The clock of this pipeline is the letters' own, so cycles are put together as when they came. So are its
        counters: these messages have been counted when they came.
        """
        seconds = 0.0
        pipeline = Pipeline(
            directory=self._directory,
            live=self._live,
            counters=Counters(),
            reading_max_bytes=self._reading_max_bytes,
            monotonic=lambda: seconds,
        )
        out = Decisions()
        for one in kept:
            seconds = one.received_at.timestamp()
            pipeline.due(out)
            self._parts(pipeline, out)
            delivery = _delivery(one)
            try:
                pipeline.take(delivery, out)
            except Exception:  # noqa: BLE001  # one turn of a loop: this message stays a dead letter, the others go on
                _log.exception("replay.fault", topic=one.topic)
                pipeline.poisoned(delivery, out)
            self._parts(pipeline, out)
        pipeline.flush(out)
        self._parts(pipeline, out)
        self._hand_on(out)

    def _parts(self, pipeline: Pipeline, out: Decisions) -> None:
        parts, out.parts = out.parts, []
        for part in parts:
            try:
                pipeline.take_part(part, out)
            except Exception:  # noqa: BLE001  # one turn of a loop: this part stays a dead letter, the others go on
                _log.exception("replay.fault", topic=part.topic)
                pipeline.poisoned(delivery_of(part), out, part.tokens)

    def _hand_on(self, out: Decisions) -> None:
        now = self._clock.monotonic()
        for parcel in (*out.parcels, *(claimed.parcel for claimed in out.claims)):
            parcel.since = now
        for stranger in out.strangers:
            # Whoever replays has asked the database for these logins: there are none.
            unknown = Refused(Reason.UNKNOWN_LOGIN, sentence(Reason.UNKNOWN_LOGIN))
            out.letters.append((letter(stranger, None, unknown), [stranger.token]))
        if out.settled:
            self._keeper.settle(out.settled, Outcome.NOT_A_READING)
        for one, tokens in out.letters:
            self._keeper.keep(one, tokens)
        if out.claims:
            self._claims.add(out.claims, [])
        if out.parcels:
            self._writer.add(out.parcels)

    def _line(self, one: KeptLetter) -> None:
        """A line that the store refused goes there again, if it may still be written for its inverter."""
        selector = self._selector(one.login, one.inverter_id)
        if one.inverter_id is not None and selector is not None:
            parcel = Parcel(
                inverter_id=one.inverter_id,
                login=one.login,
                selector=selector,
                topic=one.topic,
                line=one.payload,
                tokens=[-one.record],
                since=self._clock.monotonic(),
            )
            self._writer.add([parcel])
            return
        gone = Letter(
            login=one.login,
            inverter_id=one.inverter_id,
            topic=one.topic,
            payload=one.payload,
            reason=Reason.REVOKED_LOGIN,
            detail=sentence(Reason.REVOKED_LOGIN),
            at=one.received_at,
            form=PayloadForm.LINE,
        )
        self._keeper.keep(gone, [-one.record])

    def _selector(self, login: str, inverter_id: UUID | None) -> str | None:
        """Under which selector the login speaks of the inverter; None where it may not, or not any more. A line out of
        the spool has no login: it passed all that before it came there, so it is enough that its inverter has a place.
        """
        if not login:
            known = inverter_id is not None and self._directory().destination(inverter_id) is not None
            return "" if known else None
        entry = self._directory().login(login)
        if entry is None or entry.revoked:
            return None
        return next((name for name, route in entry.routes.items() if route.inverter_id == inverter_id), None)


def _delivery(one: KeptLetter) -> Delivery:
    return Delivery(-one.record, one.topic, one.payload, one.received_at, backlog=one.backlog)
