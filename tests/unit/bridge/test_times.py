"""Histograms of plain integers, and when messages arrived."""

import time

import pytest

from bridge.times import BOUNDS_S, Arrivals, Histogram, Times

pytestmark = pytest.mark.unit


def test_a_duration_is_counted_in_the_range_whose_upper_bound_it_does_not_exceed() -> None:
    """Prometheus' ``le`` means less or equal; what is longer than every bound goes last."""
    histogram = Histogram()

    for seconds in (0.0, BOUNDS_S[0], BOUNDS_S[0] + 1e-9, BOUNDS_S[-1], BOUNDS_S[-1] + 1):
        histogram.add(seconds)

    assert histogram.counts[:2] == [2, 1]
    assert histogram.counts[-2:] == [1, 1]
    assert sum(histogram.counts) == 5


def test_many_events_of_one_duration_cost_one_step() -> None:
    """A batch counts with the time of its oldest message."""
    histogram = Histogram()

    histogram.add(0.2, 40)

    assert sum(histogram.counts) == 40
    assert histogram.sum_s == pytest.approx(8.0)


def test_a_message_has_the_arrival_of_its_batch() -> None:
    """Tokens rise: a mark holds for every token up to the next one."""
    arrivals = Arrivals()
    arrivals.note(1, 10.0)
    arrivals.note(5, 11.0)

    assert [arrivals.of(token) for token in (0, 1, 4, 5, 900)] == [None, 10.0, 10.0, 11.0, 11.0]


def test_marks_stay_few_and_a_message_never_looks_younger_than_it_is() -> None:
    """Ten times as many batches as there may be marks, while the first message still waits."""
    arrivals = Arrivals()
    for batch in range(50_000):
        arrivals.note(batch * 3, float(batch))

    assert len(arrivals.first) <= 4_096
    assert arrivals.of(1) == 0.0
    found = [arrivals.of(batch * 3) for batch in range(0, 50_000, 777)]
    assert all(at is not None and at <= batch for at, batch in zip(found, range(0, 50_000, 777), strict=True))
    assert arrivals.of(49_999 * 3) == 49_999.0


def test_an_end_is_counted_by_its_outcome_from_the_arrival_on() -> None:
    """Forty messages of one cycle, two seconds after they came."""
    times = Times()
    times.arrivals.note(1, 100.0)

    times.ended([1, 2, 3], "written", 40, lambda: 102.0)

    assert times.settled["written"].sum_s == pytest.approx(80.0)
    assert times.settled["written"].counts[BOUNDS_S.index(2.5)] == 40


def test_an_end_of_a_message_nobody_noted_is_no_fault() -> None:
    """Tests and replays settle without an arrival."""
    times = Times()

    times.ended([1], "written", 1, lambda: 1.0)

    assert times.settled == {}


def test_measuring_an_end_costs_next_to_nothing() -> None:
    """About 0.5 us here; the limit only catches a change of kind, such as a lock or a library call."""
    times = Times()
    for batch in range(4_000):
        times.arrivals.note(batch, float(batch))
    tokens = [3_000]

    best = min(_seconds(times, tokens) for _ in range(5))

    assert best / 10_000 < 10e-6


def _seconds(times: Times, tokens: list[int]) -> float:
    started = time.perf_counter()
    for _ in range(10_000):
        times.ended(tokens, "written", 1, time.monotonic)
    return time.perf_counter() - started
