"""Sunlight at a place: where the sun stands, and clouds that come from a seed. Pure: the same each time."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from portal.dashboard.sun import Place, elevation, place_of

# Zones of the tz database, round the world in steps of one to three hours and sunny all year: one of them has day.
ZONES = (
    "Pacific/Honolulu",
    "America/Los_Angeles",
    "America/Mexico_City",
    "America/Bogota",
    "America/Sao_Paulo",
    "Atlantic/Cape_Verde",
    "Atlantic/Canary",
    "Africa/Johannesburg",
    "Africa/Nairobi",
    "Asia/Dubai",
    "Asia/Kolkata",
    "Asia/Bangkok",
    "Australia/Perth",
    "Australia/Brisbane",
    "Pacific/Noumea",
    "Pacific/Auckland",
)
FULL_SUN_DEGREES = 70.0
_AHEAD = timedelta(hours=3)
_CLOUD_S = 1500
_FLICKER_S = 60


def sunny_zone(now: datetime, zones: Sequence[str] = ZONES) -> str:
    """The zone where it is bright now and in three hours, so that whoever looks sees watts for a while."""

    def light(zone: str) -> float:
        place = place_of(zone)
        return min(elevation(place, now), elevation(place, now + _AHEAD)) if place else -90.0

    return max(zones, key=light)


@dataclass(frozen=True, slots=True)
class Sky:
    """What of the sun's light arrives at ``place``; ``seed`` makes its weather."""

    place: Place
    seed: str

    def light(self, at: datetime) -> float:
        """0 in the dark to about 1 under a high, clear sun."""
        height = max(0.0, elevation(self.place, at)) / FULL_SUN_DEGREES
        clear: float = min(1.0, height) ** 0.9
        return clear * (1.0 - self._clouds(at))

    def _clouds(self, at: datetime) -> float:
        """The share of light that clouds take: each day has its own, drifting within the hour and flickering."""
        seconds = at.astimezone(UTC).timestamp()
        day = self._dice("day", int(seconds // 86_400))
        drift = self._smooth("cloud", seconds, _CLOUD_S)
        flicker = self._smooth("flicker", seconds, _FLICKER_S)
        return 0.75 * day * max(0.0, drift - 0.25) + 0.06 * flicker

    def _smooth(self, what: str, seconds: float, every_s: int) -> float:
        """Dice thrown every ``every_s`` seconds, with a straight line between them."""
        slot, into = divmod(seconds, every_s)
        share = into / every_s
        return self._dice(what, int(slot)) * (1 - share) + self._dice(what, int(slot) + 1) * share

    def _dice(self, what: str, slot: int) -> float:
        """0 to 1, the same for ever for one seed and slot."""
        digest = hashlib.blake2b(f"{self.seed}/{what}/{slot}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**64
