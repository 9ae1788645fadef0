"""One hostile input, and all 100,000 of them: groups M1 to M8 with their counts. No I/O.

``make hostile`` sends them. An input follows from the seed, its group and its number alone, so one that did harm is
made again by these three; what once did harm stays as a file in ``seeds``.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

# Stand for what is known only when the input is sent, and are as long as that: logins and serials of ten characters.
OWN, OTHER, OTHER_SERIAL = b"<my-login>", b"<a-victim>", b"<v-serial>"
READING = b"deye/" + OWN + b"/reading"

# How many of each group; together 100,000.
COUNTS = {
    "M1": 40_000,
    "M2": 10_000,
    "M3": 10_000,
    "M4": 5_000,
    "M5": 5_000,
    "M6": 10_000,
    "M7": 15_000,
    "M8": 5_000,
}


@dataclass(frozen=True, slots=True)
class Attack:
    """A PUBLISH of ``payload`` to ``topic``; or raw bytes on a connection of their own, where ``packets`` is not empty.

    ``logged_in`` sends the packets only after a sound CONNECT.
    """

    name: str
    topic: bytes = b""
    payload: bytes = b""
    packets: tuple[bytes, ...] = ()
    logged_in: bool = False

    def aimed(self, *, own: str, other: str, other_serial: str) -> "Attack":
        """The same with real names in the place of those that stand for them."""

        def filled(text: bytes) -> bytes:
            if b"<" not in text:
                return text
            named = text.replace(OWN, own.encode()).replace(OTHER, other.encode())
            return named.replace(OTHER_SERIAL, other_serial.encode())

        packets = tuple(map(filled, self.packets))
        return replace(self, topic=filled(self.topic), payload=filled(self.payload), packets=packets)


Maker = Callable[[random.Random], Attack]


def dice_for(seed: int, group: str, number: int) -> random.Random:
    """The dice of one input."""
    return random.Random(f"{seed}/{group}/{number}")


def attacks(
    makers: dict[str, Maker], seed: int, share: float = 1.0, groups: tuple[str, ...] = tuple(COUNTS)
) -> Iterator[Attack]:
    """This share of each group, mixed: a group's inputs come evenly spread between those of the others."""
    wanted = {group: max(1, round(COUNTS[group] * share)) for group in groups}
    order = sorted((number / wanted[group], group, number) for group in groups for number in range(wanted[group]))
    for _, group, number in order:
        made = makers[group](dice_for(seed, group, number))
        yield replace(made, name=f"{group}/{number}")
