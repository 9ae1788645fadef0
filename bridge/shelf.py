"""What the spool has of each lane: lines go there once each, up to their destination's share, and are forgotten when
the store has them or never will.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from bridge.batch import Parcel
from bridge.beyond import Beyond
from bridge.clock import Clock
from bridge.counters import Counters
from bridge.keeper import Keeper, Outcome
from bridge.kept import LETTER_RECORDS, Letter, Line, Tally
from bridge.lanes import Lane
from bridge.refusals import Reason, sentence
from schema.letters import PayloadForm

_LONGEST_RESPONSE_KEPT = 300
_LONGEST_LINE_KEPT = 16_384


class Shelf:
    """Keeps, settles and forgets the lines of all lanes."""

    def __init__(
        self,
        *,
        keeper: Keeper,
        beyond: Beyond,
        counters: Counters,
        clock: Clock,
        version: Callable[[], int],
        speaks: Callable[[str, str, UUID], bool],
        share_bytes: int,
    ) -> None:
        """``speaks`` says whether a login may still speak of an inverter under a selector (``Directory.speaks``)."""
        self._keeper = keeper
        self._beyond = beyond
        self._counters = counters
        self._clock = clock
        self._version = version
        self._speaks = speaks
        self._share_bytes = share_bytes

    def put_all(self, lane: Lane, parcels: Sequence[Parcel]) -> None:
        """Hand lines to the spool; it settles their messages."""
        if parcels:
            at = self._clock.now()
            for parcel in parcels:
                self.put(lane, parcel, at)

    def put(self, lane: Lane, parcel: Parcel, at: datetime) -> None:
        """Hand one line to the spool, unless that was done. Beyond its destination's share it is only counted."""
        if parcel.kept or self.withdrawn(lane, parcel):
            return
        parcel.kept = True
        size = len(parcel.line)
        if lane.weight + size > self._share_bytes:
            if parcel.tokens and parcel.tokens[0] <= -LETTER_RECORDS:
                # A dead letter that is replayed has its place already: it stays there and may be asked for again.
                return
            detail = sentence(Reason.SPOOL_SHARE, f"{self._share_bytes / 1024**2:.3g} MB")
            tally = Tally(parcel.login, lane.inverter_id, Reason.SPOOL_SHARE, detail, len(parcel.tokens), at)
            self._beyond.count(tally, parcel.tokens)
            return
        lane.weight += size
        lane.landing += 1
        line = Line(lane.inverter_id, self._version(), at, parcel.line, parcel.topic)
        self._keeper.keep(line, parcel.tokens, then=partial(self._landed, lane, parcel))

    def _landed(self, lane: Lane, parcel: Parcel, record: int) -> None:
        lane.landing -= 1
        if not record:
            # Its connection was lost: the message comes again, and another parcel with it.
            lane.weight = max(0, lane.weight - len(parcel.line))
            return
        parcel.record = record
        lane.spooled += 1
        if parcel.letter is not None:
            self._replace(lane, parcel, parcel.letter)
        elif parcel.written:
            self._forget(lane, [parcel])

    def written(self, lane: Lane, parcels: Sequence[Parcel]) -> None:
        """The store has these: settle their messages, or forget their records."""
        settled: list[int] = []
        records: list[Parcel] = []
        for parcel in parcels:
            parcel.written = True
            if not parcel.kept:
                settled.extend(parcel.tokens)
            elif parcel.record:
                records.append(parcel)
        self._counters.lines_written += len(parcels)
        if settled:
            self._keeper.settle(settled, Outcome.WRITTEN)
        if records:
            self._forget(lane, records)

    def withdrawn(self, lane: Lane, parcel: Parcel) -> bool:
        """Whether the line's login was withdrawn, or its inverter deleted, while it waited: then a dead letter.

        What has been handed to the spool or to the store before the directory knew of it stays valid.
        """
        if parcel.kept or self._speaks(parcel.login, parcel.selector, parcel.inverter_id):
            return False
        self._end(lane, parcel, Reason.REVOKED_LOGIN, sentence(Reason.REVOKED_LOGIN))
        return True

    def refuse(self, lane: Lane, parcel: Parcel, detail: str) -> None:
        """The one line the store will never take becomes a dead letter, in the place of its spool record if any."""
        self._end(lane, parcel, Reason.STORE_REFUSED, sentence(Reason.STORE_REFUSED, detail), response=detail)

    def _end(self, lane: Lane, parcel: Parcel, reason: Reason, detail: str, *, response: str = "") -> None:
        self._counters.refusals[reason] += 1
        letter = Letter(
            login=parcel.login,
            inverter_id=parcel.inverter_id,
            # A line of an older spool has no topic; equal trouble of two inverters must not be counted as one.
            topic=parcel.topic or f"inverter/{parcel.inverter_id}",
            payload=parcel.line[:_LONGEST_LINE_KEPT],
            reason=reason,
            detail=detail,
            at=self._clock.now(),
            form=PayloadForm.LINE,
            response=response[:_LONGEST_RESPONSE_KEPT],
            size=len(parcel.line),
            whole=len(parcel.line) <= _LONGEST_LINE_KEPT,
        )
        kept, parcel.kept, parcel.written = parcel.kept, True, True
        if not kept:
            self._keeper.keep(letter, parcel.tokens)
        elif parcel.record:
            self._replace(lane, parcel, letter)
        else:
            parcel.letter = letter

    def _replace(self, lane: Lane, parcel: Parcel, letter: Letter) -> None:
        """The letter takes the place of the line's record, in one commit: no kill finds both there, or neither."""
        lane.leaving += 1
        self._keeper.keep(letter, [-parcel.record], then=lambda _: self._replaced(lane, parcel))

    def _replaced(self, lane: Lane, parcel: Parcel) -> None:
        lane.leaving -= 1
        self._count_off(lane, [parcel])

    def dropped(self, lane: Lane, lines: int) -> None:
        """These many of the oldest lines are gone from the spool."""
        lane.spooled = max(0, lane.spooled - lines)
        if not lane.spooled:
            lane.weight = 0

    def _forget(self, lane: Lane, parcels: Sequence[Parcel]) -> None:
        self._count_off(lane, parcels)
        self._keeper.forget([parcel.record for parcel in parcels])

    def _count_off(self, lane: Lane, parcels: Sequence[Parcel]) -> None:
        lane.spooled = max(0, lane.spooled - len(parcels))
        lane.weight = max(0, lane.weight - sum(len(parcel.line) for parcel in parcels))
        self._counters.lines_replayed += len(parcels)
