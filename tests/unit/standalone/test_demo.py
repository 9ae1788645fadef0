"""The demo's sun and inverters: day follows the sun, energy follows power, what is bought and sold adds up."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from portal.dashboard.sun import Place, elevation, place_of
from schema.quantities import CATALOGUE
from standalone import publishers
from standalone.devices import State, Surroundings, Values, advance
from standalone.sun import ZONES, Sky, sunny_zone

pytestmark = pytest.mark.unit
NAIROBI = Place(-1.3, 36.8)
ZONE = ZoneInfo("Africa/Nairobi")
MIDNIGHT = datetime(2026, 6, 1, 0, 0, tzinfo=ZONE).astimezone(UTC)
AROUND = Surroundings(Sky(NAIROBI, "seed").light, ZONE)


def _day(kind: str, every: timedelta = timedelta(minutes=1)) -> list[Values]:
    state = State(at=MIDNIGHT)
    return [advance(kind, state, MIDNIGHT + every * turn, AROUND) for turn in range(1, timedelta(days=1) // every)]


def _number(values: Values, name: str) -> float:
    return float(values.get(name, 0.0))


@pytest.mark.parametrize("hour", range(24))
def test_somewhere_it_is_day_whenever_a_newcomer_starts(hour: int) -> None:
    """At every hour of a summer and a winter day the chosen house has sun now and in three hours."""
    for now in (datetime(2026, 6, 21, hour, tzinfo=UTC), datetime(2026, 12, 21, hour, tzinfo=UTC)):
        place = place_of(sunny_zone(now))

        assert place is not None
        assert min(elevation(place, now), elevation(place, now + timedelta(hours=3))) > 10


def test_every_zone_of_the_demo_has_a_place() -> None:
    """The dashboard tells night from trouble by the same place."""
    assert [zone for zone in ZONES if place_of(zone) is None] == []


def test_there_is_no_light_at_night_and_most_of_it_around_noon() -> None:
    """Clouds take from the light and never add to it."""
    light = [AROUND.light(MIDNIGHT + timedelta(minutes=10 * slot)) for slot in range(144)]

    assert light[:33] == [0.0] * 33
    assert max(light) == max(light[60:90])
    assert 0.2 < max(light) <= 1.0


def test_the_same_seed_makes_the_same_weather() -> None:
    """A restarted demo goes on under the same sky; another inverter has other clouds."""
    at = MIDNIGHT + timedelta(hours=9)

    assert Sky(NAIROBI, "a").light(at) == Sky(NAIROBI, "a").light(at)
    assert Sky(NAIROBI, "a").light(at) != Sky(NAIROBI, "b").light(at)


@pytest.mark.parametrize("kind", ["micro", "string"])
def test_the_days_energy_is_the_sum_of_the_power_shown(kind: str) -> None:
    """What the counter gained is what the curve shows, to the counter's own resolution."""
    day = _day(kind)

    summed = sum(_number(values, "ac_power") for values in day) / 60 / 1000
    counted = max(_number(values, "day_energy") for values in day)

    assert counted == pytest.approx(summed, abs=0.11)
    assert counted > 1.0


@pytest.mark.parametrize("kind", ["micro", "string", "hybrid"])
def test_counters_never_fall_and_day_counters_begin_again_at_local_midnight(kind: str) -> None:
    """Lifetime counters only rise; at midnight in the house's zone the day's start from nothing."""
    state = State(at=MIDNIGHT)
    shown = [advance(kind, state, MIDNIGHT + timedelta(minutes=15 * turn), AROUND) for turn in range(1, 192)]
    totals = [_number(values, "total_energy") for values in shown if values]

    assert totals == sorted(totals)
    assert state.counters["total_energy"] > 1.5 * state.counters["day_energy"] > 0


def test_the_home_with_a_battery_balances_at_every_minute() -> None:
    """Panels, battery and grid together give what the home draws, and the battery stays within its limits."""
    for values in _day("hybrid"):
        balance = sum(_number(values, name) for name in ("dc_power", "battery_power", "grid_power"))

        assert balance == pytest.approx(_number(values, "load_power"), abs=0.3)
        assert 9.9 <= _number(values, "battery_soc") <= 100.0


@pytest.mark.parametrize("kind", ["micro", "string", "hybrid"])
def test_every_value_is_one_the_catalogue_knows_and_believes(kind: str) -> None:
    """Names of the catalogue, inside its plausible ranges: the bridge sets nothing of the demo aside."""
    for values in _day(kind, timedelta(minutes=30)):
        for name, value in values.items():
            quantity = CATALOGUE[name]
            assert isinstance(value, str) or quantity.low <= value <= quantity.high, (name, value)


def test_the_micro_speaks_one_number_per_topic_and_the_others_a_document() -> None:
    """The three ways real publishers have are all shown."""
    noon = _day("micro", timedelta(hours=12))[0]
    home = _day("hybrid", timedelta(hours=12))[0]

    scalars = publishers.live("micro", "AAAAAAAA22", noon)
    documents = publishers.live("hybrid", "BBBBBBBB33", home)

    assert ("deye/AAAAAAAA22/ac/active_power", str(noon["ac_power"])) in scalars
    assert len(scalars) == 13
    assert [topic for topic, _ in documents] == ["deye/BBBBBBBB33/reading"]
    assert publishers.live("micro", "AAAAAAAA22", {}) == []
