"""Energy of a day: counters first, mended where they fell, silent where nothing was measured."""

from datetime import UTC, date, datetime, timedelta

import pytest

from portal.dashboard import energy
from portal.dashboard.days import Day
from portal.dashboard.energy import DayEnergy, EnergySource
from schema.timeseries.port import CounterDay, Sample

pytestmark = pytest.mark.unit
START = datetime(2026, 6, 1, tzinfo=UTC)
DAY = Day(date(2026, 6, 1), START, START + timedelta(days=1))
LATER = DAY.end + timedelta(days=3)


def sample(hour: float, value: float) -> Sample:
    return Sample(START + timedelta(hours=hour), value)


def counter(
    before: Sample | None, first: Sample | None, last: Sample | None, maximum: float | None = None
) -> CounterDay:
    top = maximum if maximum is not None else (last.value if last else None)
    return CounterDay(DAY.start, DAY.end, before, first, last, top)


def test_a_day_is_what_the_counter_gained_since_the_evening_before() -> None:
    """From 1000.0 yesterday evening to 1012.4 tonight are 12.4 kWh, whatever the first value of the morning was."""
    found = energy.from_counter(DAY, counter(sample(-3, 1000.0), sample(6, 1000.1), sample(21, 1012.4)), LATER)

    assert found.kwh == pytest.approx(12.4)
    assert (found.source, found.repairs) == (EnergySource.COUNTER, ())
    assert found.coverage == pytest.approx(21 / 24)


def test_the_first_day_begins_at_its_first_reading() -> None:
    """Without an evening before nothing earlier is claimed, and the coverage says so."""
    found = energy.from_counter(
        DAY, counter(None, sample(12, 500.0), sample(18, 504.0)), DAY.start + timedelta(hours=18)
    )

    assert found.kwh == pytest.approx(4.0)
    assert found.coverage == pytest.approx(6 / 18)


def test_a_day_without_a_reading_is_unknown_and_not_zero() -> None:
    """Silence is not a measurement."""
    found = energy.from_counter(DAY, counter(sample(-3, 1000.0), None, None), LATER)

    assert (found.kwh, found.source, found.coverage) == (None, EnergySource.NOTHING, 0.0)


def test_a_zero_at_wake_up_is_not_a_day_of_a_thousand_kilowatt_hours() -> None:
    """Some loggers show 0 before they have asked the inverter (features.md section 3, no. 2)."""
    found = energy.from_counter(DAY, counter(sample(-3, 1000.0), sample(6, 0.0), sample(21, 1012.4), 1012.4), LATER)
    without_evening = energy.from_counter(DAY, counter(None, sample(6, 0.0), sample(21, 1012.4), 1012.4), LATER)

    assert found.kwh == pytest.approx(12.4)
    assert without_evening.kwh is None
    assert "jumped" in without_evening.repairs[0]


def test_a_counter_that_restarts_during_the_day_loses_nothing_and_says_so() -> None:
    """1000 to 1008 before the restart, 0 to 3.5 after it: 11.5 kWh, with a note."""
    found = energy.from_counter(DAY, counter(sample(-3, 1000.0), sample(6, 1000.0), sample(21, 3.5), 1008.0), LATER)

    assert found.kwh == pytest.approx(11.5)
    assert found.repairs == ("The counter started again during the day.",)


def test_a_counter_that_restarts_overnight_counts_from_its_first_value() -> None:
    """Yesterday 1000.0, today 0.2 to 6.2: six kilowatt-hours, with a note."""
    found = energy.from_counter(DAY, counter(sample(-3, 1000.0), sample(6, 0.2), sample(21, 6.2)), LATER)

    assert found.kwh == pytest.approx(6.0)
    assert found.repairs == ("The counter started again since the day before.",)


def test_another_devices_past_is_not_this_days_energy() -> None:
    """A replaced inverter brings a counter of its own: what it counted elsewhere is not credited."""
    found = energy.from_counter(DAY, counter(sample(-3, 9000.0), sample(6, 9000.0), sample(21, 4000.0), 9003.0), LATER)

    assert found.kwh == pytest.approx(3.0)


