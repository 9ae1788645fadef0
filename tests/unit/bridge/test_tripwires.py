"""What trips a wire and what does not: two programs, powers that cannot be, wrong clocks, wrong secrets."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from bridge.tripwires import MOST_REMEMBERED, Trip, Wire
from bridge.tripwires import clocks as clocks_wire
from bridge.tripwires import power as power_wire
from bridge.tripwires.clocks import Clocks
from bridge.tripwires.flapping import FAST_TIMES, SPOKEN_IN_EACH_PLACE, TURNS, Flapping
from bridge.tripwires.log_ins import LogIns
from bridge.tripwires.power import Power
from schema.models import NoticeKind
from tests.fakes import ALICE_LOGIN, BOB_LOGIN, NOON

pytestmark = pytest.mark.unit

ROOF = uuid4()
HOME, OFFICE = ("192.168.1.7", "p4, c1, k60"), ("10.0.0.9", "p4, c1, k60")


def test_every_wire_is_a_kind_of_notice() -> None:
    """The table's own words, without the table."""
    assert {wire.value for wire in Wire} < {kind.value for kind in NoticeKind}


def _at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def _tripped(trips: Iterable[Trip | None]) -> list[Trip]:
    return [trip for trip in trips if trip is not None]


def _thrown_out(
    wire: Flapping, who: Iterable[tuple[str, str]], every_s: float, login: str = ALICE_LOGIN
) -> Iterator[Trip | None]:
    """One after the other comes with the login, and each throws out who is there."""
    wire.came(login, *HOME, _at(0))
    for number, (address, program) in enumerate(who, start=1):
        wire.thrown_out(login, _at(number * every_s))
        yield wire.came(login, address, program, _at(number * every_s))


def test_two_programs_that_take_turns_are_found_after_a_few_turns() -> None:
    """However slowly they come back; each further turn is counted."""
    trips = _tripped(_thrown_out(Flapping(), [OFFICE, HOME] * 5, every_s=60))

    assert len(trips) == 2 * 5 - TURNS + 1
    assert trips[0] == Trip(Wire.FLAPPING, ALICE_LOGIN, None, {"times": TURNS, "minutes": 15}, TURNS, _at(300))
    assert [trip.times for trip in trips[1:]] == [1] * 5
    assert not any(trip.quarantine for trip in trips)


def test_two_programs_that_look_alike_are_found_by_their_pace() -> None:
    """Two containers of one kind on one host: five kicks each in ten seconds, as measured."""
    trips = _tripped(_thrown_out(Flapping(), [HOME] * 12, every_s=1))

    assert len(trips) == 12 - FAST_TIMES + 1
    assert trips[0].details == {"times": FAST_TIMES, "minutes": 1}


@pytest.mark.parametrize(
    ("who", "every_s"),
    [
        # A bad line: the broker has not noticed the end of the old connection, again and again.
        ([HOME] * 200, 10),
        # A telephone: another address each time.
        ([(f"100.64.0.{number}", "p4, c1, k60") for number in range(200)], 30),
        # A device that was replaced by another one, or a program by a newer version.
        ([OFFICE] * 20, 60),
        # Two programs that somebody started one after the other, once an hour.
        ([OFFICE, HOME] * 10, 3_600),
    ],
)
def test_who_only_comes_back_is_left_alone(who: list[tuple[str, str]], every_s: float) -> None:
    """A logger that reconnects now and then, or all the time, is no second program."""
    assert _tripped(_thrown_out(Flapping(), who, every_s)) == []


def test_who_connects_for_every_cycle_is_left_alone() -> None:
    """It goes before it comes: nobody is thrown out."""
    wire = Flapping()

    assert _tripped(wire.came(ALICE_LOGIN, *(HOME, OFFICE)[n % 2], _at(n)) for n in range(100)) == []


def test_what_one_login_does_says_nothing_of_another_one() -> None:
    """Bob's programs fight; Alice's logger comes back at the same moments."""
    wire = Flapping()
    trips = []
    for number, (address, program) in enumerate([OFFICE, HOME] * 10):
        at = _at(number)
        wire.thrown_out(BOB_LOGIN, at)
        trips.append(wire.came(BOB_LOGIN, address, program, at))
        trips.append(wire.came(ALICE_LOGIN, *HOME, at))

    assert {trip.login for trip in _tripped(trips)} == {BOB_LOGIN}


