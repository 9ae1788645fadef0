"""Whatever is typed as a range, a day or a quantity is refused before a script for the store is written, and what a
script is written from can hold no character that means something there.
"""

import re
from datetime import UTC, datetime, timedelta

import pytest

from portal.dashboard import asked
from portal.dashboard.asked import NotAsked
from schema.quantities import CATALOGUE
from schema.timeseries.influx2 import flux

pytestmark = pytest.mark.unit

_WORDS = (
    '") |> yield() //', "' or 1=1", "-30d", "now()", "0", "1h |> drop()", '"', "\\", "`", "\n|> to(bucket: \"x\")",
    'r._field == "x") or true', "${secrets.get(key: \"x\")}", "import \"http\"", "2026-06-01T00:00:00Z) |> limit(n: 1",
    "2026-06-01\u0000", "2026-06-01T12:00:00Z\n", "\uff11\uff12",
    "ac_power\"", "ac_power ", "ac-power", "x:y", "*", "/.*/",
)  # fmt: skip
_AROUND = ("{}", "ac_power{}", "2026-06-01{}", "2026-06-01T12:00:00Z{}", "{}ac_power")
CORPUS = [around.format(word) for word in _WORDS for around in _AROUND if around.format(word) not in CATALOGUE]
# A plain name in quotation marks, an instant, a duration of whole seconds: all that a script is made of but its verbs.
_STRING = re.compile(r'"([^"\\]*)"')


@pytest.mark.parametrize("text", CORPUS)
def test_no_range_day_or_quantity_takes_it(text: str) -> None:
    """Each of the three places where a text of an address becomes a part of a question."""
    for ask in (asked.instant, asked.day, lambda name: asked.quantities([name])):
        with pytest.raises(NotAsked):
            ask(text)


def test_a_script_holds_only_what_is_ours() -> None:
    """All of the catalogue's names at once: every quoted text is a plain name."""
    at = datetime(2026, 6, 1, tzinfo=UTC)
    span = (at, at + timedelta(days=1))
    names = list(CATALOGUE)
    scripts = [
        flux.latest_script("bucket-1", at),
        flux.windows_script("bucket-1", names, span, 300, across_series=True),
        flux.counter_script("bucket-1", names[0], [span]),
    ]

    quoted = {text for script in scripts for text in _STRING.findall(script)}
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", text) for text in quoted)
    assert all(script.count('"') % 2 == 0 for script in scripts)
