"""What people write about time zones, and what browsers say of themselves, in words that people use."""

import pytest
from pydantic import ValidationError

from portal.accounts import zones
from portal.accounts.devices import described
from portal.accounts.settings_forms import PasswordChange, Profile
from schema.models import Audience

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("written", "zone"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        ("  europe/berlin ", "Europe/Berlin"),
        ("berlin", "Europe/Berlin"),
        ("New York", "America/New_York"),
        ("utc", "UTC"),
        ("US/Eastern", "US/Eastern"),
        ("Atlantis", None),
        ("", None),
        ("../../etc/passwd", None),
    ],
)
def test_a_zone_is_understood_as_people_write_it(written: str, zone: str | None) -> None:
    """In any case, by its city alone; what is no zone is none."""
    assert zones.meant(written) == zone


def test_every_zone_on_offer_is_understood() -> None:
    """Whoever chooses from the list gets what he chose, and no abbreviation is offered."""
    offered = zones.offered()

    assert len(offered) > 400
    assert {zones.meant(zone) for zone in offered} == set(offered)
    assert not {zone for zone in offered if zone.startswith("Etc/") or zone in ("EST5EDT", "GB")}


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox on Linux"),
        (
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 "
                "Safari/537.36 Edg/126.0.0.0"
            ),
            "Edge on Windows",
        ),
        (
            (
                "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 "
                "Mobile Safari/537.36"
            ),
            "Chrome on Android",
        ),
        (
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
                "Version/17.5 Mobile/15E148 Safari/604.1"
            ),
            "Safari on iPhone",
        ),
        (
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 "
                "Safari/605.1.15"
            ),
            "Safari on Mac",
        ),
        ("", "A browser that does not say what it is"),
        ("<script>alert(1)</script>", "A browser that does not say what it is"),
    ],
)
def test_a_browser_is_told_in_words(user_agent: str, words: str) -> None:
    """Its newest name counts, not those it descends from; nonsense is not repeated."""
    assert described(user_agent, Audience.PAGE) == words


def test_a_program_is_called_by_its_own_name() -> None:
    """Where it has one."""
    assert described("curl/8.5.0", Audience.API) == "A program (curl)"
    assert described("", Audience.API) == "A program"


@pytest.mark.parametrize("typed", [{"display_name": "a\u202eb"}, {"display_name": "x" * 81}, {"time_zone": "Atlantis"}])
def test_a_profile_that_cannot_be_is_refused(typed: dict[str, str]) -> None:
    """Letters that nobody sees, a name that fits nowhere, a zone that is none."""
    with pytest.raises(ValidationError):
        Profile.model_validate(typed)


def test_the_present_password_is_no_new_one() -> None:
    """Whoever types it twice is told so."""
    with pytest.raises(ValidationError, match="not the present one"):
        PasswordChange(old_password="nine green bottles", password="nine green bottles")
