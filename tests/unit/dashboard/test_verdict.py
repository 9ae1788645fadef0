"""The sentence an owner reads first."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from portal.dashboard import verdict
from portal.dashboard.numbers import Numbers, age
from portal.dashboard.verdict import State, Verdict
from schema.models import LiveRow, Rung

pytestmark = pytest.mark.unit
BERLIN, UTC_ZONE = ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")
NUMBERS = Numbers("en")
NOON = datetime(2026, 6, 1, 10, 0, tzinfo=UTC)
EVENING = datetime(2026, 6, 1, 19, 10, tzinfo=UTC)
NIGHT = datetime(2026, 6, 1, 21, 30, tzinfo=UTC)


def row(reading_at: datetime | None, **columns: object) -> LiveRow:
    values = {"inverter_id": uuid4(), "version": 1, "rung": Rung.VALUES_PLAUSIBLE, "values": {"ac_power": 412.0}}
    rest = {"refusal": "", "refusal_detail": "", "refused_at": None, "seen_at": reading_at}
    return LiveRow(**(values | rest | {"reading_at": reading_at} | columns))


def sentence(said: Verdict, now: datetime, zone: ZoneInfo = BERLIN) -> str:
    """As the page puts it together."""
    when = (
        ""
        if said.at is None
        else age((now - said.at).total_seconds())
        if said.ago
        else NUMBERS.moment(said.at, zone, now)
    )
    return f"{said.lead}{said.text}{when}{said.rest}".replace("\u00a0", " ")


def told(found: LiveRow | None, now: datetime, zone: ZoneInfo = BERLIN) -> tuple[State, str]:
    said = verdict.of_inverter(found, zone, now, NUMBERS)
    return said.state, sentence(said, now, zone)


def test_a_fresh_reading_means_working_with_watts_and_age() -> None:
    """The first of the design's three sentences."""
    assert told(row(NOON - timedelta(seconds=18)), NOON) == (State.WORKING, "Working: 412 W, updated 18 s ago.")


def test_silence_that_began_at_dusk_is_sleep() -> None:
    """At night nobody is alarmed."""
    assert told(row(EVENING), NIGHT) == (State.ASLEEP, "Asleep: no data since 21:10, which is normal at night.")


def test_silence_in_daylight_is_trouble_and_says_what_to_check() -> None:
    """Two hours of nothing at noon are not normal."""
    state, text = told(row(NOON - timedelta(hours=2)), NOON)

    assert state is State.SILENT
    assert text == "Silent since 10:00 in daylight: check power, Wi-Fi and the publisher."


def test_silence_that_began_in_daylight_does_not_become_sleep_at_night() -> None:
    """Whoever looks in the evening still learns that it stopped at noon."""
    state, text = told(row(NOON), NIGHT)

    assert (state, text[:18]) == (State.SILENT, "Silent since 12:00")


def test_an_inverter_that_slept_and_did_not_wake_is_noticed_by_day() -> None:
    """The morning after, with the sun well up."""
    state, text = told(row(EVENING), NOON + timedelta(days=1))

    assert state is State.SILENT
    assert "The sun is up" in text


def test_a_zone_without_a_sun_claims_neither_night_nor_day() -> None:
    """With UTC nobody knows where the roof is."""
    state, text = told(row(NOON - timedelta(hours=2)), NOON, UTC_ZONE)

    assert state is State.QUIET
    assert "At night that is normal" in text


@pytest.mark.parametrize("code", [3.0, 4.0])
def test_an_inverter_that_reports_a_fault_is_not_called_working(code: float) -> None:
    """Its own status comes before its watts."""
    state, text = told(row(NOON, values={"ac_power": 0.0, "status": code}), NOON)

    assert state is State.TROUBLE
    assert "The inverter reports" in text


def test_messages_that_are_set_aside_are_told_with_their_reason() -> None:
    """Before the first reading and after the last good one."""
    said = "The message is no JSON document."
    never = row(None, refusal="not_json", refusal_detail=said, refused_at=NOON)
    broken = row(NOON - timedelta(hours=1), refusal="not_json", refusal_detail=said, refused_at=NOON)

    assert told(never, NOON) == (State.REFUSED, f"Almost there: messages arrive, but they are set aside. {said}")
    assert told(broken, NOON) == (State.REFUSED, f"Not understood: the last good reading came at 11:00. {said}")


def test_an_old_refusal_is_history() -> None:
    """A newer good reading has overtaken it."""
    healed = row(NOON, refusal="not_json", refusal_detail="x", refused_at=NOON - timedelta(minutes=1))

    assert told(healed, NOON)[0] is State.WORKING


def test_before_the_first_reading_everyone_waits() -> None:
    """With and without a live row."""
    assert told(None, NOON) == told(row(None), NOON) == (State.WAITING, "Waiting for the first reading.")


def of_all(*rows: tuple[str, LiveRow | None], now: datetime = NOON) -> str:
    said = verdict.of_all(
        [(name, verdict.of_inverter(one, BERLIN, now, NUMBERS)) for name, one in rows], 824.0, NUMBERS
    )
    assert said is not None
    return sentence(said, now)


def test_the_worst_of_several_speaks() -> None:
    """All well, one silent, all asleep, none heard yet."""
    good, silent = row(NOON - timedelta(seconds=4)), row(NOON - timedelta(hours=2))

    assert of_all(("Roof", good), ("Shed", good)) == "All 2 working: 824 W, updated 4 s ago."
    assert of_all(("Roof", good), ("Shed", silent)) == "1 of 2 working: 824 W, updated 4 s ago. Shed: silent."
    asleep = of_all(("Roof", row(EVENING)), ("Shed", row(EVENING)), now=NIGHT)
    assert asleep == "All asleep: no data since 21:10, which is normal at night."
    assert of_all(("Roof", None), ("Shed", None)) == "0 of 2 working: no reading has come in yet."
    assert verdict.of_all([], None, NUMBERS) is None


def test_what_was_given_away_is_no_alarm_and_is_not_counted() -> None:
    """Neither by itself, however long it is silent, nor among others; and alone it says so."""
    long_ago = NOON - timedelta(days=40)
    gone = verdict.of_inverter(row(long_ago), BERLIN, NOON, NUMBERS, given_away_at=long_ago)
    working = verdict.of_inverter(row(NOON), BERLIN, NOON, NUMBERS)
    both = verdict.of_all([("Shed", gone), ("Roof", working)], 412.0, NUMBERS)
    alone = verdict.of_all([("Shed", gone)], None, NUMBERS)

    assert gone.state is State.GONE
    assert sentence(gone, NOON) == "Given away: its readings end at 12:00 on 22 Apr 2026."
    assert both == working
    assert alone is not None
    assert sentence(alone, NOON) == "All given away."
