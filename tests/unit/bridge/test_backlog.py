"""What waited in the broker through an outage: what is kept for it, which cycle it belongs to, when that was."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.backlog import LONGEST_CYCLE, SHORT_OUTAGE, Backlog, time_of
from bridge.kept import Known, Outage, Untimed
from bridge.ports import Delivery, Packet
from tests.fakes import NOON

pytestmark = pytest.mark.unit

SOURCE = ("AACE234567", "", "")
HOUR = timedelta(hours=1)
NOTHING = Known(None, 0, {}, 0, {})


class Bench:
    """A backlog behind a connection that the test makes."""

    def __init__(self, alive_at: datetime | None, *, known: Known = NOTHING, share: int = 1_000_000) -> None:
        self.connected_at: datetime | None = None
        self.backlog = Backlog(
            lambda: self.connected_at,
            longest=timedelta(days=7),
            share=share,
            packet_of=lambda _: Packet(0, again=False),
            most_unacknowledged=0,
        )
        self.backlog.start(known, alive_at)
        self._token = 0

    def connect(self, at: datetime) -> None:
        """The broker answers."""
        self.connected_at = at
        self.backlog.reconnected()

    def message(self, tail: str | None, *, token: int = 0, source: tuple[str, ...] = SOURCE) -> Untimed | None:
        """One untimed message of the backlog."""
        self._token += 1
        delivery = Delivery(token or self._token, f"deye/x/{tail}", b"1.0", NOON + HOUR, backlog=True)
        return self.backlog.keep(delivery, source, tail)

    def cycles(self, *tails: str | None) -> list[int]:
        """The numbers these messages get."""
        kept = [self.message(tail) for tail in tails]
        return [one.cycle for one in kept if one is not None]


def _after_an_hour(**wishes: int) -> Bench:
    bench = Bench(NOON, **wishes)  # type: ignore[arg-type]  # share alone
    bench.connect(NOON + HOUR)
    return bench


def test_an_outage_lasts_from_the_last_sign_of_life_to_the_reconnect() -> None:
    """Not from the last reading: an idle night is no outage."""
    bench = Bench(NOON)
    bench.connect(NOON)
    bench.backlog.marker(NOON)
    bench.backlog.heard(NOON + HOUR)
    bench.connect(NOON + 2 * HOUR)

    kept = bench.message("p")

    assert kept is not None
    assert (kept.outage.since, kept.outage.until, kept.outage.open) == (NOON + HOUR, NOON + 2 * HOUR, True)


def test_after_a_short_outage_the_arrival_is_right_enough() -> None:
    """A restart of the bridge must not make every reading an estimate."""
    bench = Bench(NOON)
    bench.connect(NOON + SHORT_OUTAGE - timedelta(seconds=1))

    assert bench.message("p") is None
    assert bench.backlog.marker(NOON + SHORT_OUTAGE) is None


def test_without_any_sign_of_life_there_is_nothing_to_spread_over() -> None:
    """The very first start."""
    bench = Bench(None)
    bench.connect(NOON)

    assert bench.message("p") is None


def test_what_comes_while_the_backlog_comes_does_not_move_its_beginning() -> None:
    """A crash in the middle of the backlog must not make the rest of it look fresh."""
    bench = _after_an_hour()

    bench.backlog.heard(NOON + HOUR)
    during = bench.backlog.alive_at
    bench.backlog.marker(NOON + HOUR)

    assert during == NOON
    assert bench.backlog.alive_at == NOON + HOUR


def test_a_session_the_broker_has_forgotten_is_no_longer_than_its_expiry() -> None:
    """Nothing older can be in the queue."""
    bench = Bench(NOON - timedelta(days=30))
    bench.connect(NOON)

    kept = bench.message("p")

    assert kept is not None
    assert kept.outage.since == NOON - timedelta(days=7)


def test_a_repeated_topic_opens_the_next_cycle() -> None:
    """As with live scalars; arrival times say nothing here."""
    assert _after_an_hour().cycles("p", "q", "p", "q", "q", "p") == [1, 1, 2, 2, 3, 3]


def test_each_document_is_a_cycle() -> None:
    """Also between scalars."""
    assert _after_an_hour().cycles(None, None, "p", None, "p", "q") == [1, 2, 3, 4, 5, 5]


def test_the_start_marker_opens_the_next_cycle() -> None:
    """A publisher that sends only what changed never repeats a topic, but it starts each cycle with its marker."""
    bench = _after_an_hour()

    first = bench.cycles("p", "q")
    bench.backlog.ended(SOURCE)
    second = bench.cycles("r")

    assert first + second == [1, 1, 2]


def test_sources_are_counted_apart() -> None:
    """A busy neighbour does not move anybody's times."""
    bench = _after_an_hour()
    for number in range(50):
        bench.message(f"t{number % 2}", source=("BBCE234567", "", ""))

    assert bench.cycles("p", "p") == [1, 2]


