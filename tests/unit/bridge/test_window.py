"""What was received and how it ends: the sum, the tokens, the connections."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.ports import SettledTwice
from bridge.window import Window

pytestmark = pytest.mark.unit


def _balanced(window: Window) -> bool:
    return window.received == window.settled + len(window) + window.dropped


def test_a_message_is_acknowledged_by_its_own_packet_id_in_any_order() -> None:
    """Three messages settle last first; each packet id comes out once."""
    window = Window()
    tokens = [window.admit(packet_id) for packet_id in (7, 8, 9)]

    acknowledged = [window.settle([token]) for token in reversed(tokens) if token]

    assert acknowledged == [[9], [8], [7]]
    assert _balanced(window)


def test_settling_twice_is_a_defect() -> None:
    """The second settlement of a message on a living connection raises."""
    window = Window()
    token = window.admit(1)
    assert token is not None
    window.settle([token])

    with pytest.raises(SettledTwice):
        window.settle([token])


def test_what_a_lost_connection_left_is_never_acknowledged_on_the_next() -> None:
    """Packet ids are used again after a reconnect; the old token must not acknowledge the new packet."""
    window = Window()
    old = window.admit(1)
    window.connection_opened()
    new = window.admit(1)
    assert old is not None
    assert new is not None

    from_before = window.settle([old])

    assert from_before == []
    assert not window.alive(old)
    assert window.alive(new)
    assert (window.received, window.settled, window.dropped, len(window)) == (2, 0, 1, 1)


def test_the_same_packet_twice_on_one_connection_is_one_message() -> None:
    """A broker that repeats a packet we hold gets one acknowledgement."""
    window = Window()
    first, again = window.admit(5), window.admit(5)

    assert first is not None
    assert again is None
    assert window.received == 1


def test_a_message_without_packet_id_needs_no_answer() -> None:
    """QoS 0 is counted and settled, nothing is sent."""
    window = Window()
    token = window.admit(0)
    assert token is not None

    assert window.settle([token]) == []
    assert window.settled == 1


@given(st.lists(st.sampled_from(["receive", "settle", "reconnect"]), max_size=60), st.randoms())
def test_received_is_always_settled_and_held_and_dropped(steps: list[str], dice: Random) -> None:
    """The identity of DESIGN 4.2 holds after every step, and held tokens are alive."""
    window = Window()
    held: list[int] = []
    packet_id = 0
    for step in steps:
        if step == "receive":
            packet_id += 1
            token = window.admit(packet_id)
            assert token is not None
            held.append(token)
        elif step == "settle" and held:
            window.settle([held.pop(dice.randrange(len(held)))])
        elif step == "reconnect":
            window.connection_opened()
            held.clear()

        assert _balanced(window)
        assert all(window.alive(token) for token in held)
