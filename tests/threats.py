"""Where each threat and each fault of the accounts, the bridge and the broker is tried. Only a table.

Numbers are those of the threat list (T1 to T35) and of the list of faults (F1 to F26); the bridge's own faults have a
table of their own in ``faults/scenarios.py``. Places are file and function below ``tests/``.
"""

from collections.abc import Mapping

_I, _U, _F, _H, _E = "integration/", "unit/", "faults/", "hostile/", "end_to_end/"
_SURVIVES, _SWEEPS = f"{_H}test_pipeline_survives.py::", f"{_I}test_collector_sweeps.py::"

# What somebody might try, and the tests that fail when it works.
THREATS: Mapping[str, tuple[str, ...]] = {
    "T1": (  # finding out which serials there are
        f"{_I}test_guard_neutral.py::test_nobody_learns_which_serial_is_taken",
        f"{_I}test_guard_limits.py::test_serials_can_be_tried_twenty_times_an_hour_and_sixty_from_one_address",
        f"{_I}test_serials.py::test_asking_for_a_serial_tells_nothing",
        f"{_U}bridge/test_claims.py::test_a_serial_is_answered_the_same_whoever_else_has_it",
    ),
    "T2": (  # claiming somebody's device
        f"{_I}test_threats.py::test_whoever_has_typed_a_serial_first_sees_nothing_of_its_device",
        f"{_I}test_bridge_refusals.py::test_a_serial_claimed_twice_is_disputed_and_both_keep_their_watts",
        f"{_I}test_bridge_refusals.py::test_who_claims_a_loggers_serial_shuts_its_owner_out_of_nothing",
    ),
    "T3": (  # speaking for somebody else, by a will too
        f"{_I}test_broker_rules.py::test_a_login_writes_below_its_own_name_and_nowhere_else",
        f"{_I}test_broker_rules.py::test_a_will_is_bound_to_the_login_like_any_message",
        f"{_I}test_bridge_refusals.py::test_two_owners_see_nothing_of_each_other",
    ),
    "T4": (f"{_I}test_broker_rules.py::test_a_login_reads_nothing_not_even_its_own",),
    "T5": (  # throwing others out by their client id
        f"{_I}test_broker_rules.py::test_a_thousand_connects_with_her_client_id_do_not_drop_alice",
        f"{_I}test_broker_rules.py::test_the_bridges_client_id_is_of_no_use_to_a_login",
        f"{_E}test_whole_path.py::test_a_stranger_who_names_the_bridges_client_id_ends_nothing",
    ),
    "T6": (  # filling the broker with retained messages
        f"{_F}test_broker_queue.py::test_a_flood_of_retained_messages_is_an_alarm",
        f"{_I}test_broker_retained.py::test_retained_messages_go_and_those_that_wait_stay",
        f"{_I}test_bridge_refusals.py::test_a_retained_value_from_before_is_not_a_reading",
    ),
    "T7": (  # writing into somebody's bucket
        f"{_I}test_threats.py::test_no_payload_is_written_to_whom_it_names",
        f"{_H}test_pipeline_survives.py::test_ten_thousand_payloads_that_name_a_neighbours_serial_write_nothing_of_his",
        f"{_F}test_bridge_store.py::test_each_reading_goes_to_its_own_bucket_with_its_own_token",
    ),
    "T8": (  # reading what is somebody else's
        f"{_I}test_matrix.py::test_looking_is_for_whom_the_table_says_and_changes_nothing",
        f"{_E}test_whole_path.py::test_bob_sees_and_writes_nothing_of_alices",
    ),
    "T9": (f"{_H}test_decoder_and_encoder.py::test_50_000_hostile_texts_become_one_point_or_none",),
    "T10": (  # Flux in a range or a name
        f"{_U}portal/test_nothing_typed_is_flux.py::test_no_range_day_or_quantity_takes_it",
        f"{_U}portal/test_nothing_typed_is_flux.py::test_a_script_holds_only_what_is_ours",
    ),
    "T11": (f"{_H}test_decoder_and_encoder.py::test_what_json_readers_stumble_over_is_refused_by_name",),
    "T12": (
        f"{_H}test_decoder_and_encoder.py::test_a_time_is_taken_up_to_the_boundary_and_not_a_second_beyond",
        f"{_U}bridge/test_tripwires.py::test_a_clock_that_is_steadily_wrong_is_told",
    ),
    "T13": (  # playing a message again
        f"{_I}test_threats.py::test_the_same_message_a_hundred_times_is_one_point",
        f"{_F}weather.py::every_reading_comes_three_times",
    ),
    "T14": (  # connections by the thousand
        f"{_F}test_broker_floods.py::test_thousands_of_silent_connections_keep_nobody_out",
        f"{_F}test_broker_floods.py::test_the_bridge_comes_in_when_every_loggers_place_is_taken",
    ),
    "T15": (  # guessing a login's secret
        f"{_F}test_broker_floods.py::test_guessing_at_full_speed_disturbs_nobody",
        f"{_F}test_broker_floods.py::test_fail2ban_shuts_a_guesser_out_within_ten_seconds_and_nobody_else",
    ),
    "T16": (f"{_I}test_guard_limits.py::test_a_list_of_stolen_passwords_gets_five_looks",),
    "T17": (f"{_I}test_guard_neutral.py::test_nobody_learns_who_has_an_account",),
    "T18": (
        f"{_I}test_guard_limits.py::test_hundreds_of_requests_are_three_mails",
        f"{_I}test_guard_limits.py::test_a_restart_forgives_no_mail_either",
    ),
    "T19": (  # forms of other sites
        f"{_I}test_matrix.py::test_no_form_is_taken_that_our_page_did_not_send",
        f"{_I}test_gate.py::test_a_form_of_another_site_is_refused_even_with_a_right_token",
    ),
    "T20": (  # scripts in names
        f"{_I}test_portal_pages.py::test_names_are_text_on_every_page",
        "browser/test_scripting.py::test_no_text_becomes_more_than_text",
    ),
    "T21": (  # having us ask addresses of their choice: nobody can name one
        f"{_I}test_guard_mass_assignment.py::test_no_route_writes_what_it_did_not_ask_for",
        f"{_I}test_compose.py::test_nobody_outside_reaches_the_stores",
    ),
    "T22": (
        f"{_I}test_guard_mass_assignment.py::test_no_model_takes_a_column_that_is_no_field_of_its",
        f"{_I}test_guard_mass_assignment.py::test_no_route_writes_what_it_did_not_ask_for",
    ),
    "T23": (  # being sent elsewhere, forged hosts
        f"{_I}test_guard_proxies.py::test_a_forged_host_never_gets_into_a_mail",
        f"{_I}test_controls.py::test_nobody_is_sent_elsewhere_by_logging_in",
    ),
    "T24": (
        f"{_I}test_guard_limits.py::test_a_thousand_spoofed_headers_are_one_caller",
        f"{_I}test_guard_proxies.py::test_who_is_no_trusted_proxy_cannot_say_where_a_request_comes_from",
    ),
    "T25": (  # tokens that are worth more or live longer than they should
        f"{_I}test_portal_sessions.py::test_forged_tokens_open_nothing",
        f"{_I}test_session_ends.py::test_what_ends_the_sessions_ends_them_all",
    ),
    "T26": (
        f"{_I}test_matrix.py::test_looking_is_for_whom_the_table_says_and_changes_nothing",
        f"{_I}test_fresh.py::test_an_old_log_in_is_asked_for_the_password_and_comes_back",
    ),
    "T27": (
        f"{_I}test_guard_secrets.py::test_no_secret_is_read_where_it_does_not_belong",
        f"{_I}test_guard_secrets_between.py::test_no_secret_is_read_where_people_deal_with_each_other",
        f"{_F}test_bridge_secrets.py::test_no_secret_is_in_anything_a_bridge_says_or_leaves",
    ),
    "T28": (  # harvesting write tokens
        f"{_SWEEPS}test_a_thousand_serials_raise_the_alarm_within_a_minute_and_give_away_thirty_at_most",
        f"{_I}test_collector_keys.py::test_a_collectors_key_opens_its_three_addresses_and_nothing_else",
        f"{_I}test_collector_walk.py::test_a_collector_asks_writes_and_tells_with_the_commands_of_the_document",
        f"{_I}test_portal_collectors.py::test_nobody_else_reads_tokens",
        f"{_I}test_portal_collectors.py::test_an_administrator_reads_tokens_only_where_the_settings_allow_it",
    ),
    "T29": (  # deleting with a write token
        f"{_I}test_front.py::test_a_stolen_write_token_adds_readings_and_deletes_none",
        f"{_I}test_compose.py::test_nobody_outside_reaches_the_stores",
    ),
    "T30": (
        f"{_U}standalone/test_child_secrets.py::test_only_the_provisioner_is_told_the_operator_token",
        f"{_I}test_compose.py::test_only_the_provisioner_holds_the_operator_token",
        f"{_I}test_guard_secrets.py::test_the_portals_settings_have_no_place_for_the_operator_token",
        f"{_I}test_stolen_tokens.py::test_each_process_can_do_its_own_work_at_influxdb_and_no_other",
    ),
    "T31": (
        f"{_I}test_guard_secrets.py::test_a_stolen_database_opens_nothing",
        f"{_I}test_stolen_tokens.py::test_a_stolen_database_opens_no_store",
        f"{_I}test_collector_keys.py::test_nothing_in_the_database_opens_the_door",
    ),
    "T32": (  # a logger that was stolen or sold
        f"{_I}test_serials.py::test_what_was_given_away_stays_to_be_read_and_its_serial_is_free",
        f"{_F}test_revocation.py::test_a_serial_that_changes_hands_takes_no_reading_with_it",
        f"{_E}test_whole_path.py::test_a_revoked_login_is_refused_at_once_and_closed_within_ten_seconds",
    ),
    "T33": (  # commanding a device
        f"{_I}test_threats.py::test_no_rule_lets_a_login_read_or_anybody_write_what_a_device_may_read",
        f"{_I}test_broker_rules.py::test_the_bridge_writes_nothing_but_its_marker",
        f"{_I}test_broker_self_check.py::test_each_rule_that_is_switched_off_is_named",
    ),
    "T34": (  # a bridge that was taken over
        f"{_I}test_bridge_role.py::test_the_bridge_reads_nobodys_secrets",
        f"{_I}test_bridge_role.py::test_the_bridge_moves_no_reading_and_lets_nobody_in",
        f"{_I}test_compose.py::test_the_bridge_reaches_the_database_as_itself",
        f"{_I}test_broker_rules.py::test_the_bridge_writes_nothing_but_its_marker",
    ),
    "T35": (  # the same twice at once
        f"{_I}test_guard_limits.py::test_fifty_sign_ups_at_once_are_one_account",
        f"{_I}test_same_acts.py::test_equal_forms_are_one_act",
        f"{_I}test_claim_races.py::test_of_two_who_claim_at_once_one_holds_the_serial",
    ),
}

