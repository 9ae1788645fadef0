"""The table of groups: each with what makes one input of it. No I/O."""

from collections.abc import Iterator

from tests.hostile import attack, mutants, packets, shapes, texts
from tests.hostile.attack import COUNTS, Attack, Maker

MAKERS: dict[str, Maker] = {
    "M1": mutants.mutant,
    "M2": mutants.number,
    "M3": texts.text,
    "M4": shapes.shape,
    "M5": texts.time,
    "M6": shapes.topic,
    "M7": packets.raw,
    "M8": shapes.noise,
}
# All but the raw packets, which only a broker can be sent.
MESSAGES = tuple(group for group in COUNTS if group != "M7")


def attacks(seed: int, share: float = 1.0, groups: tuple[str, ...] = tuple(COUNTS)) -> Iterator[Attack]:
    """This share of the groups' inputs."""
    return attack.attacks(MAKERS, seed, share, groups)
