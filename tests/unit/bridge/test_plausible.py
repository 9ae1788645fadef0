"""Values that cannot be true are set aside and named; everything else passes."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.plausible import Judged, Plausibility
from schema.quantities import CATALOGUE, MAX_EXTRA_PER_INVERTER
from schema.readings import Reading
from tests.fakes import NOON

pytestmark = pytest.mark.unit

ROOF = uuid4()


def _nothing_known(_: UUID) -> tuple[Mapping[str, float], datetime | None]:
    return {}, None


def _judge(
    plausibility: Plausibility, values: Mapping[str, float], *, hours: float = 0.0, rated_power_w: int | None = None
) -> Judged:
    reading = Reading(NOON + timedelta(hours=hours), values, {})
    return plausibility.judge(ROOF, rated_power_w, reading)


def test_values_inside_their_range_pass_unchanged() -> None:
    """A usual reading is not touched."""
    values = {"ac_power": 412.5, "grid_power": -300.0, "temperature": -12.0, "total_energy": 1234.5, "status": 2.0}

    assert _judge(Plausibility(_nothing_known), values) == Judged(values, {}, "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 514.7),
        ("temperature", -100.0),
        ("ac_l1_voltage", 24000.0),
        ("grid_total_import", 32768177.4),
        ("day_energy", -1.0),
        ("ac_power", 65535.0),
        ("grid_power", 65534.0),
        ("status", 7.0),
        ("status", 1.5),
        ("grid_connected", 0.5),
        ("battery_soc", 6553.5),
    ],
)
def test_known_bad_values_are_set_aside_and_named(name: str, value: float) -> None:
    """Each was reported by users of the publishers; the neighbours are kept."""
    judged = _judge(Plausibility(_nothing_known), {name: value, "efficiency": 96.0})

    assert judged.values == {"efficiency": 96.0}
    assert name in judged.aside


def test_a_power_far_beyond_the_rating_is_set_aside() -> None:
    """Only where the rating is known."""
    plausibility = Plausibility(_nothing_known)

    assert _judge(plausibility, {"ac_power": 901.0}, rated_power_w=600).values == {}
    assert _judge(plausibility, {"ac_power": 899.0}, rated_power_w=600).values == {"ac_power": 899.0}
    assert _judge(plausibility, {"ac_power": 901.0}).values == {"ac_power": 901.0}


def test_a_lifetime_counter_that_falls_to_zero_is_set_aside_for_as_long_as_it_does() -> None:
    """At dusk and after restarts loggers send zeros, all night."""
    plausibility = Plausibility(_nothing_known)
    _judge(plausibility, {"total_energy": 1234.5})

    nights = [_judge(plausibility, {"total_energy": 0.0}, hours=hour) for hour in range(1, 13)]
    morning = _judge(plausibility, {"total_energy": 1234.6}, hours=13)

    assert all(night.values == {} and "fell to 0" in night.aside for night in nights)
    assert morning.values == {"total_energy": 1234.6}


def test_a_lifetime_counter_that_jumps_absurdly_is_set_aside() -> None:
    """More than 200 kW for the whole time since the last one."""
    plausibility = Plausibility(_nothing_known)
    _judge(plausibility, {"total_energy": 1000.0})

    assert _judge(plausibility, {"total_energy": 5000.0}, hours=0.1).values == {}
    assert _judge(plausibility, {"total_energy": 1001.0}, hours=0.2).values == {"total_energy": 1001.0}


def test_a_counter_that_goes_on_from_its_new_value_is_believed_in_the_end() -> None:
    """A replaced logger starts again at a small value; ten steady readings convince."""
    plausibility = Plausibility(_nothing_known)
    _judge(plausibility, {"total_energy": 1000.0})

    accepted = [
        bool(_judge(plausibility, {"total_energy": 5.0 + step / 10}, hours=step + 1).values) for step in range(12)
    ]

    assert accepted == [False] * 9 + [True] * 3


def test_a_late_reading_is_not_judged_by_a_newer_one() -> None:
    """Yesterday's document delivered today is smaller, and right."""
    plausibility = Plausibility(_nothing_known)
    _judge(plausibility, {"total_energy": 1000.0}, hours=24)

    assert _judge(plausibility, {"total_energy": 900.0}).values == {"total_energy": 900.0}
    assert _judge(plausibility, {"total_energy": 0.0}, hours=25).values == {}


def test_counters_are_judged_across_a_restart() -> None:
    """What the live row knew is where judging goes on."""
    plausibility = Plausibility(lambda _: ({"total_energy": 1000.0}, NOON))

    assert _judge(plausibility, {"total_energy": 0.0}, hours=1).values == {}


def test_extra_names_are_limited_for_each_inverter() -> None:
    """The names of the first come stay; others are left away."""
    plausibility = Plausibility(_nothing_known)
    many = {f"x_{number}": 1.0 for number in range(MAX_EXTRA_PER_INVERTER + 10)}

    first = plausibility.judge(ROOF, None, Reading(NOON, {}, many))
    again = plausibility.judge(ROOF, None, Reading(NOON, {}, many))
    other = plausibility.judge(uuid4(), None, Reading(NOON, {}, {"x_new": 1.0}))

    assert len(first.extra) == MAX_EXTRA_PER_INVERTER
    assert again.extra == first.extra
    assert other.extra == {"x_new": 1.0}


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.sampled_from(sorted(CATALOGUE)), st.floats(allow_nan=False), max_size=8))
def test_a_value_is_either_kept_or_named(values: dict[str, float]) -> None:
    """Nothing disappears silently."""
    judged = _judge(Plausibility(_nothing_known), values)

    assert judged.values.keys() <= values.keys()
    assert all(name in judged.aside for name in values.keys() - judged.values.keys())
