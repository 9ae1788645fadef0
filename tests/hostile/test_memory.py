"""What is remembered to be quick may not be filled by whoever makes up names: memory has an end, whatever comes."""

import gc
import json
import random
import tracemalloc
from collections.abc import Callable

import pytest

from tests.hostile.attack import OWN, READING, Attack
from tests.hostile.judge import Judge

pytestmark = pytest.mark.unit

_ROOT = b"deye/" + OWN + b"/"
COUNT = 400
MOST_BYTES = 3_000_000


def _long_topic(dice: random.Random) -> Attack:
    return Attack("long topic", _ROOT + b"%030d" % dice.getrandbits(90) + b"/x" * 6_000, b"1.5")


def _many_names(dice: random.Random) -> Attack:
    document = {f"made_up_{dice.getrandbits(40)}": 1.5 for _ in range(400)}
    return Attack("many names", READING, json.dumps(document).encode())


def _one_long_name(dice: random.Random) -> Attack:
    return Attack("a long name", READING, json.dumps({f"{dice.getrandbits(60)}" + "n" * 16_000: 1.5}).encode())


def _other_devices(dice: random.Random) -> Attack:
    return Attack("devices", _ROOT + b"%012x/0/power" % dice.getrandbits(48), b"1.5")


@pytest.mark.parametrize("kind", [_long_topic, _many_names, _one_long_name, _other_devices])
def test_whoever_never_repeats_himself_fills_no_memory(kind: Callable[[random.Random], Attack]) -> None:
    """Each message is unlike all others: what is remembered of them has an end, in caches and by inverter."""
    judge, dice = Judge(), random.Random(1)
    judge.judge(kind(dice) for _ in range(50))
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        judge.judge(kind(dice) for _ in range(COUNT))
        judge.forget()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert after - before < MOST_BYTES
