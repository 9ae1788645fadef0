"""The rest of the table in ``switches``: passwords, sessions, mailed tokens, second factor and API keys."""

from tests.control import (
    ACCOUNTS_TESTS,
    CONTROLS_TESTS,
    FACTOR_TESTS,
    INTEGRATION,
    KEYS_TESTS,
    SESSIONS_TESTS,
    UNIT,
    control,
)

PASSWORDS = (
    control(
        "what is tried first is refused",
        "portal.accounts.guessable",
        'return None if result["guesses"] >= FEWEST_GUESSES else',
        "return None if True else",
        f"{UNIT}test_guessable.py::test_a_refusal_says_why",
    ),
    control(
        "no password from the own address",
        "portal.accounts.guessable",
        'return _said(_SENTENCES["user_inputs"])',
        "pass",
        f"{UNIT}test_guessable.py::test_nobodys_password_is_made_of_their_address",
    ),
    control(
        "forms ask about the password",
        "portal.accounts.forms",
        "    if reason := guessable.refused_because(password):\n",
        "    if reason := None:\n",
        f"{UNIT}test_guessable.py::test_every_form_that_sets_a_password_refuses_them",
    ),
    control(
        "no password keeps the portal busy",
        "portal.accounts.guessable",
        "most = _WINDOW if len(_SIGNS.intersection(text)) <= _MOST_SIGNS else _MOST_SIGNS",
        "most = 60",
        f"{UNIT}test_guessable.py::test_no_password_keeps_the_portal_busy",
    ),
    control(
        "one spelling",
        "portal.accounts.guessable",
        'return unicodedata.normalize("NFKC", password)',
        "return password",
        f"{UNIT}test_guessable.py::test_one_password_fits_however_a_keyboard_writes_it",
    ),
    control(
        "hashing is done in a thread",
        "portal.accounts.passwords",
        "await to_thread.run_sync(self._profile.verify, stored, normalised(password), limiter=self._turns)",
        "self._profile.verify(stored, normalised(password))",
        f"{INTEGRATION}test_guard_neutral.py::test_hashing_leaves_the_loop_free",
    ),
    control(
        "two hashes at once at most",
        "portal.accounts.passwords",
        "AT_ONCE = 2",
        "AT_ONCE = 50",
        f"{INTEGRATION}test_guard_neutral.py::test_many_log_ins_at_once_hash_two_by_two",
    ),
    control(
        "nobody's password costs as much",
        "portal.accounts.passwords",
        "            await self._compare(await self.nobodys_hash(), password)\n",
        "",
        f"{CONTROLS_TESTS}an_address_without_an_account_costs_a_comparison_too",
    ),
)

