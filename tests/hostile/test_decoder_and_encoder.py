"""Decoder and encoder by themselves: searched with coverage as the guide, and T9, T11 and T12 of the threat list."""

import json
import os
import random
import sys
from datetime import datetime, timedelta

import pytest

from bridge.pipeline import NEWEST, OLDEST
from bridge.refusals import Reason
from schema.readings import Reading
from schema.timeseries.line_protocol import encode, from_milliseconds, milliseconds, parse
from tests.fake_influx_state import parsed
from tests.fakes import NOON
from tests.hostile.attack import READING, Attack, dice_for
from tests.hostile.fuzz import search, targets
from tests.hostile.judge import Judge
from tests.hostile.texts import text

pytestmark = pytest.mark.unit

SECONDS = float(os.environ.get("FUZZ_SECONDS", "1"))
LEAST_RUNS = 300
SEED = int(os.environ.get("HOSTILE_SEED", "0")) or random.randrange(1, 1_000_000)


# The codec mqtt5 says on standard error, beside its exception, that a topic is no UTF-8; Mosquitto lets none through.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", targets())
def test_a_search_guided_by_coverage_finds_no_input_that_does_harm(name: str) -> None:
    """Seconds here, longer by ``make hostile``; the seed is in the failure's output."""
    sys.stdout.write(f"HOSTILE_SEED={SEED}\n")

    found = search(targets()[name], seconds=SECONDS, seed=SEED, least_runs=LEAST_RUNS)

    assert found.harm == []
    assert found.runs >= LEAST_RUNS
    assert len(found.reached) > 10


def _fragile(data: bytes) -> None:
    if b"unavailable" not in data:
        return
    if b"2026-06-01T11:59:00Z" not in data:
        return
    if b'"grid_connected"' not in data:
        return
    assert b"\\ud800" not in data


def test_the_search_finds_a_fault_behind_four_conditions() -> None:
    """Step by step, led by what each step reaches; without a guide it does not get there."""
    guided = search(_fragile, seconds=20.0, seed=1, below=(__file__,), most_harm=1)
    blind = search(_fragile, seconds=20.0, seed=1, below=(), most_harm=1, most_runs=guided.runs)

    assert guided.harm
    assert not blind.harm


def test_50_000_hostile_texts_become_one_point_or_none() -> None:
    """T9: as serial and as names; what is encoded is read back by two readers, equal and alone."""
    encoded = 0
    for number in range(50_000):
        dice = dice_for(SEED, "T9", number)
        word = text(dice).payload.decode(errors=dice.choice(("surrogateescape", "replace")))
        serial = dice.choice((word, word[:10], "A1" + word[-3:], "2711111111"))
        name = dice.choice(("ac_power", "x_" + word[:20].lower(), word[:10]))
        value = dice.uniform(-1e9, 1e9)
        reading = Reading(NOON, {name: value}, {})
        try:
            line = encode(reading, serial=serial)
        except (ValueError, UnicodeEncodeError):
            continue
        encoded += 1
        ours, (theirs,) = parse(line), parsed(line, 0)
        assert (ours.serial, dict(ours.fields), ours.at_ms) == (serial, {name: value}, milliseconds(NOON))
        assert (theirs.measurement, theirs.fields, theirs.at_ms) == ("reading", {name: value}, milliseconds(NOON))
        assert theirs.serial == serial

    assert encoded > 5_000


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'{"ac_power": NaN}', Reason.NOT_A_NUMBER),
        (b'{"ac_power": -Infinity}', Reason.NOT_A_NUMBER),
        (b'{"ac_power": 1e999}', Reason.NOT_A_NUMBER),
        (b'{"ac_power": ' + b"9" * 5_000 + b"}", Reason.NOT_A_NUMBER),
        (b'{"ac_power": 1, "ac_power": 2}', Reason.NOT_JSON),
        (b'{"ac_power": 1, "\xff": 2}', Reason.NOT_JSON),
        (b"[" * 16_000, Reason.TOO_DEEP),
        (b'{"a":' * 2_500 + b"1" + b"}" * 2_500, Reason.TOO_DEEP),
        (b'{"ac_power": 1, "note": "' + b"x" * (16_385 - 27) + b'"}', Reason.TOO_LARGE),
        (b"[" * 60_000, Reason.TOO_LARGE),
    ],
    ids=lambda value: value.decode("latin-1")[:20] if isinstance(value, bytes) else str(value),
)
def test_what_json_readers_stumble_over_is_refused_by_name(payload: bytes, reason: Reason) -> None:
    """T11: stdlib takes NaN and 1e999 for numbers and raises RecursionError; neither reaches anybody."""
    verdict = Judge().judge([Attack("T11", READING, payload)])

    assert verdict.faults == []
    assert verdict.reasons == {reason: 1}


@pytest.mark.parametrize(
    "payload",
    [
        b'{"ac_power": 1, "note": "' + b"x" * (16_384 - 27) + b'"}',
        b'{"ac_power": 1, "\\ud800": 2, "serial": "\\udfff"}',
        b'{"ac_power": 1, "odd": 9223372036854775808}',
        json.dumps({f"f{number}": 1.0 for number in range(1_000)}).encode(),
    ],
    ids=("16-KiB", "half-a-surrogate-pair", "more-than-64-bits", "1000-fields"),
)
def test_what_is_odd_but_sound_is_stored(payload: bytes) -> None:
    """T11, the other side of each limit: a refusal of everything would be no control."""
    verdict = Judge().judge([Attack("T11", READING, payload)])

    assert verdict.faults == []
    assert verdict.ends["stored"] == 1


_SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("at", "taken"),
    [
        (NOON - OLDEST, True),
        (NOON - OLDEST + _SECOND, True),
        (NOON - OLDEST - _SECOND, False),
        (NOON + NEWEST, True),
        (NOON + NEWEST - _SECOND, True),
        (NOON + NEWEST + _SECOND, False),
    ],
    ids=str,
)
def test_a_time_is_taken_up_to_the_boundary_and_not_a_second_beyond(at: datetime, taken: bool) -> None:
    """T12: beyond it the arrival's time is stored instead, and the owner is told."""
    judge = Judge()
    # The judge's clock stands a hundredth of a second after noon when the first message arrives.
    payload = json.dumps({"ac_power": 1.5, "time": (at + timedelta(seconds=0.01)).isoformat()}).encode()

    (line,) = judge.lines([Attack("T12", READING, payload)])

    stored = from_milliseconds(parse(line).at_ms)
    assert (stored == at + timedelta(seconds=0.01)) is taken
    assert judge.counters.refusals[Reason.BAD_TIME] == (not taken)
