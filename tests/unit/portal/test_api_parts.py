"""What programs ask, cut into bounded parts; tags, tables, links and hosts. Nothing runs here."""

import csv
import io
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.dashboard import asked
from portal.dashboard.asked import NotAsked
from portal.hosts import is_named
from portal.programs.etags import is_known
from portal.programs.paging import address, next_link
from portal.programs.tables import as_csv

pytestmark = pytest.mark.unit
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
INSTANTS = st.datetimes(timezones=st.just(UTC))
STEPS = st.integers(1, 1440).map(lambda minutes: minutes * 60)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-06-01T12:00:00Z", NOW),
        ("2026-06-01t12:00:00z", NOW),
        ("2026-06-01T14:00:00+02:00", NOW),
        ("2026-06-01T12:00:00.250Z", NOW + timedelta(milliseconds=250)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", asked.FIRST_INSTANT),
        ("9999-12-31T23:59:60Z", asked.LAST_INSTANT),
    ],
)
def test_an_instant_is_read_in_utc(text: str, at: datetime) -> None:
    """Any offset, fractions, leap seconds, and the ends of the calendar."""
    assert asked.instant(text) == at


@pytest.mark.parametrize(
    "text",
    ["", "now", "2026-06-01", "2026-06-01T12:00:00", "2026-06-01T12:00:00 02:00", "20260601T120000Z", "1780315200"],
)
def test_a_time_without_an_offset_is_nobodys_time(text: str) -> None:
    """A naive time would silently be somebody's local time; an unescaped + arrives as a blank."""
    with pytest.raises(NotAsked):
        asked.instant(text)


@given(INSTANTS, INSTANTS, STEPS)
def test_the_parts_of_a_range_meet_and_are_bounded(start: datetime, end: datetime, step_s: int) -> None:
    """Whatever is asked: no part is longer than allowed, each begins where the one before ended, the last one ends."""
    step = timedelta(seconds=step_s)
    first = part = asked.span(start, end, step_s, NOW)

    for _ in range(5):
        assert part.end - part.start <= min(step * asked.MOST_WINDOWS, asked.LONGEST_PART)
        assert part.is_empty or (part.start >= start and part.end <= min(end, NOW + step))
        if part.following is None:
            break
        following = asked.span(part.following, end, step_s, NOW)
        assert following.start == part.end
        assert following.start.timestamp() % step_s == 0
        part = following

    assert first.is_empty == (max(start, asked.FIRST_INSTANT) >= min(end, NOW + step))


def test_a_year_of_days_is_told_by_the_month() -> None:
    """What is read for one answer is bounded, however few windows it has."""
    year, parts = NOW - timedelta(days=365), 0
    following: datetime | None = year

    while following is not None:
        part = asked.span(following, NOW, asked.LONGEST_STEP_S, NOW)
        assert part.end - part.start <= timedelta(days=31)
        following, parts = part.following, parts + 1

    assert parts == 12


@given(st.dates(), st.dates())
def test_the_days_of_a_range_are_told_once_and_never_ahead(first: date, last: date) -> None:
    """Following the parts gives every day between 2000 and today that was asked for."""
    today = NOW.date()
    begin, end = max(first, asked.FIRST_DAY), min(last, today)
    told = 0
    part = asked.days_span(first, last, today)

    while True:
        size = max((part.last - part.first).days + 1, 0)
        told += size
        assert size <= asked.MOST_DAYS
        if part.following is None:
            break
        assert part.following == part.last + timedelta(days=1)
        part = asked.days_span(part.following, last, today)

    assert told == max((end - begin).days + 1, 0)


def test_no_mean_is_made_of_states_and_unknown_names() -> None:
    """Names of the catalogue that measure or count, and sanitised extras; each once."""
    assert asked.quantities(["ac_power", "x_fan", "ac_power"]) == ["ac_power", "x_fan"]
    for name in ("status", "time_estimated", "AC_POWER", 'ac_power" from', "x_", ""):
        with pytest.raises(NotAsked):
            asked.quantities([name])


@given(st.sampled_from(["=", "+", "-", "@", "\t", "\N{FULLWIDTH EQUALS SIGN}"]), st.text())
def test_no_text_of_a_table_is_a_formula(start: str, text: str) -> None:
    """Whatever the name: a spreadsheet shows it and runs nothing."""
    read = list(csv.reader(io.StringIO(as_csv(["name"], [[start + text]]), newline="")))

    assert read[1:] == [[f"'{start}{text}"]]


def test_a_number_of_a_table_stays_a_number() -> None:
    """Below zero too; what is not known is an empty cell."""
    assert as_csv(["a", "b"], [[-4.5, None]]) == "a,b\r\n-4.5,\r\n"


@pytest.mark.parametrize(
    ("header", "known"),
    [("", False), ('"a"', True), ('W/"a"', True), ('"b", "a"', True), ("*", True), ("a", False), ('"aa"', False)],
)
def test_a_tag_is_known_where_it_is_named(header: str, known: bool) -> None:
    """Strong or weak, alone or among others; the star stands for any."""
    assert is_known(header, '"a"') is known


def test_a_link_leads_on_only_where_there_is_more() -> None:
    """Values are escaped, empty ones left out."""
    following = address("/api/x", **{"from": "2026-06-01T00:00:00+00:00", "to": ""}, quantities=["a", "b"])

    assert following == "/api/x?from=2026-06-01T00%3A00%3A00%2B00%3A00&quantities=a&quantities=b"
    assert next_link(following) == {"Link": f'<{following}>; rel="next"'}
    assert next_link(None) == {}


def test_a_host_is_named_or_not() -> None:
    """Whatever its capitals; with a star all that is below, and nothing that only ends alike."""
    named = frozenset({"portal.example.org", "portal.example.org:8080", "*.home.example"})

    assert is_named("PORTAL.example.org", named)
    assert is_named("a.home.example", named)
    for other in ("", "evil.example", "portal.example.org.evil.example", "portal.example.org:81", "home.example"):
        assert not is_named(other, named)
