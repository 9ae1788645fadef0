"""What was received and how it ends: the sum, the tokens, the connections."""

from itertools import permutations
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

    acknowledged = [window.settle([token]) for token in reversed(tokens)]

    assert acknowledged == [[9], [8], [7]]
    assert _balanced(window)


def test_settling_twice_is_a_defect() -> None:
    """The second settlement of a message on a living connection raises."""
    window = Window()
    token = window.admit(1)
    window.settle([token])

    with pytest.raises(SettledTwice):
        window.settle([token])


def test_what_a_lost_connection_left_is_never_acknowledged_on_the_next() -> None:
    """Packet ids are used again after a reconnect; the old token must not acknowledge the new packet."""
    window = Window()
    old = window.admit(1)
    window.connection_opened()
    new = window.admit(1)

    from_before = window.settle([old])

    assert from_before == []
    assert not window.alive(old)
    assert window.alive(new)
    assert (window.received, window.settled, window.dropped, len(window)) == (2, 0, 1, 1)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_messages_that_share_a_packet_id_are_acknowledged_together(order: tuple[int, ...]) -> None:
    """A PUBACK ends the oldest of them at the broker, which may be the one we still hold."""
    window = Window()
    tokens = [window.admit(5) for _ in range(3)]

    acknowledged = [window.settle([tokens[number]]) for number in order]

    assert acknowledged == [[], [], [5, 5, 5]]
    assert window.settle([window.admit(5)]) == [5]
    assert _balanced(window)


def test_a_shared_packet_id_is_forgotten_with_its_connection() -> None:
    """On the next one it belongs to one message again."""
    window = Window()
    old = [window.admit(5), window.admit(5)]
    window.settle(old[:1])
    window.connection_opened()

    acknowledged = window.settle([window.admit(5), old[1]])

    assert acknowledged == [5]
    assert _balanced(window)


def test_a_message_without_packet_id_needs_no_answer() -> None:
    """QoS 0 is counted and settled, nothing is sent."""
    window = Window()
    token = window.admit(0)

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
            packet_id = packet_id % 7 + 1
            token = window.admit(packet_id)
            held.append(token)
        elif step == "settle" and held:
            window.settle([held.pop(dice.randrange(len(held)))])
        elif step == "reconnect":
            window.connection_opened()
            held.clear()

        assert _balanced(window)
        assert all(window.alive(token) for token in held)
