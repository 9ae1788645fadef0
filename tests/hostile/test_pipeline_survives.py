"""Hostile messages through the pure pipeline: a sample of each group, and every input that once did harm."""

import random
import sys
from dataclasses import replace
from itertools import count, islice

import pytest

from tests.hostile import seeds
from tests.hostile.attack import COUNTS, OTHER_SERIAL, READING, Attack, dice_for
from tests.hostile.groups import MAKERS, MESSAGES, attacks
from tests.hostile.judge import Judge

pytestmark = pytest.mark.unit

# The same sample in each run; other seeds are for the long form.
SEED = 1
SHARE = 0.05


def test_every_hostile_message_ends_in_exactly_one_place_and_none_in_a_foreign_one() -> None:
    """No exception, one outcome each, one point of the own series at most, a sentence for what is refused."""
    verdict = Judge().judge(attacks(SEED, SHARE, MESSAGES))

    assert verdict.faults == []
    # The sample reaches the store's side too: a corpus that is refused as a whole would prove nothing.
    assert verdict.ends["stored"] > 500
    assert verdict.ends["refused"] > 1_000
    assert len(verdict.reasons) >= 7


def test_what_once_did_harm_does_none_any_more() -> None:
    """The seeds are permanent."""
    kept = [seed for seed in seeds.load() if not seed.packets]

    verdict = Judge().judge(kept)

    assert verdict.faults == []
    assert len(kept) >= 2


def test_the_judge_notices_a_message_that_is_lost_and_one_that_ends_twice() -> None:
    """A judge that finds nothing would let everything pass."""
    judge = Judge()
    take = judge._pipeline.take
    judge._pipeline.take = lambda *_: None  # type: ignore[method-assign]

    lost = judge.judge([Attack("sound", READING, b'{"ac_power": 1.5}')])

    judge._pipeline.take = lambda *both: (take(*both), take(*both))[0]  # type: ignore[method-assign]
    twice = judge.judge([Attack("sound", READING, b'{"ac_power": 1.5}')])
    assert lost.faults == [("sound", "ended 0 times")]
    assert twice.faults == [("sound", "ended 2 times")]


def test_an_input_follows_from_its_seed_group_and_number_alone() -> None:
    """So one that did harm in the long form is made again in a second."""
    wanted = [attack for attack in attacks(7, 0.001) if attack.name == "M1/23"]

    again = replace(MAKERS["M1"](dice_for(7, "M1", 23)), name="M1/23")

    assert wanted == [again]


def test_the_groups_are_100_000_inputs_and_a_share_has_some_of_each() -> None:
    """Counts of the bad-input corpus."""
    sample = [attack.name.split("/")[0] for attack in attacks(1, 0.0002)]

    assert sum(COUNTS.values()) == 100_000
    assert set(sample) == set(COUNTS)


def test_ten_thousand_payloads_that_name_a_neighbours_serial_write_nothing_of_his() -> None:
    """T7: the login in the topic decides, never the payload."""
    seed = random.randrange(1_000_000)
    sys.stdout.write(f"seed {seed}\n")
    mutants = (MAKERS["M1"](dice_for(seed, "M1", number)) for number in count())
    naming = (attack for attack in mutants if OTHER_SERIAL in attack.payload)

    verdict = Judge().judge(islice(naming, 10_000))

    assert verdict.faults == []
    assert sum(verdict.ends.values()) == 10_000
    assert verdict.ends["stored"] > 1_000
