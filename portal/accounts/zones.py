"""Time zones as people write them: which are offered, and which one a person means. No I/O after the import."""

from functools import cache
from zoneinfo import available_timezones

_ALL = available_timezones()
# Names of places; what is left out ("EST5EDT", "Etc/GMT+5", "US/Eastern") is still understood.
_CONTINENTS = (
    *("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"),
)
_UTC = "UTC"


@cache
def offered() -> tuple[str, ...]:
    """Zones to choose from: every named place, and UTC."""
    return (*sorted(zone for zone in _ALL if zone.partition("/")[0] in _CONTINENTS), _UTC)


def meant(text: str) -> str | None:
    """The zone that ``text`` names, written in whatever case, with spaces, or by its city alone; None where unknown."""
    key = _key(text)
    return _by_name().get(key) or _by_city().get(key)


def _key(text: str) -> str:
    return "_".join(text.split()).casefold()


@cache
def _by_name() -> dict[str, str]:
    return {_key(zone): zone for zone in _ALL}


@cache
def _by_city() -> dict[str, str]:
    """City → zone, where one zone alone has a city of that name."""
    cities: dict[str, list[str]] = {}
    for zone in offered():
        cities.setdefault(_key(zone.rpartition("/")[2]), []).append(zone)
    return {city: zones[0] for city, zones in cities.items() if len(zones) == 1}
