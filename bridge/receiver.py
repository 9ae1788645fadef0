"""Takes deliveries through the pipeline and hands on what it decides. The clock of cycles ticks here."""

from collections.abc import Sequence

import structlog

from bridge.claims import Claims
from bridge.clock import Clock
from bridge.counters import Counters
from bridge.gate import Gate
from bridge.keeper import Keeper, Outcome
from bridge.kept import KeptRaw, Spool, SpoolUnavailable
from bridge.pipeline import Decisions, Pipeline, delivery_of
from bridge.ports import BrokerSession, Delivery
from bridge.seldom import Seldom
from bridge.spreading import Spreading
from bridge.writer import Writer

_log = structlog.get_logger(__name__)

TICK_S = 0.1
RAW_REPLAY_S = 5.0
RAW_RETRY_S = 30.0
_MOST_RAWS = 500
# More than that is no wait in the inbox but a wall clock that was set.
_LONGEST_INBOX_S = 60.0


class Receiver:
    """The loop in the middle of the bridge."""

    def __init__(
        self,
        *,
        session: BrokerSession,
        pipeline: Pipeline,
        writer: Writer,
        keeper: Keeper,
        claims: Claims,
        spool: Spool,
        counters: Counters,
        clock: Clock,
        receive_maximum: int,
        spreading: Spreading | None = None,
        gate: Gate | None = None,
    ) -> None:
        self._session = session
        self._gate = gate
        self._pipeline = pipeline
        self._writer = writer
        self._keeper = keeper
        self._claims = claims
        self._spool = spool
        self._counters = counters
        self._clock = clock
        self._most_held = receive_maximum // 2
        self._spreading = spreading
        self._replaying: dict[int, float] = {}
        self._trouble = Seldom(clock.monotonic)

    async def run(self) -> None:
        """Receive, for ever."""
        times = self._counters.times
        while True:
            deliveries = await self._session.receive()
            if self._spreading is not None and not deliveries[-1].backlog:
                self._spreading.heard(deliveries[-1].received_at)
            # When the oldest of them was read off the socket, on the clock that never jumps.
            waited = (self._clock.now() - deliveries[0].received_at).total_seconds()
            arrived = self._clock.monotonic() - max(0.0, min(waited, _LONGEST_INBOX_S))
            times.arrivals.note(deliveries[0].token, arrived)
            self.take(self._gate.admit(deliveries) if self._gate else deliveries)
            times.decided.add(self._clock.monotonic() - arrived, len(deliveries))

    async def tick(self) -> None:
        """Let parts of cycles leave in time, for ever."""
        while True:
            await self._clock.sleep(TICK_S)
            out = Decisions()
            self._pipeline.due(out)
            self._hand_on(out)

    async def replay_raws(self) -> None:
        """Take messages again that were kept because the registry could not be asked, for ever."""
        while True:
            try:
                kept = await self._spool.oldest_raws(_MOST_RAWS)
            except SpoolUnavailable as fault:
                if self._trouble.due():
                    _log.error("spool.unreadable", detail=str(fault))
                kept = []
            self._take_kept(kept)
            await self._clock.sleep(RAW_REPLAY_S)

    def take(self, deliveries: Sequence[Delivery]) -> None:
        """Decide these messages and carry it out."""
        out = Decisions()
        for delivery in deliveries:
            try:
                self._pipeline.take(delivery, out)
            except Exception:  # noqa: BLE001  # one turn of a loop: this message becomes a dead letter, the others go on
                _log.exception("message.fault", topic=delivery.topic)
                self._counters.faults += 1
                self._pipeline.poisoned(delivery, out)
        if self._pipeline.held >= self._most_held:
            self._pipeline.flush(out)
        self._hand_on(out)

    def flush(self) -> None:
        """Let all parts of cycles leave now."""
        out = Decisions()
        self._pipeline.flush(out)
        self._hand_on(out)

    def _take_kept(self, kept: Sequence[KeptRaw]) -> None:
        """Take kept messages that are not under way already; one whose look-up failed again is tried again later."""
        now = self._clock.monotonic()
        self._replaying = {record: until for record, until in self._replaying.items() if until > now}
        fresh = [
            (record, raw)
            for record, raw in kept
            if record not in self._replaying and not self._keeper.forgotten(record)
        ]
        self._replaying.update({record: now + RAW_RETRY_S for record, _ in fresh})
        self.take(
            [Delivery(-record, raw.topic, raw.payload, raw.received_at, backlog=raw.backlog) for record, raw in fresh]
        )

    def _hand_on(self, out: Decisions) -> None:
        for part in out.parts:
            try:
                self._pipeline.take_part(part, out)
            except Exception:  # noqa: BLE001  # one turn of a loop: this part becomes a dead letter, the others go on
                _log.exception("part.fault", topic=part.topic)
                self._counters.faults += 1
                self._pipeline.poisoned(delivery_of(part), out, part.tokens)
        if out.settled:
            self._keeper.settle(out.settled, Outcome.NOT_A_READING)
        if out.kept:
            self._keeper.settle(out.kept, Outcome.SPOOLED)
        for letter, tokens in out.letters:
            self._keeper.keep(letter, tokens)
        if out.untimed and self._spreading is not None:
            self._spreading.keep(out.untimed)
        if out.claims or out.strangers:
            self._claims.add(out.claims, out.strangers)
        if out.parcels:
            self._writer.add(out.parcels)
