"""From delivery to decision, for what comes again or late: repetitions of a home bridge, messages of a backlog."""

from datetime import timedelta

import pytest

from bridge.pipeline import Decisions
from schema.timeseries.line_protocol import parse
from tests.fakes import ALICE_LOGIN, NOON, route
from tests.pipeline_bench import READING, Bench

pytestmark = pytest.mark.unit


def test_values_that_a_home_bridge_repeats_are_no_reading() -> None:
    """Right after its login has connected: yesterday's values, retained there, sent as live ones."""
    roof = route()
    bench = Bench(roof)
    bench.live.known[roof.inverter_id] = ({"ac_power": 412.5, "day_energy": 1.7}, NOON - timedelta(days=1))
    bench.pipeline.login_connected(ALICE_LOGIN, NOON)
    for tail, value in (("day_energy", "1.7"), ("ac/active_power", "412.5")):
        bench.send(f"deye/{ALICE_LOGIN}/{tail}", value)

    out = bench.wait(1.0)

    assert (out.parcels, out.letters, out.settled) == ([], [], [1, 2])
    assert bench.counters.not_readings == {"repeat": 2}
    assert bench.live.readings == []


def test_of_a_burst_the_values_that_have_changed_are_a_reading() -> None:
    """The home broker went on while its bridge was away."""
    roof = route()
    bench = Bench(roof)
    bench.live.known[roof.inverter_id] = ({"ac_power": 412.5, "day_energy": 1.7}, NOON - timedelta(days=1))
    bench.pipeline.login_connected(ALICE_LOGIN, NOON)
    for tail, value in (("day_energy", "1.8"), ("ac/active_power", "412.5")):
        bench.send(f"deye/{ALICE_LOGIN}/{tail}", value)

    (parcel,) = bench.wait(1.0).parcels

    assert dict(parse(parcel.line).fields) == {"day_energy": 1.8}
    assert parcel.tokens == [1, 2]
    assert bench.counters.not_readings == {"repeat": 1}


def test_equal_values_later_on_are_readings() -> None:
    """A steady value is measured again and again."""
    roof = route()
    bench = Bench(roof)
    bench.live.known[roof.inverter_id] = ({"ac_power": 412.5}, NOON)
    bench.pipeline.login_connected(ALICE_LOGIN, NOON - timedelta(minutes=1))

    out = bench.send(READING, '{"ac_power": 412.5}')

    assert len(out.parcels) == 1


def test_a_repetition_with_a_time_of_its_own_is_written_again() -> None:
    """It is the same point."""
    roof = route()
    bench = Bench(roof)
    bench.live.known[roof.inverter_id] = ({"ac_power": 412.5}, NOON)
    bench.pipeline.login_connected(ALICE_LOGIN, NOON)

    out = bench.send(READING, '{"ac_power": 412.5, "time": "2026-06-01T11:59:00Z"}')

    assert len(out.parcels) == 1


@pytest.mark.parametrize(("tail", "payload"), [("ac/active_power", "412.5"), ("reading", '{"ac_power": 412.5}')])
def test_what_had_waited_and_is_taken_up_much_later_has_an_estimated_time(tail: str, payload: str) -> None:
    """A dead letter of a backlog that is replayed: nobody can tell any more when it was measured."""
    bench = Bench(route())
    delivery = bench.session.deliver(f"deye/{ALICE_LOGIN}/{tail}", payload, at=NOON)._replace(backlog=True)
    out = Decisions()

    bench.pipeline.take(delivery, out)
    bench.pipeline.flush(out)
    for part in out.parts:
        bench.pipeline.take_part(part, out)

    (parcel,) = out.parcels
    assert dict(parse(parcel.line).fields) == {"ac_power": 412.5, "time_estimated": 1}