def _speaking(wire: Flapping, turns: int, *, home: Iterable[bool], office: Iterable[bool]) -> list[Trip]:
    """Two places take turns every two seconds; in each, devices speak: the login's own (true) or another one."""
    trips = []
    wire.came(ALICE_LOGIN, *HOME, _at(0))
    for number in range(1, turns + 1):
        here = (HOME, OFFICE)[number % 2]
        at = _at(2 * number)
        wire.thrown_out(ALICE_LOGIN, at)
        trips.append(wire.came(ALICE_LOGIN, *here, at))
        for own in office if here is OFFICE else home:
            wire.spoke(ALICE_LOGIN, at + timedelta(seconds=1), own=own)
    return _tripped(trips)


def test_one_login_in_two_places_for_two_devices_is_clear_cut() -> None:
    """At home its own device alone, elsewhere another one alone."""
    trips = _speaking(Flapping(), 20, home=[True], office=[False])
    clear = [trip.quarantine for trip in trips]

    assert True in clear
    # Each had to be heard a few times after it was known that they take turns.
    assert clear.index(True) >= 2 * SPOKEN_IN_EACH_PLACE - 2


@pytest.mark.parametrize(
    ("home", "office"),
    [
        ([True], [True]),  # the same device moved, or one behind two lines
        ([], [False]),  # nobody is at home
        ([True], []),  # who is elsewhere names no device
        ([True], [True, False]),  # a gateway that carries both
        ([True, False], [False]),
    ],
)
def test_two_programs_without_two_devices_are_only_told(home: list[bool], office: list[bool]) -> None:
    """Nobody's readings are set aside for a mistake in a configuration."""
    trips = _speaking(Flapping(), 30, home=home, office=office)

    assert trips
    assert not any(trip.quarantine for trip in trips)


def test_a_message_is_of_the_connection_that_was_there_when_it_came() -> None:
    """A cycle leaves a moment after its first value came: by then the other one may have taken over."""
    wire = Flapping()
    trips = []
    for number in range(1, 41):
        here = (HOME, OFFICE)[number % 2]
        wire.thrown_out(ALICE_LOGIN, _at(number))
        trips.append(wire.came(ALICE_LOGIN, *here, _at(number)))
        # What came half a second ago is decided only now.
        wire.spoke(ALICE_LOGIN, _at(number - 0.5), own=here is OFFICE)

    assert any(trip.quarantine for trip in _tripped(trips))


def _impossible(wire: Power, count: int, every_s: float, *, anybodys: bool = False, start_s: float = 0) -> list[Trip]:
    return _tripped(
        wire.impossible(
            ALICE_LOGIN, ROOF, quantity="ac_power", value=9e6, anybodys=anybodys, at=_at(start_s + number * every_s)
        )
        for number in range(count)
    )


def test_powers_that_cannot_be_are_told_when_they_come_again_and_again() -> None:
    """A glitch now and then is not worth a word."""
    trips = _impossible(Power(), 12, 60)

    assert _impossible(Power(), 50, 600) == []
    assert [trip.times for trip in trips] == [power_wire.TIMES, 1, 1]
    assert (trips[0].wire, trips[0].inverter_id) == (Wire.IMPOSSIBLE_POWER, ROOF)
    assert trips[0].details == {"quantity": "ac_power", "value": 9e6}
    assert not any(trip.quarantine for trip in trips)


def test_half_an_hour_of_nothing_but_nonsense_is_clear_cut() -> None:
    """Beyond any inverter, and not one reading that could be true."""
    trips = _impossible(Power(), 70, 35, anybodys=True)

    assert [trip.quarantine for trip in trips].index(True) == power_wire.IN_A_ROW - power_wire.TIMES


def test_a_rated_power_that_was_mistyped_quarantines_nobody() -> None:
    """600 for 6,000: every noon is impossible then, and the owner is told."""
    trips = _impossible(Power(), 500, 10)

    assert trips
    assert not any(trip.quarantine for trip in trips)


