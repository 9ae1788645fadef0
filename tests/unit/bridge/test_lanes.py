"""When a destination is left alone and when it is tried again."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.batch import MAX_BYTES, MAX_LINES, Parcel, together
from bridge.lanes import LONGEST_PAUSE_S, Lane, pause
from schema.timeseries.port import Destination

pytestmark = pytest.mark.unit

ROOF = uuid4()


def _parcel(line: bytes = b"l", since: float = 0.0) -> Parcel:
    return Parcel(inverter_id=ROOF, line=line, tokens=[1], since=since)


def test_pauses_double_up_to_their_limit() -> None:
    """A hiccup is tried again after a quarter of a second, an outage not every quarter of a second."""
    pauses = [pause(failures, longest_s=5.0, wish_s=None, dice=1.0) for failures in range(7)]

    assert pauses == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True), st.none() | st.floats(0, 1e9))
def test_a_pause_is_never_shorter_than_wished_nor_endless(failures: int, dice: float, wish_s: float | None) -> None:
    """The store's Retry-After is honoured up to ten minutes."""
    seconds = pause(failures, longest_s=5.0, wish_s=wish_s, dice=dice)

    assert seconds >= min(wish_s or 0.0, 10 * LONGEST_PAUSE_S)
    assert seconds <= 10 * LONGEST_PAUSE_S


def test_a_lane_is_overdue_when_its_oldest_message_is() -> None:
    """What is under way counts before what waits."""
    lane = Lane(ROOF)
    assert not lane.overdue(99.0, 2.0)
    lane.waiting.append(_parcel(since=10.0))

    assert not lane.overdue(11.9, 2.0)
    assert lane.overdue(12.0, 2.0)
    lane.flight = [_parcel(since=5.0)]
    assert lane.overdue(7.0, 2.0)


def test_a_parked_lane_is_tried_when_its_pause_is_over_or_its_credential_new() -> None:
    """A new token need not wait for the old one's pause."""
    old, new = Destination(ROOF, uuid4(), token="old"), Destination(ROOF, uuid4(), token="new")
    lane = Lane(ROOF)
    lane.park(0.0, 60.0, old)

    assert not lane.may_probe(59.0, old)
    assert lane.may_probe(60.0, old)
    assert lane.may_probe(1.0, new)
    assert not lane.may_probe(99.0, None)


def test_what_waits_goes_together_up_to_a_limit() -> None:
    """In lines and in bytes."""
    many = [_parcel() for _ in range(MAX_LINES + 5)]
    large = [_parcel(b"x" * (MAX_BYTES // 4)) for _ in range(5)]

    assert len(together(many, lambda _: True)) == MAX_LINES
    assert len(many) == 5
    assert len(together(large, lambda _: True)) == 3


def test_a_line_larger_than_the_limit_goes_alone() -> None:
    """It must not wait for ever."""
    waiting = [_parcel(b"x" * 2 * MAX_BYTES), _parcel()]

    assert [len(parcel.line) for parcel in together(waiting, lambda _: True)] == [2 * MAX_BYTES]


def test_unwanted_parcels_are_left_away() -> None:
    """Copies whose connection was lost come again."""
    waiting = [_parcel(b"a"), _parcel(b"b"), _parcel(b"c")]

    batch = together(waiting, lambda parcel: parcel.line != b"b")

    assert [parcel.line for parcel in batch] == [b"a", b"c"]
    assert not waiting
