"""The controls of the portal: the text that makes each one, and the test that fails without it. Only a table.

``text`` stands exactly once in the module's source; a child process replaces it by ``instead`` (``switched_off``).
"""

from tests.control import (
    ACCOUNTS_TESTS,
    CONTROLS_TESTS,
    GATE_TESTS,
    HEADERS_TESTS,
    INTEGRATION,
    LIMITS_TESTS,
    PROXIES_TESTS,
    REFUSAL,
    TRIES_TESTS,
    Control,
    control,
)
from tests.switches_accounts import ACTS, GUESSING, OWNERS
from tests.switches_inside import PASSWORDS, SESSIONS
from tests.switches_places import PLACES
from tests.switches_sharing import SHARING
from tests.switches_sites import SITES

FORMS = (
    control(
        "forms carry a token",
        "portal.app",
        "        csrf_config=csrf,\n",
        '        csrf_config=(setattr(__import__("litestar.middleware.csrf").middleware.csrf.CSRFMiddleware,'
        ' "_csrf_tokens_match", lambda *_: True), csrf)[1],\n',
        f"{INTEGRATION}test_portal_pages.py::test_every_form_keeps_the_same_promises",
    ),
    control(
        "no form from another site",
        "portal.gate",
        '_FOREIGN = ("cross-site", "same-site")',
        "_FOREIGN = ()",
        f"{GATE_TESTS}a_form_of_another_site_is_refused_even_with_a_right_token",
    ),
    control(
        "pages take forms and nothing else",
        "portal.gate",
        'if kind not in ("", FORM_TYPE):',
        "if False:",
        f"{GATE_TESTS}pages_take_forms_and_nothing_else",
    ),
    control(
        "closed form models",
        "portal.accounts.forms",
        'extra="forbid"',
        'extra="ignore"',
        f"{ACCOUNTS_TESTS}a_wrong_sign_up_form_comes_back_with_what_is_wrong",
    ),
    control(
        "closed forms of inverters",
        "portal.inverters.forms",
        'extra="forbid"',
        'extra="ignore"',
        f"{INTEGRATION}test_guard_mass_assignment.py::test_no_model_takes_a_column_that_is_no_field_of_its",
    ),
    control(
        "closed bodies of collectors",
        "portal.credentials.forms",
        'extra="forbid"',
        'extra="ignore"',
        f"{INTEGRATION}test_guard_mass_assignment.py::test_no_model_takes_a_column_that_is_no_field_of_its",
    ),
    control(
        "requests have an end",
        "portal.app",
        "LARGEST_REQUEST_BYTES = 64 * 1024",
        "LARGEST_REQUEST_BYTES = 64 * 1024**2",
        f"{GATE_TESTS}a_request_beyond_all_measure_is_not_read",
    ),
    control(
        "pages escape what people typed",
        "portal.template_files",
        "autoescape=select_autoescape(",
        "autoescape=False and select_autoescape(",
        f"{INTEGRATION}test_portal_pages.py::test_names_are_text_on_every_page",
    ),
    control(
        "no open redirect",
        "portal.landing",
        'if not wanted.startswith("/") or wanted.startswith("//") or "\\\\" in wanted:',
        "if False:",
        f"{CONTROLS_TESTS}nobody_is_sent_elsewhere_by_logging_in",
    ),
)


def _header(name: str, text: str, *tests: str) -> Control:
    return Control(f"header {name}", "portal.headers", text, "", tests or (REFUSAL,))


HEADERS = (
    _header("Content-Security-Policy", '    "Content-Security-Policy": CONTENT_SECURITY_POLICY,\n'),
    _header("X-Content-Type-Options", '    "X-Content-Type-Options": "nosniff",\n'),
    _header("Referrer-Policy", '    "Referrer-Policy": "same-origin",\n'),
    _header("Cross-Origin-Opener-Policy", '    "Cross-Origin-Opener-Policy": "same-origin",\n'),
    _header("Cross-Origin-Resource-Policy", '    "Cross-Origin-Resource-Policy": "same-origin",\n'),
    _header(
        "Permissions-Policy",
        '    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",\n',
    ),
    _header("Cache-Control", '    "Cache-Control": "no-store",\n'),
    control(
        "no frame around our pages",
        "portal.headers",
        "form-action 'self'; frame-ancestors 'none'; ",
        "form-action 'self'; ",
        REFUSAL,
    ),
    _header(
        "Strict-Transport-Security",
        '"Strict-Transport-Security": "max-age=31536000"',
        f"{HEADERS_TESTS}https_is_for_good_where_cookies_are_secure",
    ),
    control(
        "header Clear-Site-Data",
        "portal.headers",
        'headers["Clear-Site-Data"] = _FAREWELL',
        "pass",
        f"{HEADERS_TESTS}leaving_takes_along_what_the_browser_kept",
    ),
    control(
        "no referrer from a link's page",
        "portal.headers",
        'NO_REFERRER = {"Referrer-Policy": "no-referrer"}',
        "NO_REFERRER: dict[str, str] = {}",
        f"{HEADERS_TESTS}links_with_a_token_in_their_address_tell_no_referrer",
    ),
    control(
        "cookies are not for scripts",
        "portal.cookies",
        "        httponly=True,\n",
        "",
        f"{GATE_TESTS}cookies_are_for_our_own_pages_and_not_for_scripts",
    ),
    control(
        "a form's token is not for scripts",
        "portal.app",
        "        cookie_httponly=True,\n",
        "",
        f"{GATE_TESTS}cookies_are_for_our_own_pages_and_not_for_scripts",
    ),
    control(
        "cookies stay on our site",
        "portal.cookies",
        "        samesite=same_site,\n",
        '        samesite="none",\n',
        f"{GATE_TESTS}cookies_are_for_our_own_pages_and_not_for_scripts",
    ),
    control(
        "cookies are tied to the host",
        "portal.cookies",
        'f"__Host-{name}" if secure else name',
        "name",
        f"{INTEGRATION}test_portal_pages.py::test_a_secure_portal_ties_its_cookies_to_its_host",
    ),
)