def test_one_power_that_can_be_true_begins_the_count_anew() -> None:
    """Of this login: a gateway's other inverters count as well."""
    wire = Power()
    _impossible(wire, 59, 35, anybodys=True)
    wire.possible(ALICE_LOGIN)
    after = _impossible(wire, 59, 35, anybodys=True, start_s=59 * 35)
    wire.impossible(ALICE_LOGIN, ROOF, quantity="ac_power", value=900.0, anybodys=False, at=_at(5_000))
    after += _impossible(wire, 59, 35, anybodys=True, start_s=5_000)

    assert after
    assert not any(trip.quarantine for trip in after)


def test_sixty_readings_in_a_moment_are_no_half_an_hour() -> None:
    """A burst of a backlog must not shut anybody out."""
    assert not any(trip.quarantine for trip in _impossible(Power(), 500, 1, anybodys=True))


def _told(wire: Clocks, behind: Iterable[timedelta], every_s: float) -> list[Trip]:
    return _tripped(wire.own_time(ALICE_LOGIN, ROOF, one, _at(number * every_s)) for number, one in enumerate(behind))


@pytest.mark.parametrize("hours", [-0.15, 1, 2, -2, 24 * 365 * 30])
def test_a_clock_that_is_steadily_wrong_is_told(hours: float) -> None:
    """An hour of summer time, a time zone, 1970: by how much, with its sign."""
    trips = _told(Clocks(), [timedelta(hours=hours, seconds=jitter % 7) for jitter in range(30)], 60)

    assert len(trips) == 30 - max(clocks_wire.TIMES, 11) + 1
    assert trips[0].times == 11
    assert trips[0].wire is Wire.CLOCK_SKEW
    assert trips[0].details == {"seconds": pytest.approx(-hours * 3_600, abs=10)}


@pytest.mark.parametrize(
    ("behind", "every_s"),
    [
        # A clock that is less wrong than a page shows.
        ([timedelta(minutes=4)] * 100, 60),
        # A backlog of its own, sent as fast as it can.
        ([timedelta(hours=10) - timedelta(seconds=10 * n) for n in range(1_000)], 0.1),
        # The same, an hour late, told in a moment.
        ([timedelta(hours=1)] * 1_000, 0.5),
        # Hourly means that carry the beginning of their hour.
        ([timedelta(hours=1, seconds=5)] * 48, 3_600),
        # A mean of the day so far, every minute.
        ([timedelta(minutes=n) for n in range(6, 1_000)], 60),
        # Old and new in turn.
        ([timedelta(hours=2), timedelta(0)] * 50, 60),
    ],
)
def test_who_sends_old_readings_has_no_wrong_clock(behind: list[timedelta], every_s: float) -> None:
    """Back-fill is welcome."""
    assert _told(Clocks(), behind, every_s) == []


def test_refused_log_ins_are_told_when_there_are_many() -> None:
    """Somebody who types it wrongly a few times is not."""
    wire, patient = LogIns(), LogIns()
    trips = _tripped(wire.refused(ALICE_LOGIN, "9.9.9.9", _at(30 * number)) for number in range(22))
    slow = _tripped(patient.refused(ALICE_LOGIN, "", _at(600 * number)) for number in range(100))

    assert [trip.times for trip in trips] == [20, 1, 1]
    assert trips[0].details == {"times": 20, "address": "9.9.9.9"}
    assert not any(trip.quarantine for trip in trips)
    assert slow == []


def test_no_wire_remembers_more_than_it_may() -> None:
    """A million names fill nobody's memory; who is at it now is not forgotten for those who were."""
    flapping, log_ins, power, clocks = Flapping(), LogIns(), Power(), Clocks()
    for number in range(MOST_REMEMBERED + 500):
        name = f"login {number}"
        flapping.came(name, *HOME, NOON)
        log_ins.refused(name, "", NOON)
        power.impossible(name, uuid4(), quantity="ac_power", value=1.0, anybodys=True, at=NOON)
        clocks.own_time(name, uuid4(), timedelta(hours=1), NOON)

    for memory in (flapping._logins, log_ins._logins, power._inverters, power._rows, clocks._rows):
        assert len(memory) == MOST_REMEMBERED
