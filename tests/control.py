"""A control of the portal that can be taken out of the source, and short names of the files that guard them."""

from dataclasses import dataclass

INTEGRATION, UNIT = "tests/integration/", "tests/unit/portal/"
CONTROLS_TESTS, GATE_TESTS = f"{INTEGRATION}test_controls.py::test_", f"{INTEGRATION}test_gate.py::test_"
HEADERS_TESTS, LIMITS_TESTS = f"{INTEGRATION}test_guard_headers.py::test_", f"{INTEGRATION}test_guard_limits.py::test_"
PROXIES_TESTS, TRIES_TESTS = f"{INTEGRATION}test_guard_proxies.py::test_", f"{INTEGRATION}test_guard_tries.py::test_"
SESSIONS_TESTS, ACCOUNTS_TESTS = (
    f"{INTEGRATION}test_portal_sessions.py::test_",
    f"{INTEGRATION}test_portal_accounts.py::test_",
)
REFUSAL = f"{HEADERS_TESTS}refusals_have_them_too[GET-/nothing-404]"
FACTOR_TESTS, KEYS_TESTS = f"{INTEGRATION}test_second_factor.py::test_", f"{INTEGRATION}test_api_keys.py::test_"


@dataclass(frozen=True, slots=True)
class Control:
    """``name`` says what holds while it is on; ``tests`` are pytest's own names of tests."""

    name: str
    module: str
    text: str
    instead: str
    tests: tuple[str, ...]


def control(name: str, module: str, text: str, instead: str, *tests: str) -> Control:
    """A row of the table."""
    return Control(name, module, text, instead, tests)
