"""Every page on a phone and a desk, in light and dark: nothing runs over, axe finds nothing, nobody complains.

Short in every run of the tests: the longer words, the narrowest screen, and axe in one scheme for each page, light and
dark in turn. ``make looks`` (``LOOKS=long``) takes both languages, every width and both schemes.
"""

import os
import re
from collections.abc import Iterator
from typing import Literal

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.administered import collector, contested, noted, servers, set_aside, waiting
from tests.browser.conftest import Household, Opened, Watched
from tests.browser.every_page import Look, every_page
from tests.browser.on_site import installer, put_up
from tests.browser.site import Person, Site

pytestmark = pytest.mark.browser

LONG = os.environ.get("LOOKS") == "long"
LOCALES = ["de", "en"] if LONG else ["de"]
WIDTHS = (1280, 768, 390, 320) if LONG else (320,)
READ_AT = {"de": 390, "en": 1280}

# Beside one page of each route: the other states of an inverter, spent links, what is not there.
MORE_OPEN = ["/verify?token=spent", "/reset/set?token=spent", "/nothing/here"]
MORE_SIGNED_IN = ["/inverters/{balcony}", "/inverters/{barn}", "/inverters/{balcony}/pairing", "/account/email/confirm"]
_OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# Colours glide from one scheme to the other.
_SETTLED = """() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() =>
    Promise.allSettled(document.getAnimations().filter(one => one instanceof CSSTransition).map(one => one.finished))
        .then(() => done()))))"""
_SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
# A link inside a sentence may be as high as its line (WCAG 2.5.8); a card's link covers its whole card; a tick's target
# is its label.
_SMALL_TARGETS = """() => [...document.querySelectorAll('main :is(a, button, summary, input:not([type=hidden]))')]
    .filter(one => one.checkVisibility() && !one.closest('p:not(.links), .inverter h2'))
    .map(one => ['checkbox', 'radio'].includes(one.type) ? one.closest('label') ?? one : one)
    .map(one => [one.outerHTML.slice(0, 90), one.getBoundingClientRect()])
    .filter(([_, box]) => box.height > 0 && box.height < 43.5)
    .map(([html, box]) => `${box.height}: ${html}`)"""


@pytest.fixture(scope="module")
def looks(site: Site, home: Household) -> list[Look]:
    """Every page, with something to see on each."""
    ada, bob = site.person("ada.looks@example.org", admin=True), site.person("bob.looks@example.org")
    contested(site, home.alice, bob, serial="2788888888", name="The neighbour's barn with a rather long name")
    letter = set_aside(site, home.garage, "a rather long and wordy answer of the store, with nothing to hold on to")
    set_aside(site, home.garage, "another answer to the same")
    waiting(site, home.alice, "unauthorized access")
    servers(site, home.alice, "no answer in time")
    noted(site, home.alice, {"name": "South", "after": "South roof"})
    ines = installer(site, "ines.looks@example.org")
    put_up(site, ines, "Mill Lane 4")
    ids = {
        "collector_id": collector(site, "the house of a rather long name"),
        "site_id": put_up(site, ines, "The house at the corner of a rather long street"),
        "inverter_id": home.garage, "letter_id": letter, "account_id": home.alice.account_id, "serial": "2788888888",
    }  # fmt: skip
    more = {"balcony": home.balcony, "barn": home.barn}
    return [
        *every_page(site, home.alice, ada, ines, ids),
        *(Look(None, path) for path in MORE_OPEN),
        *(Look(home.alice, path.format(**more)) for path in MORE_SIGNED_IN),
    ]


def shown(site: Site, looks: list[Look], people: dict[Person | None, Watched]) -> Iterator[tuple[str, Page]]:
    """Each page, opened by whom it is for, with everything folded out; one tab for each person."""
    tabs = {person: visitor.page("about:blank") for person, visitor in people.items()}
    for look in looks:
        page = tabs[look.person]
        page.goto(site.url + look.path)
        drawn(page)
        page.evaluate("document.querySelectorAll('main details').forEach(one => { one.name = ''; one.open = true; })")
        yield look.path.partition("?")[0], page


def findings(page: Page) -> list[str]:
    """What axe finds, with the elements it speaks of."""
    result = Axe().run(page)
    return [f"{one['id']}: {[node['html'][:120] for node in one['nodes']]}" for one in result.response["violations"]]


def drawn(page: Page) -> None:
    """Wait for the curve where there is one: it is the last thing a page does."""
    if page.locator("[data-curve]").count():
        page.wait_for_selector("[data-curve][data-drawn]")


@pytest.mark.parametrize("locale", LOCALES)
def test_no_page_is_too_wide_axe_finds_nothing_and_all_of_it_is_ours(
    opened: Opened, site: Site, looks: list[Look], locale: str
) -> None:
    """From a small phone to a desk; contrast, names, roles, structure; targets for fingers of at least 44 pixels."""
    people = {look.person: opened(look.person, locale=locale) for look in looks}
    too_wide, found = {}, {}
    for turn, (path, page) in enumerate(shown(site, looks, people)):
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 844})
            page.evaluate(_SETTLED)
            if (over := page.evaluate(_OVERFLOW)) > 0:
                too_wide[path, width] = over
        page.set_viewport_size({"width": READ_AT[locale], "height": 844})
        for scheme in _SCHEMES if LONG else (_SCHEMES[turn % 2],):
            page.emulate_media(color_scheme=scheme)
            page.evaluate(_SETTLED)
            if trouble := findings(page) + page.evaluate(_SMALL_TARGETS):
                found[path, scheme] = trouble
    asked = {address for one in people.values() for address in one.asked}

    assert too_wide == {}
    assert found == {}
    assert {address for address in asked if not address.startswith((site.url, "data:", "blob:"))} == set()


def test_every_page_for_owners_speaks_german(site: Site, looks: list[Look]) -> None:
    """The page says which language it is in; those for administrators stay English."""
    spoken: dict[str, set[str]] = {"de": set(), "en": set()}
    for look in looks:
        cookies = {look.person.cookie["name"]: look.person.cookie["value"]} if look.person else {}
        answer = httpx.get(site.url + look.path, cookies=cookies, headers={"accept-language": "de-DE"}, timeout=30)
        language = re.search(r'<html lang="(\w+)"', answer.text)
        assert language, look.path
        spoken[language[1]].add(look.path.split("/")[1])

    assert spoken["en"] == {"admin"}
    assert "admin" not in spoken["de"]
