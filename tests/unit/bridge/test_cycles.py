"""Scalars become readings: when a cycle ends, when its parts leave, what they settle."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.cycles import CYCLE_AGE_S, PART_AGE_S, QUIET_S, Cycles, Part
from bridge.decoded import Scalar
from bridge.ports import Delivery
from tests.fakes import NOON

pytestmark = pytest.mark.unit


def _add(
    cycles: Cycles[str], tail: str, value: float, token: int, *, now: float, source: str = "a"
) -> Part[str] | None:
    scalar = Scalar("", tail, tail, value)
    return cycles.add(source, scalar, Delivery(token, tail, b"", NOON + timedelta(seconds=now)), now)


def test_nothing_leaves_before_it_has_been_quiet() -> None:
    """Scalars that follow each other quickly stay together and then leave with the first one's time."""
    cycles: Cycles[str] = Cycles()
    _add(cycles, "p", 1.0, 1, now=0.0)
    _add(cycles, "q", 2.0, 2, now=0.2)

    early = cycles.due(0.2 + QUIET_S - 0.01)
    parts = cycles.due(0.2 + QUIET_S)

    assert early == []
    assert [(part.at, part.values, part.tokens) for part in parts] == [(NOON, {"p": 1.0, "q": 2.0}, [1, 2])]
    assert cycles.held == 0


def test_a_part_leaves_at_its_age_even_without_quiet() -> None:
    """A publisher that never pauses does not hold its values back."""
    cycles: Cycles[str] = Cycles()
    for step in range(8):
        _add(cycles, f"t{step}", 1.0, step, now=step * 0.1)

    parts = cycles.due(PART_AGE_S)

    assert [part.tokens for part in parts] == [list(range(8))]


def test_parts_of_one_cycle_have_one_time_and_settle_their_own_messages() -> None:
    """What comes after the first part merges with it in the store."""
    cycles: Cycles[str] = Cycles()
    _add(cycles, "p", 1.0, 1, now=0.0)
    first = cycles.due(1.0)
    _add(cycles, "q", 2.0, 2, now=1.5)
    second = cycles.due(2.0)

    assert [part.at for part in first + second] == [NOON, NOON]
    assert [part.tokens for part in first + second] == [[1], [2]]
    assert second[0].fresh == ["q"]
    assert second[0].values == {"p": 1.0, "q": 2.0}


def test_a_repeated_topic_ends_the_cycle() -> None:
    """The next cycle's first value must not overwrite the last one's."""
    cycles: Cycles[str] = Cycles()
    _add(cycles, "p", 1.0, 1, now=0.0)
    ended = _add(cycles, "p", 2.0, 2, now=0.1)
    next_part = cycles.due(1.0)

    assert ended is not None
    assert (ended.values, ended.tokens) == ({"p": 1.0}, [1])
    assert (next_part[0].values, next_part[0].tokens) == ({"p": 2.0}, [2])
    assert next_part[0].at == NOON + timedelta(seconds=0.1)


def test_the_start_marker_ends_the_cycle() -> None:
    """What waited leaves; the next value opens another cycle though its topic is new."""
    cycles: Cycles[str] = Cycles()
    _add(cycles, "p", 1.0, 1, now=0.0)
    ended = cycles.end("a")
    _add(cycles, "q", 2.0, 2, now=0.1)

    assert ended is not None
    assert cycles.due(1.0)[0].values == {"q": 2.0}


def test_a_value_that_comes_very_late_is_another_cycle() -> None:
    """A publisher that sends on change only never repeats a topic; its values must not get an old time."""
    cycles: Cycles[str] = Cycles()
    _add(cycles, "p", 1.0, 1, now=0.0)
    cycles.due(1.0)
    late = CYCLE_AGE_S + 1
    _add(cycles, "q", 2.0, 2, now=late)

    assert cycles.due(late + 1)[0].at == NOON + timedelta(seconds=late)


def test_a_message_kept_from_before_is_no_part_of_the_live_cycle() -> None:
    """What was kept as it came, the registry being away, is taken up amid newer ones: an hour-old value is not of now,
    and a new one not an hour old.
    """
    cycles: Cycles[str] = Cycles()
    now = NOON + timedelta(hours=1)
    came = [("p", now), ("q", NOON), ("r", NOON), ("s", now)]
    ended = [
        cycles.add("a", Scalar("", tail, tail, 1.0), Delivery(token, tail, b"", at), 100.0)
        for token, (tail, at) in enumerate(came)
    ]

    parts = [part for part in [*ended, *cycles.flush()] if part is not None]
    assert [(part.at, list(part.values)) for part in parts] == [(now, ["p"]), (NOON, ["q", "r"]), (now, ["s"])]


def test_cycles_that_arrive_at_once_keep_times_of_their_own() -> None:
    """A backlog brings many cycles in one read; with one time they would overwrite each other in the store."""
    cycles: Cycles[str] = Cycles()
    parts = [_add(cycles, "p", float(number), number, now=0.0) for number in range(5)] + cycles.flush()

    times = [part.at for part in parts if part is not None]
    assert len(times) == len(set(times)) == 5
    assert max(times) - NOON == timedelta(milliseconds=4)


def test_inverters_do_not_mix() -> None:
    """Two sources, two cycles."""
    cycles: Cycles[str] = Cycles()
    _add(cycles, "p", 1.0, 1, now=0.0, source="a")
    _add(cycles, "p", 9.0, 2, now=0.0, source="b")

    assert {part.source: part.values["p"] for part in cycles.flush()} == {"a": 1.0, "b": 9.0}


@settings(deadline=None, max_examples=80)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("pqr"), st.floats(0, 0.6)), max_size=60))
def test_every_message_leaves_in_exactly_one_part(steps: list[tuple[str, str, float]]) -> None:
    """However topics, sources and pauses follow each other."""
    cycles: Cycles[str] = Cycles()
    now = 0.0
    left: list[int] = []
    for token, (source, tail, pause) in enumerate(steps):
        now += pause
        left += [token for part in cycles.due(now) for token in part.tokens]
        ended = _add(cycles, tail, 1.0, token, now=now, source=source)
        left += ended.tokens if ended else []
    left += [token for part in cycles.flush() for token in part.tokens]

    assert sorted(left) == list(range(len(steps)))
    assert cycles.held == 0
