"""Where the sun stands over a time zone's city, to tell night from trouble. No inverter's place is known; this is near.

Coordinates come from the tz database (``zone1970.tab``). Elevation after the low-precision formulas of the Astronomical
Almanac (about 0.01 degree), without refraction. Zones without a place (UTC, Etc/*) have no sun here.
"""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import resources

_J2000 = datetime(2000, 1, 1, 12, tzinfo=UTC)
_ISO6709 = re.compile(r"([+-]\d{4,6})([+-]\d{5,7})")


@dataclass(frozen=True, slots=True)
class Place:
    """Degrees north and degrees east."""

    latitude: float
    longitude: float


@cache
def _places() -> dict[str, Place]:
    places: dict[str, Place] = {}
    for name in ("zone.tab", "zone1970.tab"):
        text = resources.files("tzdata").joinpath("zoneinfo", name).read_text(encoding="utf-8")
        for line in text.splitlines():
            columns = line.split("\t")
            match = _ISO6709.fullmatch(columns[1]) if len(columns) > 2 and not line.startswith("#") else None
            if match:
                places[columns[2]] = Place(_degrees(match[1], 2), _degrees(match[2], 3))
    return places


def _degrees(text: str, whole: int) -> float:
    """``+5230`` or ``+523000`` (degrees, minutes, maybe seconds) as degrees."""
    digits = text[1:]
    parts = (digits[:whole], digits[whole : whole + 2], digits[whole + 2 :] or "0")
    value = float(sum(int(part) / 60.0**power for power, part in enumerate(parts)))
    return -value if text.startswith("-") else value


def place_of(zone: str) -> Place | None:
    """The zone's own city, or None where the zone has no place."""
    return _places().get(zone)


def elevation(place: Place, at: datetime) -> float:
    """The sun's height over the horizon in degrees, negative below it."""
    days = (at - _J2000).total_seconds() / 86_400
    anomaly = math.radians(357.528 + 0.9856003 * days)
    longitude = math.radians(280.46 + 0.9856474 * days + 1.915 * math.sin(anomaly) + 0.02 * math.sin(2 * anomaly))
    obliquity = math.radians(23.439 - 0.0000004 * days)
    ascension = math.atan2(math.cos(obliquity) * math.sin(longitude), math.cos(longitude))
    declination = math.asin(math.sin(obliquity) * math.sin(longitude))
    sidereal = math.radians((280.46061837 + 360.98564736629 * days + place.longitude) % 360)
    latitude = math.radians(place.latitude)
    sine = math.sin(latitude) * math.sin(declination)
    sine += math.cos(latitude) * math.cos(declination) * math.cos(sidereal - ascension)
    return math.degrees(math.asin(sine))
