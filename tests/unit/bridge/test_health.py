"""When a bridge lives, when it is ready, and what the log is told of it."""

from dataclasses import replace
from uuid import UUID

import pytest

from bridge.alarms import DROPPED_RECENTLY_S, ENDED_AFTER_S, PARKED_LONG_S, RULES, UNWRITTEN_LONG_S, Alarms
from bridge.health import LOOP_STUCK_S, REGISTRY_STALE_S, State, live, ready, worst
from bridge.observed import LanesNow, Observed, Role, SpoolNow, lanes_now

pytestmark = pytest.mark.unit

GIB = 2**30
WELL = Observed(
    role=Role.ACTIVE,
    window_limit=1000,
    subscribed=True,
    spool=SpoolNow(size_bytes=GIB // 10, limit_bytes=GIB),
    disk_free_bytes=50 * GIB,
    disk_floor_bytes=GIB,
    registry_age_s=1.0,
)


def _wrong(seen: Observed) -> dict[str, State]:
    return {name: part.state for name, part in ready(seen).items() if part.state is not State.OK}


def test_a_bridge_with_all_its_parts_is_ready() -> None:
    """Nothing wrong, nobody alarmed."""
    assert _wrong(WELL) == {}
    assert worst(ready(WELL)) is State.OK
    assert Alarms().look(WELL, 1000.0) == []


@pytest.mark.parametrize(
    ("seen", "part", "state"),
    [
        (replace(WELL, subscribed=False), "broker", State.FAILED),
        (replace(WELL, spool_fault="disk I/O error"), "spool", State.FAILED),
        (replace(WELL, spool=SpoolNow(size_bytes=GIB, limit_bytes=GIB)), "spool", State.FAILED),
        (replace(WELL, spool=SpoolNow(size_bytes=GIB * 9 // 10, limit_bytes=GIB)), "spool", State.DEGRADED),
        (replace(WELL, disk_free_bytes=GIB - 1), "disk", State.FAILED),
        (replace(WELL, store_away_s=5.0), "store", State.DEGRADED),
        (replace(WELL, database_fault="OSError"), "database", State.DEGRADED),
        (replace(WELL, registry_age_s=REGISTRY_STALE_S + 1), "database", State.DEGRADED),
        (replace(WELL, live_fault="away"), "live", State.DEGRADED),
        (replace(WELL, ended_tasks=("bridge.keeper",)), "tasks", State.FAILED),
        (replace(WELL, loop_delay_s=LOOP_STUCK_S + 1), "loop", State.FAILED),
    ],
)
def test_a_part_that_is_not_well_is_named_and_judged(seen: Observed, part: str, state: State) -> None:
    """Only what keeps messages from ending durably keeps the bridge from being ready."""
    assert _wrong(seen) == {part: state}
    assert ready(seen)[part].detail
    assert worst(ready(seen)) is state


def test_one_owners_trouble_is_not_the_stores() -> None:
    """A parked destination among others that are served leaves the whole well, and is told of."""
    seen = replace(WELL, lanes=LanesNow(parked=1))

    assert _wrong(seen) == {}
    assert "1 destination" in ready(seen)["store"].detail


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ACTIVE])
def test_a_bridge_that_is_not_active_lives_but_is_not_ready(role: Role) -> None:
    """Standing by, starting and stopping are no faults: whoever restarts on a dead process must leave it alone."""
    seen = Observed(role=role, ended_tasks=("bridge.mqtt",))

    assert worst(live(seen)) is State.OK
    assert _wrong(seen) == {"role": State.FAILED}


class _Lane:
    inverter_id = UUID(int=1)

    def __init__(self, *, waiting: list[float], flight: list[float], parked: bool = False, spooled: int = 0) -> None:
        self.waiting = [_Parcel(since) for since in waiting]
        self.flight = [_Parcel(since) for since in flight]
        self.parked = parked
        self.spooled = spooled


class _Parcel:
    def __init__(self, since: float) -> None:
        self.since = since


def test_lanes_are_counted_and_the_oldest_line_is_found_wherever_it_waits() -> None:
    """Under way before waiting; a lane without lines has no age."""
    lanes = [
        _Lane(waiting=[7.0, 8.0], flight=[5.0]),
        _Lane(waiting=[6.0], flight=[]),
        _Lane(waiting=[], flight=[], parked=True, spooled=12),
    ]

    assert lanes_now(lanes) == LanesNow(waiting=2, in_flight=1, parked=1, spooled=12, oldest_since=5.0)


@pytest.mark.parametrize(
    ("seen", "alarm"),
    [
        (replace(WELL, subscribed=False, broker_away_s=11.0), "broker_away"),
        (replace(WELL, broker_lost=3, broker_lost_s=DROPPED_RECENTLY_S - 1), "broker_dropped"),
        (replace(WELL, in_window=900), "window_full"),
        (replace(WELL, spool=SpoolNow(size_bytes=GIB // 2, limit_bytes=GIB)), "spool_filling"),
        (replace(WELL, spool_fault="disk I/O error"), "spool_unwritable"),
        (replace(WELL, disk_free_bytes=GIB * 3 // 2), "disk_low"),
        (replace(WELL, store_away_s=31.0), "store_away"),
        (replace(WELL, parked_longest_s=PARKED_LONG_S), "parked_long"),
        (replace(WELL, oldest_in_window_s=UNWRITTEN_LONG_S), "unwritten_long"),
        (replace(WELL, database_fault="OSError"), "database_away"),
        (replace(WELL, registry_age_s=REGISTRY_STALE_S), "registry_stale"),
        (replace(WELL, live_fault="away"), "live_rows_away"),
    ],
)
def test_each_state_raises_its_alarm_once_and_ends_it_once(seen: Observed, alarm: str) -> None:
    """However often somebody looks: one line when it begins, one when it has ended."""
    alarms = Alarms()

    told = [alarms.look(seen, float(at)) for at in range(0, 300, 5)]
    ended = [alarms.look(WELL, float(at)) for at in range(300, 400, 5)]

    (began,) = [change for changes in told for change in changes]
    (over,) = [change for changes in ended for change in changes]
    assert (began.name, began.begins, over.name, over.begins) == (alarm, True, alarm, False)
    assert began.detail
    assert over.lasted_s >= 300


def test_a_state_that_comes_and_goes_is_told_of_once() -> None:
    """On and off every five seconds is one alarm, not a hundred lines."""
    alarms, away = Alarms(), replace(WELL, spool_fault="busy")

    told = [
        change for step in range(100) for change in alarms.look(away if step % 2 else WELL, step * (ENDED_AFTER_S / 3))
    ]

    assert [change.begins for change in told] == [True]


def test_a_short_trouble_of_a_patient_rule_is_not_told() -> None:
    """The database may be restarted without anybody being called."""
    alarms, away = Alarms(), replace(WELL, database_fault="OSError")

    told = [change for at in (0.0, 10.0, 20.0) for change in alarms.look(away, at)]
    told += alarms.look(WELL, 40.0)

    assert told == []


def test_a_bridge_that_stands_by_has_no_alarms() -> None:
    """It has no broker, no store and nothing to lose."""
    assert Alarms().look(Observed(role=Role.STANDING_BY, broker_away_s=1e6), 1.0) == []


def test_the_names_of_alarms_are_unique() -> None:
    """They are labels of a metric."""
    assert len({rule.name for rule in RULES}) == len(RULES)
