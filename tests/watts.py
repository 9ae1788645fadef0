"""What inverters measure, for tests of pages: days of readings, live rows, and a place where it is afternoon now."""

import math
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from schema.models import Rung
from schema.readings import Reading

_CITIES = (
    "Pacific/Honolulu", "America/Anchorage", "America/Los_Angeles", "America/Denver", "America/Chicago",
    "America/New_York", "America/Halifax", "America/Sao_Paulo", "Atlantic/South_Georgia", "Atlantic/Azores",
    "Africa/Dakar", "Africa/Lagos", "Africa/Cairo", "Africa/Nairobi", "Asia/Dubai", "Asia/Karachi", "Asia/Dhaka",
    "Asia/Bangkok", "Asia/Manila", "Asia/Tokyo", "Australia/Brisbane", "Pacific/Noumea", "Pacific/Fiji",
)  # fmt: skip


def afternoon_zone(now: datetime) -> str:
    """A city in whose zone it is nearest to three in the afternoon."""
    return min(_CITIES, key=lambda city: abs(now.astimezone(ZoneInfo(city)).hour - 15))


def live_row(inverter: UUID, values: dict[str, float], *, version: int, at: datetime) -> dict[str, object]:
    """The row the bridge would write after a reading."""
    return {
        "inverter_id": inverter, "version": version, "rung": Rung.VALUES_PLAUSIBLE, "values": values,
        "reading_at": at, "seen_at": at, "refusal": "", "refusal_detail": "", "refused_at": None,
    }  # fmt: skip


def sunny_days(
    days: int, *, peak_w: float, now: datetime, zone: str, total_kwh: float = 1200.0, battery: bool = False
) -> list[Reading]:
    """Readings every five minutes of daylight of the last ``days`` days, the counter counting along."""
    readings = []
    start = (
        (now - timedelta(days=days - 1)).astimezone(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0)
    )
    at = start.astimezone(UTC)
    while at <= now:
        local = at.astimezone(ZoneInfo(zone))
        height = math.sin(math.pi * (local.hour + local.minute / 60 - 6) / 13)
        cloud = 0.72 + 0.28 * math.sin(local.toordinal() * 1.7 + local.minute / 9) * math.cos(local.hour / 2.1)
        watts = max(height, 0.0) * peak_w * cloud * (1 - 0.06 * (local.toordinal() % 5))
        total_kwh += watts / 12_000
        gap = local.hour == 11 and local.minute < 40
        if height > 0 and not gap:
            values = {
                "ac_power": round(watts, 1), "total_energy": round(total_kwh, 1), "temperature": 41.5,
                "dc_pv1_power": round(watts * 0.55, 1), "dc_pv2_power": round(watts * 0.49, 1),
                "dc_pv1_voltage": 38.4, "dc_pv2_voltage": 37.9, "dc_pv1_current": 4.31, "dc_pv2_current": 3.87,
                "ac_voltage": 231.4, "ac_frequency": 50.01, "status": 2.0,
            }  # fmt: skip
            if battery:
                values |= {"dc_power": round(watts * 1.04, 1), "battery_soc": 76.0, "battery_power": -640.0,
                           "battery_voltage": 52.1, "battery_temperature": 23.5, "battery_day_charge": 3.4,
                           "grid_power": -210.0, "grid_day_export": 2.1, "grid_day_import": 0.4,
                           "load_power": 480.0}  # fmt: skip
            readings.append(Reading(at=at, values=values, extra={}))
        at += timedelta(minutes=5)
    return readings