def test_a_zero_in_the_evening_before_does_not_become_a_day_of_its_own() -> None:
    """The wrong zero is left out and named."""
    found = energy.from_counter(DAY, counter(sample(-3, 0.0), sample(6, 1000.0), sample(21, 1012.4)), LATER)

    assert found.kwh == pytest.approx(12.4)
    assert "0 the evening before" in found.repairs[0]


def test_what_came_in_over_days_of_silence_is_named_and_given_to_no_day() -> None:
    """Three days without a reading: their energy is real, but of no single day."""
    found = energy.from_counter(DAY, counter(sample(-72, 1000.0), sample(6, 1030.0), sample(21, 1042.4)), LATER)

    assert found.kwh == pytest.approx(12.4)
    assert found.repairs == ("30.0 kWh came in while nothing was received; they belong to no single day.",)


def test_an_outage_over_night_is_credited_to_the_day_it_ended_on() -> None:
    """From four in the afternoon to eight in the morning: the counter went on, and its gain is not lost."""
    found = energy.from_counter(DAY, counter(sample(-8, 1000.0), sample(8, 1003.0), sample(21, 1012.4)), LATER)

    assert found.kwh == pytest.approx(12.4)
    assert found.repairs == ()


def test_a_day_counter_that_starts_again_late_does_not_repeat_yesterday() -> None:
    """Until the logger wakes it shows yesterday's 9.9; the day's own value is its last one."""
    found = energy.from_day_counter(DAY, counter(sample(-3, 9.9), sample(6, 9.9), sample(21, 4.2), 9.9), LATER)

    assert (found.kwh, found.source) == (4.2, EnergySource.DAY_COUNTER)


def test_a_day_counter_that_never_starts_again_counts_only_its_gain() -> None:
    """Without internet time it runs on: 9.9 to 14.1 is a day of 4.2."""
    found = energy.from_day_counter(DAY, counter(sample(-3, 9.9), sample(6, 9.9), sample(21, 14.1)), LATER)

    assert found.kwh == pytest.approx(4.2)
    assert any("midnight" in repair for repair in found.repairs)


def test_power_is_not_guessed_over_a_long_silence() -> None:
    """Two hours of 600 W around three hours of silence are 1.2 kWh, not three, and cover two fifths."""
    hour = timedelta(hours=1)
    noon = [(START + 10 * hour + timedelta(minutes=5 * step), 600.0) for step in range(12)]
    evening = [(START + 14 * hour + timedelta(minutes=5 * step), 600.0) for step in range(12)]

    found = energy.from_power(DAY, [*noon, *evening], 300)

    assert found.kwh == pytest.approx(1.2)
    assert found.coverage == pytest.approx(2 / 5)
    assert found.estimated


def test_power_bridges_a_pause_of_a_few_minutes() -> None:
    """A publisher that sends on change leaves windows empty: ten minutes at a steady 600 W are counted."""
    windows = [(START, 600.0), (START + timedelta(minutes=15), 600.0)]

    assert energy.from_power(DAY, windows, 300).kwh == pytest.approx(0.2)


def test_what_an_inverter_draws_at_night_is_not_production() -> None:
    """Minus five watts of stand-by do not eat the day's energy."""
    windows = [(START, -5.0), (START + timedelta(minutes=5), -5.0)]

    assert energy.from_power(DAY, windows, 300).kwh == 0.0


def test_the_best_source_that_knows_a_value_wins_and_keeps_the_notes_before_it() -> None:
    """The counter's refusal stays visible beside the weaker value."""
    refused = energy.unknown(DAY.date, "The counter jumped.")
    estimated = DayEnergy(DAY.date, 1.2, EnergySource.POWER, 0.5, ("Estimated.",))

    found = energy.best(refused, estimated)

    assert (found.kwh, found.source) == (1.2, EnergySource.POWER)
    assert found.repairs == ("The counter jumped.", "Estimated.")
    assert energy.best(refused, energy.unknown(DAY.date)) is refused


def test_a_sleeping_inverter_does_not_shrink_the_sum() -> None:
    """Each inverter's own day is added; one that knows nothing adds nothing and takes nothing."""
    days = [DayEnergy(DAY.date, kwh, EnergySource.COUNTER, 1.0) for kwh in (1.5, 2.5)]

    assert energy.total([*days, energy.unknown(DAY.date)]) == 4.0
    assert energy.total([energy.unknown(DAY.date)]) is None
