"""The rest of the table in ``switches``: nobody takes an account over, and nobody keeps its owner out."""

from tests.control import INTEGRATION, control

SESSION_ENDS_TESTS = f"{INTEGRATION}test_session_ends.py::test_"
ADMINISTRATORS_TESTS = f"{INTEGRATION}test_administrators.py::test_"
BUDGET_TESTS = f"{INTEGRATION}test_mail_budget.py::test_"
MAIL_TESTS = f"{INTEGRATION}test_portal_mail.py::test_"
APPOINTING_TESTS = f"{INTEGRATION}test_appointing.py::test_"

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
