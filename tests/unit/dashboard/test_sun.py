"""Where the sun stands over a time zone's city."""

from datetime import UTC, datetime, timedelta

import pytest

from portal.dashboard.sun import Place, elevation, place_of

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("zone", "at"),
    [
        # Sunrises and sunsets of almanacs, to the minute, in UTC.
        ("Europe/Berlin", datetime(2026, 6, 21, 2, 43, tzinfo=UTC)),
        ("Europe/Berlin", datetime(2026, 12, 21, 14, 54, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 3, 20, 23, 9, tzinfo=UTC)),
        ("Australia/Sydney", datetime(2026, 12, 21, 18, 41, tzinfo=UTC)),
    ],
)
def test_the_sun_is_at_the_horizon_when_the_almanac_says_so(zone: str, at: datetime) -> None:
    """Within a degree: refraction and the sun's own size are 0.83 of it."""
    place = place_of(zone)

    assert place is not None
    assert elevation(place, at) == pytest.approx(-0.833, abs=0.6)


def test_the_sun_is_high_at_noon_and_below_at_midnight() -> None:
    """On the equator at an equinox it stands overhead."""
    equator = Place(0.0, 0.0)
    noon = datetime(2026, 3, 20, 12, 7, tzinfo=UTC)

    assert elevation(equator, noon) > 89
    assert elevation(equator, noon + timedelta(hours=12)) < -89


def test_a_zone_without_a_place_has_no_sun() -> None:
    """UTC is nowhere."""
    assert place_of("UTC") is place_of("Etc/GMT-3") is None
    found = place_of("Asia/Kathmandu")
    assert found is not None
    assert (found.latitude, found.longitude) == pytest.approx((27.717, 85.317), abs=0.01)
