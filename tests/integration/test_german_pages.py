"""No English is left on a page in German: every page an owner can open, by the application's own list of routes."""

import json
import re
from collections.abc import AsyncGenerator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sqlalchemy import update

from portal.app import PAGES_OPEN, PAGES_SIGNED_IN
from schema.models import Account
from tests.people import Cast, the_cast
from tests.portal_app import running_portal
from tests.portal_letters import put
from tests.sunny_roof import shine

pytestmark = pytest.mark.integration
GERMAN = {"accept_language": "de"}
# No page: what scripts read, and a picture of nothing.
NO_PAGES = {"/events", "/inverters/{inverter_id:uuid}/curve"}
# Words that every English sentence here has one of, and no German one.
ENGLISH = re.compile(
    r"\b(the|you|your|yours|and|of|is|are|were|it|its|this|that|these|to|from|with|for|by|has|have|please|not yet"
    r"|today|now|ago|yesterday|just|send|make|made|get|log|out|inverters?|readings?|messages?|account|password|device"
    r"|address|day|power|energy|voltage|current|battery|grid|load|no|nothing|none)\b",
    re.IGNORECASE,
)
_ATTRIBUTES = ("aria-label", "title", "placeholder", "alt")
_UNTRANSLATED = ("code", "pre", "script", "style", "svg", "datalist")
# Names of programs, of their files and of what is spelled alike in both languages.
_NAMES = re.compile(r"deye-inverter-mqtt|config\.env|ac_power|log-?[io][nu]t?-\w+")


class _Text(HTMLParser):
    """What a person reads or hears of a page; values to copy and to paste are no words."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in _ATTRIBUTES and value]
        self.found += json.loads(dict(attrs).get("data-words") or "{}").values()
        if tag in _UNTRANSLATED or dict(attrs).get("lang") == "en":
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.found.append(data.strip())


def english_in(html: str) -> set[str]:
    """The texts of the page that have an English word."""
    text = _Text()
    text.feed(html)
    return {one for one in text.found if ENGLISH.search(_NAMES.sub("", one))}


def pages_of(handlers: list[object], roof: str) -> list[str]:
    """The addresses of these handlers' pages; administration is English."""
    paths = {
        path
        for handler in handlers
        if "GET" in handler.http_methods  # type: ignore[attr-defined]  # a list of Litestar's route handlers
        for path in handler.paths  # type: ignore[attr-defined]
    }
    owners = {path for path in paths - NO_PAGES if not path.startswith("/admin")}
    return sorted(
        path.replace("{inverter_id:uuid}", roof) for path in owners if "_id:" not in path.replace("inverter_id:", "")
    )


@pytest.fixture
async def cast(tmp_path: Path) -> AsyncGenerator[Cast, None]:
    """Everybody at a portal of their own; Alice's roof shines, and some of its messages were set aside."""
    async with running_portal(tmp_path) as portal, the_cast(portal) as people:
        await shine(people, people.roof)
        await put(people)
        yield people


async def test_no_page_of_an_owner_has_english_words_in_german(cast: Cast) -> None:
    """Each page that a signed-in owner can open, with data and without."""
    left = {}

    for path in pages_of([*PAGES_SIGNED_IN, *PAGES_OPEN], str(cast.roof)):
        for person in (cast.alice, cast.nobody):
            answer = await person.get(path, **GERMAN)
            is_page = answer.headers.get("content-type", "").startswith("text/html")
            if is_page and (words := english_in(answer.text)):
                left[path, person.name] = words

    assert left == {}


async def test_no_page_of_an_installer_has_english_words_in_german(cast: Cast) -> None:
    """The list of sites, a site before and after its first device, the sheet, and what a wrong form says."""
    async with cast.portal.parts.sessions.begin() as session:
        await session.execute(update(Account).where(Account.id == cast.ines.account_id).values(is_installer=True))
    answers = [await cast.ines.get("/sites", **GERMAN)]
    site = (await cast.ines.post("/sites", name="Mühlweg 4")).headers["location"]
    answers.append(await cast.ines.get(site, **GERMAN))
    await cast.ines.post(f"{site}/devices", serial="2733333333", name="Dach")
    answers += [await cast.ines.get(path, **GERMAN) for path in (site, f"{site}/settings", f"{site}/settings")]
    cast.ines.http.headers["accept-language"] = "de"
    answers += [await cast.ines.post("/sites", name="Mühlweg 4"), await cast.ines.post("/sites", name="")]
    answers.append(await cast.ines.post(f"{site}/devices", serial="2733333333"))

    assert [answer.status_code for answer in answers] == [200] * 5 + [422] * 3
    assert {words for answer in answers for words in english_in(answer.text)} == set()


async def test_the_marker_words_find_english(cast: Cast) -> None:
    """The test above can fail: each of these pages is full of them in English."""
    for path in pages_of([*PAGES_SIGNED_IN], str(cast.roof)):
        answer = await cast.alice.get(path)
        if answer.status_code == 200:
            assert english_in(answer.text), path


async def test_live_events_and_the_curve_speak_german_too(cast: Cast) -> None:
    """What scripts put into the page comes from the same catalogues."""
    curve = await cast.alice.get(f"/inverters/{cast.roof}/curve", **GERMAN)
    page = await cast.alice.get(f"/inverters/{cast.roof}", **GERMAN)

    assert {name for name in curve.json()["names"].values() if name.startswith("String")} == {"String 1", "String 2"}
    assert "vor %(count)s" not in page.text
    assert "vor {} min" in page.text
    assert ">vor 18 s</time>" in page.text
