"""From delivery to decision: every message ends in exactly one place."""

import json
from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.pipeline import Decisions
from bridge.refusals import Reason
from bridge.routes import Claim
from schema.timeseries.line_protocol import from_milliseconds, parse
from tests.fakes import ALICE_LOGIN, BOB_LOGIN, NOON, route
from tests.pipeline_bench import READING, Bench

pytestmark = pytest.mark.unit


def _reason(out: Decisions) -> Reason:
    ((letter, _),) = out.letters
    return letter.reason


def test_a_document_becomes_a_line_that_settles_its_message() -> None:
    """Identify, decode, judge, encode: the line names the inverter's serial and the payload's time."""
    roof = route()
    bench = Bench(roof)

    out = bench.send(READING, '{"ac_power": 412.5, "time": "2026-06-01T11:59:00Z"}')

    (parcel,) = out.parcels
    line = parse(parcel.line)
    assert (parcel.inverter_id, parcel.tokens) == (roof.inverter_id, [1])
    assert (line.serial, dict(line.fields)) == (roof.serial, {"ac_power": 412.5})
    assert from_milliseconds(line.at_ms) == NOON - timedelta(minutes=1)
    assert bench.live.readings[0][1].values == {"ac_power": 412.5}


@pytest.mark.parametrize(
    "time", [NOON - timedelta(days=731), NOON + timedelta(minutes=11), "not a time", NOON - timedelta(days=20_000)]
)
def test_a_time_that_cannot_be_right_is_replaced_by_the_arrival_and_said(time: object) -> None:
    """The reading is kept, the owner is told."""
    bench = Bench(route())

    out = bench.send(READING, json.dumps({"ac_power": 1, "time": str(time)}))

    assert from_milliseconds(parse(out.parcels[0].line).at_ms) == NOON
    assert bench.live.refusals[0][1] is Reason.BAD_TIME


@pytest.mark.parametrize("time", [NOON - timedelta(days=729), NOON + timedelta(minutes=9)])
def test_old_and_slightly_early_times_are_taken(time: object) -> None:
    """Back-fill is welcome, clocks differ."""
    bench = Bench(route())

    out = bench.send(READING, json.dumps({"ac_power": 1, "time": str(time)}))

    assert from_milliseconds(parse(out.parcels[0].line).at_ms) == time
    assert bench.live.refusals == []


def test_documents_that_come_at_once_do_not_merge() -> None:
    """Without times of their own they get arrival times a millisecond apart."""
    bench = Bench(route())

    lines = [bench.send(READING, f'{{"ac_power": {power}}}').parcels[0].line for power in range(5)]

    assert len({parse(line).at_ms for line in lines}) == 5


def test_a_cycle_becomes_one_line_that_settles_all_its_messages() -> None:
    """Three topics, one reading."""
    bench = Bench(route())
    for tail, value in (("day_energy", "1.7"), ("ac/active_power", "412.5"), ("bms/1/soc", "90")):
        bench.send(f"deye/{ALICE_LOGIN}/{tail}", value)

    out = bench.wait(1.0)

    (parcel,) = out.parcels
    assert dict(parse(parcel.line).fields) == {"day_energy": 1.7, "ac_power": 412.5, "x_bms_1_soc": 90.0}
    assert parcel.tokens == [1, 2, 3]


def test_the_family_of_a_device_is_remembered() -> None:
    """Once a hybrid has shown what it is, a part with the total alone is named right too."""
    bench = Bench(route())
    bench.send(f"deye/{ALICE_LOGIN}/ac/total_grid_power", "10")
    bench.wait(1.0)
    bench.send(f"deye/{ALICE_LOGIN}/logger_status", "online")
    bench.send(f"deye/{ALICE_LOGIN}/ac/total_power", "500")

    out = bench.wait(1.0)

    assert dict(parse(out.parcels[0].line).fields) == {"ac_power": 500.0}


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        (f"deye/{ALICE_LOGIN}/reading", "not json", Reason.NOT_JSON),
        (f"deye/{ALICE_LOGIN}/reading", "x" * 1001, Reason.TOO_LARGE),
        (f"deye/{ALICE_LOGIN}/day_energy", "much", Reason.NOT_A_NUMBER),
        (f"deye/{ALICE_LOGIN}/reading", '{"ac_power": 65535}', Reason.IMPLAUSIBLE),
        (f"deye/{ALICE_LOGIN}", "1", Reason.WRONG_TOPIC),
        ("deye/nobody/reading", "1", Reason.WRONG_TOPIC),
    ],
)
def test_what_cannot_be_a_reading_becomes_a_dead_letter_with_a_reason(topic: str, payload: str, reason: Reason) -> None:
    """One letter, one message, one sentence."""
    bench = Bench(route(), route(BOB_LOGIN, serial="2722222222"))

    out = bench.send(topic, payload)

    ((letter, tokens),) = out.letters
    assert (letter.reason, tokens) == (reason, [1])
    assert letter.detail
    assert out.parcels == []
    assert bench.live.readings == []


