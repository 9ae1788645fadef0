"""Who reads in which language, and how numbers, days and hours are written for them."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from portal import letters
from portal.dashboard.numbers import Numbers, age
from portal.words import Reader, _, chosen, ngettext, reader, reader_of, speaking

pytestmark = pytest.mark.unit
BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 24, 20, 4, tzinfo=UTC)
GERMAN = Reader("de", "de")


@pytest.mark.parametrize(
    ("header", "language", "formats"),
    [
        ("de-AT,de;q=0.9,en;q=0.5", "de", "de-AT"),
        ("de", "de", "de"),
        ("DE", "de", "de"),
        ("fr, de;q=0.4, en;q=0.7", "en", "en-GB"),
        ("en;q=0, de;q=0.1", "de", "de"),
        ("en-US,en;q=0.9", "en", "en-US"),
        ("en-XX", "en", "en-GB"),
        ("", "en", "en-GB"),
        ("de;q=nonsense", "en", "en-GB"),
        ("ja", "en", "en-GB"),
        (";;;,,,=", "en", "en-GB"),
        ("*", "en", "en-GB"),
        ("de-" + "x" * 5000, "en", "en-GB"),
    ],
)
def test_the_best_known_language_of_the_header_decides(header: str, language: str, formats: str) -> None:
    """Weights count, unknown languages and nonsense do not; the country decides on formats."""
    assert chosen(accept_language=header) == Reader(language, formats)


def test_a_choice_comes_before_the_header_and_keeps_its_country() -> None:
    """What nobody speaks is no choice."""
    assert chosen("de", accept_language="en-US") == Reader("de", "de")
    assert chosen("", "de", accept_language="en-US,de-CH;q=0.1") == Reader("de", "de-CH")
    assert chosen("xx", accept_language="de") == Reader("de", "de")


def test_a_sentence_is_in_the_language_of_whoever_reads_it_now() -> None:
    """Inside the block German, outside English again; what no catalogue knows stays as it is."""
    with speaking(GERMAN):
        assert _("Delete %(name)s", name="100 % <b>") == "100 % <b> löschen"
        assert _("No catalogue has this.") == "No catalogue has this."
        assert _("") == ""
        assert reader() == GERMAN

    assert _("Delete %(name)s", name="Roof") == "Delete Roof"


@pytest.mark.parametrize(
    ("count", "english", "german"), [(1, "1 message", "1 Nachricht"), (2, "2 messages", "2 Nachrichten")]
)
def test_a_number_of_things_is_said_as_the_language_counts(count: int, english: str, german: str) -> None:
    """By the plural rule of its catalogue."""
    said = ("%(number)s message", "%(number)s messages")

    assert ngettext(*said, count, number=count) == english
    with speaking(GERMAN):
        assert ngettext(*said, count, number=count) == german


def test_days_and_hours_are_written_as_in_the_readers_country() -> None:
    """24.11.2026 and 21:04 in German; twelve hours only where people have them."""
    day = date(2026, 11, 24)
    formats = {tag: Numbers(tag) for tag in ("de", "de-AT", "en", "en-US")}

    assert {tag: one.day(day) for tag, one in formats.items()} == {
        "de": "24.11.2026", "de-AT": "24.11.2026", "en": "24 Nov 2026", "en-US": "Nov 24, 2026",
    }  # fmt: skip
    assert {tag: one.clock(NOW, BERLIN) for tag, one in formats.items()} == {
        "de": "21:04", "de-AT": "21:04", "en": "21:04", "en-US": "9:04\u202fPM",
    }  # fmt: skip
    assert formats["de"].weekday(day) == "Di"


def test_numbers_are_german_in_german() -> None:
    """A point for thousands, a comma for decimals, and Swiss people have their own sign."""
    assert Numbers("de").number(1234.5, 1) == "1.234,5"
    assert Numbers("de-CH").number(1234.5, 1) == "1\u2019234.5"
    assert str(Numbers("de").power(12345.0)) == "12,3\u00a0kW"


def test_ages_and_moments_are_german_in_german() -> None:
    """The same steps as in English."""
    with speaking(GERMAN):
        ages = [age(seconds) for seconds in (1, 18, 90, 7200, 172_800)]
        moment = Numbers("de").moment(NOW - timedelta(days=1), BERLIN, NOW)

    assert ages == ["gerade eben", "vor 18 s", "vor 1 min", "vor 2 h", "vor 2 Tagen"]
    assert moment == "gestern 21:04"


def test_a_mail_is_in_its_readers_language_whoever_caused_it() -> None:
    """The account's where it has one, else that of the page; the link is the same."""
    with speaking(GERMAN):
        german = letters.set_password("https://example.org", "abc")
        english = letters.set_password("https://example.org", "abc", language="en")

    assert (german.subject, english.subject) == ("Neues Passwort setzen", "Set a new password")
    assert "https://example.org/reset/set?token=abc" in german.text
    assert '<html lang="de">' in german.html
    assert '<html lang="en">' in english.html
    assert "&" not in german.text


def test_a_reader_of_whom_nothing_is_known_is_whoever_reads_now() -> None:
    """An empty choice, and a language that is gone from the catalogues."""
    assert reader_of("") == reader_of("xx") == reader()
    assert reader_of("de") == GERMAN
