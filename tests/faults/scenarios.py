"""The table of fault scenarios, and where each of the 20 of the matrix (1 to 20) and the bridge part of the 26 (F) is.

Sources: ``bridge-facts.md`` 4 and ``security-reliability.md`` 3.3. F14's pages and F19 to F24 are the portal's.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from tests.faults import deaths, troubles, weather
from tests.faults.arena import Arena


@dataclass(frozen=True, slots=True)
class Scenario:
    """One fault: its numbers in the matrix, what happens, how many owners publish readings how old (seconds), and
    settings of its own.
    """

    numbers: str
    run: Callable[[Arena], Awaitable[None]]
    owners: int = 3
    ledger_age_s: int = 9_000
    settings: Mapping[str, object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The function's own."""
        return self.run.__name__


SCENARIOS = (
    Scenario("1, F1", deaths.killed_before_the_write),
    Scenario("1, F1", deaths.killed_after_the_write),
    Scenario("1, F1", deaths.killed_amid_acknowledgements),
    Scenario("1, F1", deaths.killed_while_it_spools),
    Scenario("1, F1", deaths.killed_while_it_replays),
    Scenario("2", deaths.stopped_under_load),
    Scenario("16, F11", deaths.the_disk_takes_nothing_more),
    Scenario("1, 16", deaths.killed_while_the_disk_is_full),
    Scenario("16, F11", deaths.the_spool_reaches_its_cap, settings={"spool_max_bytes": 200_000}),
    Scenario("16", deaths.the_end_of_the_log_is_torn),
    Scenario("16", deaths.a_bit_of_a_record_is_flipped),
    Scenario("3, F4", troubles.the_store_refuses_connections),
    Scenario("4", troubles.the_store_falls_silent),
    Scenario("4", troubles.the_stores_answers_are_lost),
    Scenario("11, F5", troubles.the_store_is_slow),
    Scenario("5, F12", troubles.the_store_answers_with_errors),
    Scenario("6, F6", troubles.one_owners_credential_fails),
    Scenario("7, F8, F9", troubles.single_lines_are_refused_for_ever),
    Scenario("8", troubles.a_proxy_takes_only_small_requests),
    Scenario("14, F6", troubles.tokens_are_rotated_again_and_again),
    Scenario("14, F7", troubles.a_bucket_is_deleted_by_hand),
    Scenario("14", troubles.an_inverter_is_deleted_in_mid_stream),
    Scenario("11, F18", weather.the_broker_falls_silent),
    Scenario("11", weather.every_packet_is_late_and_in_pieces),
    Scenario("F16", weather.connections_are_reset_again_and_again),
    Scenario("F16", weather.every_reading_comes_three_times),
    Scenario("17, F15", weather.the_clock_jumps, ledger_age_s=200_000),
    Scenario("17", weather.a_device_lives_in_1970),
    Scenario("19, F3", weather.a_crowd_comes_back_at_once),
    Scenario("F17", weather.the_store_takes_a_twentieth),
    Scenario("F10", weather.one_owner_sends_nothing_but_poison),
    Scenario("20", weather.whatever_comes),
)

# Proved by tests of their own: number, and file with function.
ELSEWHERE = (
    ("1, F1, 200 kills", "test_bridge_kills.py::test_a_bridge_that_is_killed_again_and_again_loses_nothing"),
    ("9", "test_bridge_broker.py::test_a_restarted_broker_loses_nothing_it_has_acknowledged"),
    ("9, F2", "test_broker_kills.py::test_a_killed_broker_loses_no_more_than_its_window"),
    ("10, F17", "test_broker_queue.py::test_what_the_broker_dropped_is_noticed_counted_and_said"),
    ("11, 12", "test_registry_network.py::test_a_half_open_listener_is_replaced_and_none_is_left_over"),
    ("12, F13", "test_bridge_broker.py::test_a_bridge_starts_and_stores_while_the_database_is_away"),
    ("12, F14", "test_bridge_broker.py::test_the_database_may_go_and_come_while_the_bridge_runs"),
    ("13", "test_revocation.py::test_a_serial_that_changes_hands_takes_no_reading_with_it"),
    (
        "15",
        "../hostile/test_raid.py::test_every_hostile_message_is_stored_refused_or_no_reading_and_nothing_else_happens",
    ),
    (
        "18, F25",
        "test_standby.py::test_a_frozen_holder_on_another_host_loses_the_lease_and_writes_nothing_when_it_wakes",
    ),
    ("18, F25", "test_standby.py::test_another_host_takes_over_at_once_when_the_first_one_ends"),
)
