"""Where a log-in may lead: nowhere but here."""

import pytest

from portal.landing import safe_next

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("path", ["/", "/inverters/new", "/inverters/1?day=2026-06-01", "/a//b", "/ä"])
def test_a_path_of_this_site_is_kept(path: str) -> None:
    """The visitor goes on where he was stopped."""
    assert safe_next(path) == path


@pytest.mark.parametrize(
    "elsewhere",
    [
        None, "", "inverters", "https://evil.example", "http:/evil.example", "//evil.example", "///evil.example",
        "/\\evil.example", "\\\\evil.example", "/\t/evil.example", "/\n//evil.example", "/\r\nLocation: x",
        " //evil.example", "javascript:alert(1)", "data:text/html,x", "//evil.example@host", "https:evil.example",
        "/\x00//evil.example", "\u2028//evil.example", "/" + "x" * 500, "//[bad",
    ],
)  # fmt: skip
def test_everything_else_leads_home(elsewhere: str | None) -> None:
    """No log-in page sends its visitor to somebody else's copy of it."""
    assert safe_next(elsewhere) == "/"
