"""No page offers what would be refused: every form and every link on every page, for everybody, against the matrix.

A button whose act ends in "Nothing here" tells its reader that something is broken, and somebody else what there is.
"""

import re
from collections.abc import AsyncGenerator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.acts import STREAMS, ask, prepared, said
from tests.route_table import ROWS, Row
from tests.stage import Stage, the_stage
from tests.text_fields import KEPT, NOT_KEPT

pytestmark = pytest.mark.integration

WITH_COOKIES = ("nobody", "alice", "bob", "ines", "rita", "ada", "olga")
# A stranger who follows a link may be asked to log in.
WORKS = {"GET": ("200", "303", "prove", "login"), "POST": ("200", "303", "prove")}
PAGES = [row for row in ROWS if row.method == "GET" and not row.for_programs and row.path not in STREAMS]
TEXT = ("text", "email", "search", "tel", "url")
_PLACES = {"uuid": "[0-9a-f-]{36}", "str": "[^/]+", "path": ".+"}


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncGenerator[Stage, None]:
    """Everybody."""
    async with the_stage(tmp_path) as built:
        yield built


class Offers(HTMLParser):
    """What a page offers: ``POST`` and ``GET`` with an address of ours. ``unsigned`` are forms without their token,
    ``texts`` the fields that take any text, with the address that they are sent to.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[tuple[str, str]] = set()
        self.unsigned: set[str] = set()
        self.texts: set[tuple[str, str]] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Forms, links, and what htmx fetches."""
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            method = values.get("method", "get").upper()
            self._offer(method, values.get("action", ""))
            self._form = values.get("action", "")
            if method == "POST":
                self.unsigned.add(self._form)
        elif tag == "input" and values.get("name") == "_csrf_token" and values.get("value"):
            self.unsigned.discard(self._form)
        elif tag == "textarea" or (tag == "input" and values.get("type", "text") in TEXT):
            if values.get("name"):
                self.texts.add((self._form, values["name"]))
        elif tag == "a":
            self._offer("GET", values.get("href", ""))
        self._offer("GET", values.get("hx-get", ""))

    def _offer(self, method: str, address: str) -> None:
        there = urlsplit(address)
        if there.path.startswith("/") and not there.scheme and not there.netloc:
            self.found.add((method, there.path))


def route_of(method: str, path: str) -> Row | None:
    """The row of this address; a fixed path goes before one with places."""
    rows = [row for row in ROWS if row.method == method and _pattern(row.path).fullmatch(path)]
    return min(rows, key=lambda row: row.path.count("{"), default=None)


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\w+:\w+\})", path)
    return re.compile(
        "".join(_PLACES[part[:-1].split(":")[1]] if part[:1] == "{" else re.escape(part) for part in parts)
    )


def works(stage: Stage, visitor: str, row: Row, path: str) -> bool:
    """By the matrix; of what is not Alice's, everybody on whose page it stands is the owner or its installer."""
    hers = str(stage.cast.roof) in path or str(stage.cast.home) in path
    as_whom = [visitor] if hers or "{" not in row.path or path.startswith("/admin") else [visitor, "alice"]
    return any(row.answers[who] in WORKS[row.method] for who in as_whom)


async def test_no_page_offers_what_would_be_refused(stage: Stage) -> None:
    """Forms carry their token, lead to a route that there is, and work for whoever sees them; so do links."""
    wrong, seen, texts = set(), set(), set()
    for row in PAGES:
        for visitor in (who for who in WITH_COOKIES if row.answers[who] == "200"):
            path, query = await prepared(stage, row, visitor)
            page = await ask(stage, row, visitor, path, query)
            assert said(page) == "200", (visitor, row.path)
            offers = Offers(page.text)
            wrong |= {(visitor, row.path, "no token", action) for action in offers.unsigned}
            for action, name in offers.texts:
                there = route_of("POST", action) or route_of("GET", action)
                texts.add((there.path if there else action, name))
            for method, address in offers.found:
                there = route_of(method, address)
                if there is None or not works(stage, visitor, there, address):
                    wrong.add((visitor, row.path, method, there.path if there else address))
                else:
                    seen.add(there.route)

    assert sorted(wrong) == []
    # A field that is new is filled with payloads in the browser, or says why it keeps nothing.
    assert texts ^ (KEPT.keys() | NOT_KEPT.keys()) == set()
    # The reader would notice: acts of every kind were offered to somebody.
    assert len([route for route in seen if route.startswith("POST")]) >= 30
