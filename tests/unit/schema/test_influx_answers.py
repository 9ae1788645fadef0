"""What each HTTP answer tells the writer to do, and how long a server may ask it to wait."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.timeseries.influx2.answers import refusal_of_request, refusal_of_write, retry_after
from schema.timeseries.port import BatchTooLarge, PointsRefused, StoreMisconfigured, StoreUnavailable

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, PointsRefused),
        (422, PointsRefused),
        (401, StoreMisconfigured),
        (403, StoreMisconfigured),
        (404, StoreMisconfigured),
        (405, StoreMisconfigured),
        (302, StoreMisconfigured),
        (413, BatchTooLarge),
        (408, StoreUnavailable),
        (429, StoreUnavailable),
        (500, StoreUnavailable),
        (502, StoreUnavailable),
        (503, StoreUnavailable),
        (504, StoreUnavailable),
        (200, StoreUnavailable),
        (202, StoreUnavailable),
    ],
)
def test_every_answer_but_204_has_its_own_consequence(status: int, kind: type[Exception]) -> None:
    """Also a 200: a captive portal says so, and it stores nothing."""
    assert type(refusal_of_write(status, "body", retry_after_s=None)) is kind


def test_204_is_written() -> None:
    """The only answer that lets the bridge acknowledge."""
    assert refusal_of_write(204, "", retry_after_s=None) is None


def test_a_refusal_says_which_status_and_not_too_much() -> None:
    """A server's long answer does not fill the table of dead letters."""
    refusal = refusal_of_write(422, "x" * 10_000, retry_after_s=None)

    assert isinstance(refusal, PointsRefused)
    assert refusal.status == 422
    assert len(str(refusal)) < 400


def test_a_refused_query_is_no_absence() -> None:
    """400 to a query will be 400 again; a page that waited for the store would wait for ever."""
    assert type(refusal_of_request(400, "compilation failed")) is StoreMisconfigured
    assert type(refusal_of_request(500, "")) is StoreUnavailable


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("99999999999999999999", 86_400.0),
        ("Mon, 23 Nov 2026 12:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0.0),
        ("Mon, 23 Nov 2027 12:00:00 GMT", 86_400.0),
        ("Mon, 23 Nov 2026 12:00:30 -0000", 30.0),
        ("soon", None),
        ("-5", None),
        ("7.5", None),
        ("nan", None),
        ("\u0667", None),
        ("Mon, 99 Nov 2026 12:00:30 GMT", None),
        ("Mon, 23 Nov 2026 12:00:30 +99999999999999999999", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_or_nothing(header: str | None, seconds: float | None) -> None:
    """Garbage is no wish, the past is now, and nobody may send us away for more than a day."""
    assert retry_after(header, NOW) == seconds


_DATE = r"(Mon|Xxx)?,? ?[0-9]{1,3} (Jan|Foo) [0-9]{1,6} [0-9]{1,2}:[0-9]{1,3} ?([+-][0-9]{1,30}|GMT)"


@given(st.text() | st.from_regex(_DATE, fullmatch=True) | st.from_regex(r"[0-9]{1,400}", fullmatch=True))
def test_a_retry_after_header_is_a_wish_or_nothing_whatever_stands_there(value: str) -> None:
    """Garbage neither raises nor parks a destination for ever."""
    seconds = retry_after(value, datetime(2026, 1, 1, tzinfo=UTC))

    assert seconds is None or 0 <= seconds <= 86_400