# The portal's and the provisioner's faults; the bridge's are in ``faults/scenarios.py``.
FAULTS: Mapping[str, tuple[str, ...]] = {
    "F6": (  # a token that does not work any more
        f"{_F}troubles.py::one_owners_credential_fails",
        f"{_F}troubles.py::tokens_are_rotated_again_and_again",
        f"{_I}test_renewed_tokens.py::test_a_token_that_does_not_work_any_more_is_renewed",
    ),
    "F7": (  # a bucket that somebody deleted
        f"{_F}troubles.py::a_bucket_is_deleted_by_hand",
        f"{_I}test_reconciler.py::test_a_deleted_bucket_is_made_anew_and_its_owner_told",
    ),
    "F21": (  # a provisioner killed after each of its steps
        f"{_I}test_provisioner_kills.py::test_places_are_made_by_whoever_comes_after",
        f"{_I}test_provisioner_kills.py::test_what_leaves_is_erased_by_whoever_comes_after",
        f"{_I}test_provisioner_passwords.py::test_killed_between_the_two_files_the_next_run_asks_for_the_reload",
    ),
    "F22": (  # another secret while everybody publishes
        f"{_I}test_secret_rotation.py::test_another_secret_ends_the_old_one_and_drops_nobody_else",
    ),
    "F26": (  # a password file that is torn, empty or short
        f"{_I}test_provisioner_passwords.py::test_logins_that_vanish_without_a_revocation_keep_the_present_file",
        f"{_I}test_provisioner_passwords.py::test_a_broken_verifier_in_the_database_costs_only_its_own_login",
        f"{_I}test_secret_rotation.py::test_a_torn_password_file_is_made_whole_and_the_broker_lives",
    ),
}
