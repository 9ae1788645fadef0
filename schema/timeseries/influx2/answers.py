"""What an answer of InfluxDB, or its absence, tells the caller to do. Pure: the clock is handed in.

Source: InfluxDB 2.9.1 (``bridge-facts.md`` 1.2 and 2.2; seen again on a running one): 401 unknown token, 404 no such
organisation or bucket, 403 no right to it, 400 nothing written, 422 the valid points written, 500 perhaps some.
Proxies add 413, 429 and what else HTTP has.
"""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from schema.scrubbing import scrubbed
from schema.timeseries.port import BatchTooLarge, PointsRefused, StoreError, StoreMisconfigured, StoreUnavailable

_WRITTEN = 204
_TOO_LARGE = 413
_REFUSED = frozenset({400, 422})
_PATIENCE = frozenset({408, 425, 429})
_LONGEST_WISH_S = 86_400.0
_DETAIL = 300
_ID = re.compile(r"[0-9a-f]{16}")


def is_id(text: str) -> bool:
    """Whether ``text`` is an id as InfluxDB makes them; nothing else is ever put into an address."""
    return _ID.fullmatch(text) is not None


def refusal_of_write(status: int, body: str, *, retry_after_s: float | None) -> StoreError | None:
    """What to raise for the answer to a write; None for "written durably", which is 204 and nothing else."""
    if status == _WRITTEN:
        return None
    detail = _detail(status, body)
    if status in _REFUSED:
        return PointsRefused(detail, status=status)
    if status == _TOO_LARGE:
        return BatchTooLarge(detail)
    return _other(status, detail, retry_after_s)


def refusal_of_request(status: int, body: str, *, retry_after_s: float | None = None) -> StoreError:
    """What to raise for a query or a management request that failed; a refused one (400, 422) will be refused again."""
    return _other(status, _detail(status, body), retry_after_s)


def _detail(status: int, body: str) -> str:
    """What is logged and what owners read of it: a proxy may have echoed our token."""
    return f"{status}: {scrubbed(body)[:_DETAIL]}"


def _other(status: int, detail: str, retry_after_s: float | None) -> StoreError:
    # A redirect or an unexpected 2xx comes from something that is no InfluxDB, for instance a captive portal.
    if 300 <= status < 500 and status not in _PATIENCE:
        return StoreMisconfigured(detail, status=status)
    return StoreUnavailable(detail, retry_after_s=retry_after_s)


def retry_after(value: str | None, now: datetime) -> float | None:
    """The seconds a ``Retry-After`` header asks for (seconds or HTTP date, a day at most), None where it is garbage."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), _LONGEST_WISH_S)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # the latter for a zone that is any number of hours away
        return None
    seconds = (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds()
    return min(max(seconds, 0.0), _LONGEST_WISH_S)