LIMITS = (
    control(
        "tries per address and account",
        "portal.throttle",
        "return wait or await self.tries.wait(TRIES, pair, now=now)",
        "return wait",
        f"{LIMITS_TESTS}a_list_of_stolen_passwords_gets_five_looks",
    ),
    *GUESSING,
    *ACTS,
    control(
        "requests per address",
        "portal.limits",
        "        await ask(connection, self._limit, address_of(connection))\n",
        "",
        f"{LIMITS_TESTS}one_caller_may_not_try_one_password_on_everybody",
    ),
    control(
        "mails per caller",
        "portal.limits",
        "    await ask(connection, MAILS_OF_ONE, address_of(connection))\n",
        "",
        f"{LIMITS_TESTS}a_restart_forgives_no_mail_either",
    ),
    control(
        "mails of everybody together",
        "portal.limits",
        "        await ask(connection, MAILS_OF_ALL, _EVERYBODY)\n",
        "        pass\n",
        f"{LIMITS_TESTS}all_callers_together_cannot_make_the_portal_a_mail_cannon",
    ),
    control(
        "mails to one address",
        "portal.mail",
        "MOST_PER_HOUR = 3",
        "MOST_PER_HOUR = 300",
        f"{ACCOUNTS_TESTS}nobody_is_flooded_with_mail",
    ),
    control(
        "tries survive a restart",
        "portal.app",
        "    tries = Tries(sessions, derived(",
        "    tries = Tries(sessions, str(id(sessions)) + derived(",
        f"{LIMITS_TESTS}a_restart_forgives_nothing",
    ),
    control(
        "of many at once no more pass",
        "portal.tries",
        "return ends_at - now if count > limit.most else NO_WAIT",
        "return NO_WAIT",
        f"{TRIES_TESTS}of_fifty_at_once_three_pass",
    ),
    control(
        "tries name nobody",
        "portal.tries",
        "            key_hash=keyed_hash(self.key, key),\n            began_at",
        "            key_hash=key[:64],\n            began_at",
        f"{TRIES_TESTS}the_table_names_nobody[sqlite]",
    ),
    control(
        "a household of IPv6 is one caller",
        "portal.limits",
        "return counted_address(connection.client.host) if",
        "return connection.client.host if",
        f"{LIMITS_TESTS}one_household_of_ipv6_is_one_caller",
    ),
    control(
        "only a trusted proxy tells a caller's address",
        "portal.server",
        'forwarded_allow_ips=settings.trusted_proxies or "127.0.0.1"',
        'forwarded_allow_ips="*"',
        f"{PROXIES_TESTS}who_is_no_trusted_proxy_cannot_say_where_a_request_comes_from[203.0.113.1]",
    ),
    control(
        "without a proxy no header is read",
        "portal.server",
        "proxy_headers=bool(settings.trusted_proxies)",
        "proxy_headers=True",
        f"{PROXIES_TESTS}who_is_no_trusted_proxy_cannot_say_where_a_request_comes_from[]",
    ),
    control(
        "a trusted proxy is an address",
        "schema.given",
        "ipaddress.ip_network(part)",
        "str(part)",
        f"{PROXIES_TESTS}a_trusted_proxy_is_an_address_or_a_network",
    ),
    control(
        "only named hosts are answered",
        "portal.hosts",
        "            raise OtherHost\n",
        "            pass\n",
        f"{PROXIES_TESTS}only_named_hosts_are_answered",
    ),
    control(
        "sweeping",
        "portal.tries",
        "delete(TryCount).where(TryCount.ends_at <= now)",
        "delete(TryCount).where(TryCount.ends_at < TryCount.began_at)",
        f"{TRIES_TESTS}sweeping_takes_what_is_over_and_nothing_else[sqlite]",
    ),
)

CONTROLS = (*FORMS, *HEADERS, *LIMITS, *PASSWORDS, *SESSIONS, *OWNERS, *SHARING, *PLACES, *SITES)