SESSIONS = (
    control(
        "a page's token counts in its cookie alone",
        "portal.auth",
        "        cookie = connection.cookies.get(self.auth_cookie_key)\n",
        "        cookie = connection.cookies.get(self.auth_cookie_key)"
        ' or connection.headers.get("authorization", "")[7:]\n',
        f"{CONTROLS_TESTS}a_pages_token_belongs_into_the_cookie_and_nowhere_else",
    ),
    control(
        "a page's token names its audience",
        "portal.auth",
        "            accepted_audiences=[Audience.PAGE],\n",
        "",
        f"{CONTROLS_TESTS}a_pages_token_names_pages_as_its_audience",
    ),
    *(
        control(
            f"a session is asked for its {what}",
            "portal.accounts.sessions",
            text,
            "",
            f"{CONTROLS_TESTS}a_session_counts_for_its_own_audience_account_and_device",
        )
        for what, text in (
            ("audience", "            LoginSession.audience == audience,\n"),
            ("device", "            LoginSession.id == session_id,\n"),
        )
    ),
    control(
        "a session has an end",
        "portal.accounts.sessions",
        "            LoginSession.audience == audience,\n            LoginSession.expires_at > now,\n",
        "            LoginSession.audience == audience,\n",
        f"{CONTROLS_TESTS}a_session_counts_for_its_own_audience_account_and_device",
    ),
    control(
        "an unconfirmed address opens nothing",
        "portal.accounts.sessions",
        "            Account.verified_at.is_not(None),\n",
        "",
        f"{CONTROLS_TESTS}an_address_that_is_no_longer_confirmed_opens_nothing",
    ),
    control(
        "a disabled account opens nothing",
        "portal.accounts.sessions",
        "            Account.disabled_at.is_(None),\n",
        "",
        f"{CONTROLS_TESTS}a_disabled_account_opens_nothing_whatever_sessions_it_has",
    ),
    control(
        "log-out ends the session",
        "portal.accounts.sessions",
        "    statement = delete(LoginSession)"
        ".where(LoginSession.account_id == account_id, LoginSession.id == session_id)\n",
        "    statement = delete(LoginSession).where(LoginSession.account_id == session_id)\n",
        f"{SESSIONS_TESTS}a_logged_out_cookie_opens_nothing",
    ),
    control(
        "a reset ends every session",
        "portal.accounts.sessions",
        "    await session.execute(delete(LoginSession).where(LoginSession.account_id == account_id))\n",
        "    pass\n",
        f"{ACCOUNTS_TESTS}a_reset_sets_the_password_once_and_ends_every_session",
    ),
    control(
        "a mailed token works once",
        "portal.accounts.mailed_tokens",
        "        EmailToken.used_at.is_(None),\n        EmailToken.expires_at",
        "        EmailToken.expires_at",
        f"{ACCOUNTS_TESTS}a_link_confirms_once_and_not_after_a_day",
    ),
    control(
        "a mailed token has an end",
        "portal.accounts.mailed_tokens",
        "        EmailToken.expires_at > now,\n    ]",
        "    ]",
        f"{ACCOUNTS_TESTS}a_link_confirms_once_and_not_after_a_day",
    ),
    control(
        "a mailed token has a purpose",
        "portal.accounts.mailed_tokens",
        "        EmailToken.purpose == purpose,\n        EmailToken.used_at.is_(None),\n        EmailToken.expires_at",
        "        EmailToken.used_at.is_(None),\n        EmailToken.expires_at",
        f"{ACCOUNTS_TESTS}a_reset_link_is_no_confirmation_link_and_the_other_way_round",
    ),
    control(
        "a mailed token is kept as a hash",
        "portal.accounts.mailed_tokens",
        "            token_hash=keyed_hash(key, token),\n",
        "            token_hash=token,\n",
        f"{SESSIONS_TESTS}the_database_keeps_no_secret_in_clear",
    ),
    control(
        "what is dear wants a fresh log-in",
        "portal.accounts.fresh",
        "now - proved_at <= FRESH_FOR",
        "True",
        f"{INTEGRATION}test_fresh.py::test_an_old_log_in_is_asked_for_the_password_and_comes_back",
    ),
    control(
        "a code works once",
        "portal.accounts.second_factor",
        "            or_(Account.totp_step.is_(None), Account.totp_step < step),\n",
        "",
        f"{INTEGRATION}test_factor_races.py::test_a_code_is_used_up_by_the_row_whatever_was_read_before",
    ),
    control(
        "a second factor is asked for",
        "portal.accounts.at_the_door",
        "if now_is.totp_sealed is not None:",
        "if False:",
        f"{FACTOR_TESTS}a_password_alone_opens_nothing_any_more",
    ),
    control(
        "codes cannot be guessed",
        "portal.accounts.second_factor",
        'TRIES = Limit("second_factor.code", 10,',
        'TRIES = Limit("second_factor.code", 10_000,',
        f"{FACTOR_TESTS}codes_cannot_be_guessed",
    ),
    control(
        "an API key ends",
        "portal.accounts.api_keys",
        "            ApiKey.expires_at > now,\n            Account.verified_at",
        "            Account.verified_at",
        f"{KEYS_TESTS}a_key_ends_when_it_is_revoked_or_runs_out",
    ),
    control(
        "an API key can be revoked",
        "portal.accounts.api_keys",
        "            ApiKey.revoked_at.is_(None),\n            ApiKey.expires_at > now,\n            Account",
        "            ApiKey.expires_at > now,\n            Account",
        f"{KEYS_TESTS}a_key_ends_when_it_is_revoked_or_runs_out",
    ),
    control(
        "an API key reads and does nothing else",
        "portal.auth",
        'if connection.scope.get("method") != "GET" or not',
        "if False and not",
        f"{KEYS_TESTS}a_key_may_do_nothing_but_read_below_api",
    ),
    control(
        "an API key is kept as a hash",
        "portal.accounts.api_keys",
        "key_hash=keyed_hash(key, secret),",
        "key_hash=secret,",
        f"{KEYS_TESTS}a_key_is_shown_once_and_kept_as_a_hash",
    ),
)
