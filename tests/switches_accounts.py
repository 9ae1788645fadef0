"""The rest of the table in ``switches``: nobody takes an account over, and nobody keeps its owner out."""

from tests.control import INTEGRATION, control

SESSION_ENDS_TESTS = f"{INTEGRATION}test_session_ends.py::test_"
ADMINISTRATORS_TESTS = f"{INTEGRATION}test_administrators.py::test_"
BUDGET_TESTS = f"{INTEGRATION}test_mail_budget.py::test_"
MAIL_TESTS = f"{INTEGRATION}test_portal_mail.py::test_"
APPOINTING_TESTS = f"{INTEGRATION}test_appointing.py::test_"

GUESSING_TESTS = f"{INTEGRATION}test_guard_guessing.py::test_"
THROTTLE_TESTS = "tests/unit/portal/test_throttle.py::test_"

GUESSING = (
    control(
        "an account that is guessed at gets slower",
        "portal.throttle",
        "if standing is Standing.STRANGER:",
        "if False:",
        f"{GUESSING_TESTS}of_many_callers_at_once_one_in_half_a_minute_is_heard",
        f"{THROTTLE_TESTS}an_account_that_is_guessed_at_gets_slower_but_is_never_locked",
    ),
    control(
        "a log-in does not outlast a new password",
        "portal.accounts.at_the_door",
        "if now_is is None or now_is.password_hash != account.password_hash:",
        "if now_is is None:",
        f"{SESSION_ENDS_TESTS}a_log_in_that_was_under_way_does_not_outlast_it",
    ),
    control(
        "who guesses all day gets slower still",
        "portal.throttle",
        "_PACES = ((IN_AN_HOUR, SLOW), (IN_A_DAY, SLOWER))",
        "_PACES = ((IN_AN_HOUR, SLOW),)",
        f"{THROTTLE_TESTS}who_guesses_all_day_gets_slower_still",
    ),
    control(
        "a known browser is no stranger",
        "portal.accounts.at_the_door",
        "if number := known_browsers.number_of(request, key):",
        "if number := None:",
        f"{GUESSING_TESTS}a_browser_that_was_here_before_is_not_slowed_by_strangers",
    ),
    control(
        "nobody makes a mark",
        "portal.accounts.known_browsers",
        "if not compare_digest(proof, _proof(request, start, account)):",
        "if not proof:",
        f"{GUESSING_TESTS}a_mark_is_of_one_account_and_nobody_makes_one",
    ),
    control(
        "a mark has an end",
        "portal.accounts.known_browsers",
        "return parts_of(request).now() - given_at < LIFETIME",
        "return bool(given_at)",
        f"{GUESSING_TESTS}a_mark_is_of_one_account_and_nobody_makes_one",
    ),
    control(
        "a stolen cookie guesses slowly",
        "portal.throttle",
        "return await self.tries.wait(PROOFS, account, now=now)",
        "return NO_WAIT",
        f"{GUESSING_TESTS}a_stolen_cookie_does_not_guess_from_everywhere",
    ),
)

ROUTE_LIMITS_TESTS = f"{INTEGRATION}test_route_limits.py::test_"

ACTS = (
    control(
        "a login's secret wants a fresh log-in",
        "portal.pairing.routes",
        '    "guards": [fresh_enough],\n',
        "",
        f"{INTEGRATION}test_dear_acts.py::test_a_copied_cookie_alone_gets_no_secret_of_a_login",
    ),
    control(
        "what signed-in people send is counted",
        "portal.app",
        "            guards=[limits.not_too_many_acts],\n",
        "",
        f"{ROUTE_LIMITS_TESTS}every_act_asks_how_often",
    ),
    control(
        "what is dear to look at is counted",
        "portal.limits",
        "    await ask(connection, LOOKS_OF_ONE, str(connection.user.account_id))\n",
        "",
        f"{ROUTE_LIMITS_TESTS}what_is_dear_to_look_at_asks_how_often",
        f"{ROUTE_LIMITS_TESTS}one_accounts_looks_are_not_anothers",
    ),
    control(
        "mails that an account causes itself are counted",
        "portal.limits",
        "    await ask(connection, MAILED_ACTS_OF_ONE, str(connection.user.account_id))\n",
        "",
        f"{ROUTE_LIMITS_TESTS}every_act_asks_how_often",
    ),
    control(
        "a full limit is heeded",
        "portal.limits",
        "    if wait > NO_WAIT:\n",
        "    if wait < NO_WAIT:\n",
        f"{ROUTE_LIMITS_TESTS}every_limit_is_heeded",
    ),
)

OWNERS = (
    control(
        "who signed up early is no administrator",
        "portal.accounts.service",
        "unsettled.values(password_hash=password_hash)",
        "unsettled.values(verified_at=None)",
        f"{APPOINTING_TESTS}nobody_becomes_administrator_by_signing_up_early",
    ),
    control(
        "appointing ends links that were mailed before",
        "portal.accounts.service",
        "    for purpose in (TokenPurpose.VERIFY, TokenPurpose.RESET):\n",
        "    for purpose in ():\n",
        f"{APPOINTING_TESTS}nobody_becomes_administrator_by_signing_up_early",
    ),
    control(
        "appointing ends sessions of an address that nobody confirmed",
        "portal.accounts.service",
        "    await sessions.end_all(session, account_id)\n    return True\n",
        "    return True\n",
        f"{APPOINTING_TESTS}no_device_of_an_address_that_nobody_has_confirmed_stays",
    ),
    control(
        "a waiting mail is bound to its row",
        "portal.mail",
        'return f"outbox_mail:{mail_id}"',
        'return "outbox_mail"',
        f"{MAIL_TESTS}a_waiting_mail_opens_in_no_other_row",
    ),
    control(
        "a copied cookie ends with its device",
        "portal.accounts.sessions",
        '{"id": uuid4(), **',
        '{"id": session_id, **',
        f"{SESSION_ENDS_TESTS}a_copied_cookie_ends_with_the_device_it_was_copied_from",
    ),
    control(
        "an administrator who leaves is none to rely on",
        "portal.accounts.administrators",
        "        Account.delete_after.is_(None),\n",
        "",
        f"{ADMINISTRATORS_TESTS}an_administrator_who_leaves_cannot_take_the_last_one_along",
    ),
    control(
        "administrators wait for one another",
        "portal.accounts.administrators",
        ".with_for_update()",
        "",
        f"{ADMINISTRATORS_TESTS}of_two_administrators_who_leave_at_once_one_stays[postgresql]",
    ),
    control(
        "the last mail of the hour is for a new password",
        "portal.mail",
        "of_anybody < MOST_PER_HOUR - 1",
        "of_anybody < MOST_PER_HOUR",
        f"{BUDGET_TESTS}whoever_waits_for_the_confirmation_is_not_left_without_a_link",
    ),
    control(
        "a thief's acts use up no mail of the owner's",
        "portal.mail",
        "        OutboxMail.budget != MailBudget.NONE,\n",
        "",
        f"{BUDGET_TESTS}a_thief_in_the_account_cannot_keep_its_owner_out",
    ),
    control(
        "no cookie in clear where there is HTTPS",
        "schema.settings",
        "and not self.cookie_secure:",
        "and False:",
        "tests/unit/schema/test_settings.py::test_cookies_are_never_sent_in_clear_where_the_portal_is_reached_by_https",
    ),
)
