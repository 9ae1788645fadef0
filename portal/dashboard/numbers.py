"""Numbers, dates, hours and ages as the reader writes them, by the Unicode CLDR. Times are the owner's. No I/O."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time, format_timedelta
from babel.numbers import format_decimal

from portal.words import _, locale_of, reader

NO_VALUE = "\N{EN DASH}"
# Never weeks or months: the scripts say days too.
_ALWAYS = 1e9


@cache
def _pattern(digits: int) -> str:
    return "#,##0" + ("." + "0" * digits if digits else "")


@dataclass(frozen=True, slots=True)
class Amount:
    """A value as text and its unit, apart, so that a page can set them in two sizes."""

    value: str
    unit: str

    def __str__(self) -> str:
        return f"{self.value}\u00a0{self.unit}" if self.unit else self.value


@dataclass(frozen=True, slots=True)
class Numbers:
    """Formats for one reader: ``formats`` is a tag such as ``de``, ``en-GB`` or ``de-CH``."""

    formats: str = "en"

    def number(self, value: float, digits: int = 0) -> str:
        """``1234.5`` as ``1,234.5`` or ``1.234,5``, with a true minus sign."""
        text = format_decimal(abs(value), _pattern(digits), locale=locale_of(self.formats))
        sign = "\u2212" if value < 0 and any(digit in "123456789" for digit in text) else ""
        return sign + text

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
        """Hours and minutes on the owner's clock: ``21:04``, and ``9:04 PM`` where people write so."""
        return format_time(at, "short", tzinfo=zone, locale=locale_of(self.formats))

    def moment(self, at: datetime, zone: ZoneInfo, now: datetime) -> str:
        """``21:04`` today, ``21:04 yesterday``, else with its date."""
        clock, on = self.clock(at, zone), at.astimezone(zone).date()
        back = (now.astimezone(zone).date() - on).days
        if back == 0:
            return clock
        if back == 1:
            return _("%(clock)s yesterday", clock=clock)
        return _("%(clock)s on %(day)s", clock=clock, day=self.day(on))

    def day(self, on: date) -> str:
        """``23 Nov 2026``, ``Nov 23, 2026`` or ``23.11.2026``."""
        return format_date(on, "medium", locale=locale_of(self.formats))

    def weekday(self, on: date) -> str:
        """As calendars head their columns: ``Mon`` or ``Mo``."""
        return format_date(on, "ccc", locale=locale_of(self.formats))


def of_reader() -> Numbers:
    """The formats of whoever reads what is being written."""
    return Numbers(reader().formats)


def age(seconds: float) -> str:
    """How long ago, in the largest unit that still says something. ``static/js/app.js`` counts on in the same words."""
    whole = max(int(seconds), 0)
    if whole < 3:
        return _("just now")
    if whole < 90:
        return _("%(count)s s ago", count=whole)
    if whole < 5400:
        return _("%(count)s min ago", count=whole // 60)
    if whole < 172_800:
        return _("%(count)s h ago", count=whole // 3600)
    days = timedelta(days=-(whole // 86_400))
    return format_timedelta(days, "day", threshold=_ALWAYS, add_direction=True, locale=locale_of(reader().formats))