def test_another_serial_than_the_entered_one_is_a_notice_and_costs_no_reading() -> None:
    """Said until the registry has bound it; whether it is somebody else's plays no part here."""
    bench = Bench(route())

    out = bench.send(READING, '{"ac_power": 1, "serial": "4100000001"}')

    (claimed,) = out.claims
    assert dict(parse(claimed.parcel.line).fields) == {"ac_power": 1.0}
    assert out.letters == []
    assert [reason for _, reason, _ in bench.live.refusals] == [Reason.OTHER_SERIAL]
    assert "4100000001" in bench.live.refusals[0][2]


def test_the_login_of_a_letter_is_the_topics() -> None:
    """The broker has proved it, even where nothing else is known."""
    bench = Bench()

    out = bench.send("deye/nobody/x", "1")

    assert out.letters[0][0].login == ""
    assert Bench(route()).send(READING, "{").letters[0][0].login == ALICE_LOGIN


def test_a_value_set_aside_does_not_cost_its_neighbours() -> None:
    """The rest of the reading is stored, the owner sees what was left away."""
    bench = Bench(route())

    out = bench.send(READING, '{"ac_power": 65535, "day_energy": 1.7}')

    assert dict(parse(out.parcels[0].line).fields) == {"day_energy": 1.7}
    assert bench.live.refusals[0][1] is Reason.IMPLAUSIBLE
    assert "ac_power" in bench.live.refusals[0][2]
    assert bench.counters.values_set_aside == 1


@pytest.mark.parametrize(
    ("tail", "payload", "why"),
    [("status", "online", "state"), ("logger_status", "online", "logger_status"), ("day_energy", "", "empty")],
)
def test_what_is_no_reading_is_settled_and_counted(tail: str, payload: str, why: str) -> None:
    """Outcome (d)."""
    bench = Bench(route())

    out = bench.send(f"deye/{ALICE_LOGIN}/{tail}", payload)

    assert out.settled == [1]
    assert bench.counters.not_readings == Counter({why: 1})


def test_a_retained_message_is_not_a_new_reading() -> None:
    """It may be days old."""
    bench = Bench(route())

    out = bench.send(READING, '{"ac_power": 1}', retained=True)

    assert (out.settled, out.parcels) == ([1], [])


def test_large_discovery_is_no_fault() -> None:
    """The sunsynk add-on sends 22 kB."""
    bench = Bench(route())

    out = bench.send(f"deye/{ALICE_LOGIN}/homeassistant/device/x/config", "{" + "x" * 22_000)

    assert (out.settled, out.letters) == ([1], [])


def test_an_unknown_login_is_asked_for_before_it_is_judged() -> None:
    """The message waits, undecided."""
    out = Bench().send(READING, '{"ac_power": 1}')

    assert [delivery.token for delivery in out.strangers] == [1]
    assert out.letters == []


def test_the_first_reading_of_a_feed_claims_it() -> None:
    """It does not go to the store before the registry knows."""
    out = Bench(route(claim=Claim.PENDING)).send(READING, '{"ac_power": 1}')

    assert out.parcels == []
    assert [claimed.parcel.tokens for claimed in out.claims] == [[1]]


def test_a_login_revoked_in_the_middle_of_a_cycle_stores_nothing_more() -> None:
    """The part that waited becomes a dead letter."""
    bench = Bench(route())
    bench.send(f"deye/{ALICE_LOGIN}/day_energy", "1.7")
    bench.registry.set()

    out = bench.wait(1.0)

    assert _reason(out) is Reason.REVOKED_LOGIN


_TAILS = st.sampled_from(["reading", "day_energy", "ac/active_power", "status", "logger_status", "x/y", "1/ac/freq"])
_PAYLOADS = st.sampled_from(["1", "nan", "", '{"ac_power": 1}', "{", "online", '{"ac_power": 65535}', "x" * 2000])
_LOGINS = st.sampled_from([ALICE_LOGIN, BOB_LOGIN, "nobody"])


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(_LOGINS, _TAILS, _PAYLOADS, st.floats(0, 0.5)), max_size=40))
def test_every_message_is_decided_exactly_once(steps: list[tuple[str, str, str, float]]) -> None:
    """Parcels, claims, letters, strangers and what is no reading share the messages without a rest."""
    bench = Bench(route(), route(BOB_LOGIN, serial="2722222222", claim=Claim.PENDING))
    outs = []
    for login, tail, payload, pause in steps:
        outs += [bench.send(f"deye/{login}/{tail}", payload), bench.wait(pause)]
    last = Decisions()
    bench.pipeline.flush(last)
    for part in last.parts:
        bench.pipeline.take_part(part, last)

    tokens: list[int] = []
    for out in [*outs, last]:
        tokens += out.settled
        tokens += [delivery.token for delivery in out.strangers]
        tokens += [token for _, held in out.letters for token in held]
        tokens += [token for parcel in out.parcels for token in parcel.tokens]
        tokens += [token for claimed in out.claims for token in claimed.parcel.tokens]
    assert sorted(tokens) == list(range(1, len(steps) + 1))
