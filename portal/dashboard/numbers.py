"""Numbers, dates and ages as the reader writes them. The text of the pages stays English. Pure."""

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_SEPARATORS = {"en": (",", "."), "de": (".", ",")}
NO_VALUE = "\N{EN DASH}"


def language_of(accept_language: str) -> str:
    """The best language of an Accept-Language header whose number format is known: ``de`` or ``en``."""
    wishes: list[tuple[float, str]] = []
    for part in accept_language.split(",")[:20]:
        tag, _, weight = part.strip().partition(";q=")
        try:
            quality = float(weight) if weight else 1.0
        except ValueError:
            continue
        wishes.append((quality, tag.strip().lower().partition("-")[0]))
    known = [wish for wish in wishes if wish[1] in _SEPARATORS and wish[0] > 0]
    return max(known, key=lambda wish: wish[0])[1] if known else "en"


@dataclass(frozen=True, slots=True)
class Amount:
    """A value as text and its unit, apart, so that a page can set them in two sizes."""

    value: str
    unit: str

    def __str__(self) -> str:
        return f"{self.value}\u00a0{self.unit}" if self.unit else self.value


@dataclass(frozen=True, slots=True)
class Numbers:
    """Formats for one reader: ``language`` is that of ``language_of``."""

    language: str = "en"

    def number(self, value: float, digits: int = 0) -> str:
        """``1234.5`` as ``1,234.5`` or ``1.234,5``, with a true minus sign."""
        thousands, point = _SEPARATORS[self.language]
        text = f"{abs(value):,.{digits}f}"
        sign = "\u2212" if value < 0 and any(digit in "123456789" for digit in text) else ""
        return sign + text.replace(",", "_").replace(".", point).replace("_", thousands)

    def power(self, watts: float | None) -> Amount:
        """W below one kilowatt, kW above it, with three figures."""
        if watts is None:
            return Amount(NO_VALUE, "W")
        size = abs(watts)
        if size < 999.5:
            return Amount(self.number(watts, 1 if 0 < size < 9.95 else 0), "W")
        return Amount(self.number(watts / 1000, 2 if size < 9_995 else 1), "kW")

    def energy(self, kwh: float | None) -> Amount:
        """kWh with three figures, whole ones from a hundred on."""
        if kwh is None:
            return Amount(NO_VALUE, "kWh")
        size = abs(kwh)
        return Amount(self.number(kwh, 2 if size < 9.995 else 1 if size < 99.95 else 0), "kWh")

    def measured(self, value: float, unit: str) -> Amount:
        """Any quantity: power and energy by their own rules, the rest with as many digits as are worth reading."""
        if unit == "W":
            return self.power(value)
        if unit == "kWh":
            return self.energy(value)
        digits = {"1": 2, "Hz": 2, "A": 2, "V": 1, "°C": 1, "min": 0, "%": 1}.get(unit, 2)
        return Amount(self.number(value, 0 if value == int(value) else digits), "" if unit == "1" else unit)

    def clock(self, at: datetime, zone: ZoneInfo) -> str:
        """Hours and minutes on the owner's clock."""
        return f"{at.astimezone(zone):%H:%M}"

    def moment(self, at: datetime, zone: ZoneInfo, now: datetime) -> str:
        """``21:04`` today, ``21:04 yesterday``, else with its date."""
        clock, on = self.clock(at, zone), at.astimezone(zone).date()
        back = (now.astimezone(zone).date() - on).days
        if back == 0:
            return clock
        return f"{clock} yesterday" if back == 1 else f"{clock} on {self.day(on)}"

    def day(self, on: date) -> str:
        """``23 Nov 2026`` or ``23.11.2026``."""
        return f"{on:%d.%m.%Y}" if self.language == "de" else f"{on.day} {_MONTHS[on.month - 1]} {on.year}"

    def weekday(self, on: date) -> str:
        """Three letters."""
        return _WEEKDAYS[on.weekday()]


def age(seconds: float) -> str:
    """How long ago, in the largest unit that still says something. ``static/js/app.js`` counts on in the same words."""
    whole = max(int(seconds), 0)
    if whole < 3:
        return "just now"
    for limit, unit_s, unit in ((90, 1, "s"), (5400, 60, "min"), (172_800, 3600, "h")):
        if whole < limit:
            return f"{whole // unit_s} {unit} ago"
    return f"{whole // 86_400} days ago"