def test_a_publisher_that_never_repeats_is_cut() -> None:
    """What is read into memory at once has a limit."""
    numbers = _after_an_hour().cycles(*(f"t{number}" for number in range(LONGEST_CYCLE + 1)))

    assert numbers == [1] * LONGEST_CYCLE + [2]


def test_a_connection_that_is_lost_before_the_marker_is_the_same_outage() -> None:
    """It lasts until the last reconnect; what comes again opens another cycle."""
    bench = _after_an_hour()
    first = bench.message("p")
    bench.connect(NOON + 2 * HOUR)
    second = bench.message("q")
    closed = bench.backlog.marker(NOON + 2 * HOUR)

    assert first is not None
    assert second is not None
    assert first.outage.epoch == second.outage.epoch
    assert (first.cycle, second.cycle) == (1, 2)
    assert closed == Outage(second.outage.epoch, NOON, NOON + 2 * HOUR, open=False)


def test_a_process_that_was_killed_in_the_middle_goes_on_with_the_same_outage() -> None:
    """What was kept stays, its cycles keep their numbers."""
    outage = Outage(7, NOON, NOON + HOUR, open=True)
    bench = Bench(NOON, known=Known(outage, 7, {"\t".join(SOURCE): 41}, 1000, {}))
    bench.connect(NOON + 2 * HOUR)

    kept = bench.message("p")

    assert kept is not None
    assert (kept.outage.epoch, kept.outage.since, kept.outage.until) == (7, NOON, NOON + 2 * HOUR)
    assert kept.cycle == 42


def test_an_outage_that_fills_its_share_is_spread_in_parts() -> None:
    """Else a full spool would wait for a marker that can only come behind what finds no room."""
    bench = _after_an_hour(share=1_000)
    while (part := bench.backlog.full()) is None:
        first = bench.message("p")
    second = bench.message("p")

    assert first is not None
    assert second is not None
    assert part == Outage(first.outage.epoch, NOON, NOON + HOUR / 2, open=False)
    assert (second.outage.since, second.outage.until) == (NOON + HOUR / 2, NOON + HOUR)
    assert second.outage.epoch == first.outage.epoch + 1
    assert second.cycle == 1


def test_what_was_held_back_until_the_marker_had_come_still_belongs_to_the_outage() -> None:
    """A login that had to be looked up first: an outage of its own with the same bounds, ready to be spread."""
    bench = _after_an_hour()
    bench.message("p")
    closed = bench.backlog.marker(NOON + HOUR)
    late = bench.message("p")

    assert closed is not None
    assert late is not None
    assert late.outage == Outage(closed.epoch + 1, closed.since, closed.until, open=False)


def test_what_a_process_before_kept_without_its_outage_gets_its_arrival_as_an_estimate() -> None:
    """A token below zero is a record of the spool."""
    late = Bench(NOON).message("p", token=-5)

    assert late is not None
    assert (late.outage.since, late.outage.until, late.outage.open) == (NOON + HOUR, NOON + HOUR, False)


def test_what_a_person_takes_up_of_an_earlier_outage_is_not_spread_over_the_last_one() -> None:
    """Its delivery is all that is known of it; what came with it shares its outage, what came later has another."""
    bench = _after_an_hour()
    bench.backlog.marker(NOON + HOUR)
    before = NOON - 48 * HOUR

    kept = [
        bench.backlog.keep(Delivery(-7, "deye/x/p", b"1.0", at, backlog=True), SOURCE, "p")
        for at in (before, before + timedelta(seconds=1), before + HOUR, NOON + HOUR)
    ]

    outages = [one.outage for one in kept if one is not None]
    assert [(one.since, one.until) for one in outages] == [
        (before, before),
        (before, before),
        (before + HOUR, before + HOUR),
        (NOON, NOON + HOUR),
    ]
    assert len({one.epoch for one in outages}) == 3


def test_live_messages_after_the_marker_are_no_backlog() -> None:
    """And the next short interruption is none either."""
    bench = _after_an_hour()
    bench.backlog.marker(NOON + HOUR)
    bench.connect(NOON + HOUR + timedelta(seconds=2))

    assert bench.message("p") is None


@given(total=st.integers(1, 5_000), seconds=st.integers(0, 100_000))
def test_cycles_are_spread_evenly_in_order_and_no_two_have_one_time(total: int, seconds: int) -> None:
    """However many there are, and however short the outage was: equal times would merge in the store."""
    outage = Outage(1, NOON, NOON + timedelta(seconds=seconds), open=False)

    times = [time_of(outage, cycle, total) for cycle in range(1, total + 1)]

    milliseconds = [(at - NOON) // timedelta(milliseconds=1) for at in times]
    assert len(set(milliseconds)) == total
    assert milliseconds == sorted(milliseconds)
    if seconds * 1000 >= total:
        assert times[0] > outage.since
        assert times[-1] < outage.until
