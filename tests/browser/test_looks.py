"""Every page on a phone and a desk, in light and dark: nothing runs over, axe finds nothing, nobody complains.

Short in every run of the tests: the longer words, the narrowest and the widest screen. ``make looks`` (``LOOKS=long``)
takes both languages and every width.
"""

import os
import re
from collections.abc import Iterator
from typing import Any, Literal

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.administered import collector, contested, noted, servers, set_aside, waiting
from tests.browser.conftest import Household, Opened
from tests.browser.every_page import Look, every_page
from tests.browser.on_site import installer, put_up
from tests.browser.site import Site

pytestmark = pytest.mark.browser

LONG = os.environ.get("LOOKS") == "long"
LOCALES = ["de", "en"] if LONG else ["de"]
WIDTHS = (1280, 768, 390, 320) if LONG else (1280, 320)
DRESSES = [(390, "de"), (1280, "en")] if LONG else [(390, "de")]

# Beside one page of each route: the other states of an inverter, spent links, what is not there.
MORE_OPEN = ["/verify?token=spent", "/reset/set?token=spent", "/nothing/here"]
MORE_SIGNED_IN = ["/inverters/{balcony}", "/inverters/{barn}", "/inverters/{balcony}/pairing", "/account/email/confirm"]
_OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# Colours glide from one scheme to the other.
_SETTLED = """() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() =>
    Promise.allSettled(document.getAnimations().filter(one => one instanceof CSSTransition).map(one => one.finished))
        .then(() => done()))))"""
_SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
# A link inside a sentence may be as high as its line (WCAG 2.5.8); a card's link covers its whole card.
_SMALL_TARGETS = """() => [...document.querySelectorAll('main :is(a, button, summary, input:not([type=hidden]))')]
    .filter(one => one.checkVisibility() && !one.closest('p:not(.links), .inverter h2') && one.type !== 'checkbox')
    .map(one => [one.outerHTML.slice(0, 90), one.getBoundingClientRect()])
    .filter(([_, box]) => box.height > 0 && box.height < 43.5)
    .map(([html, box]) => `${box.height}: ${html}`)"""


@pytest.fixture(scope="module")
def looks(site: Site, home: Household) -> list[Look]:
    """Every page, with something to see on each."""
    ada, bob = site.person("ada.looks@example.org", admin=True), site.person("bob.looks@example.org")
    contested(site, home.alice, bob, serial="2788888888", name="The neighbour's barn with a rather long name")
    letter = set_aside(site, home.garage, "a rather long and wordy answer of the store, with nothing to hold on to")
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


def shown(opened: Opened, site: Site, looks: list[Look], **options: Any) -> Iterator[tuple[str, Page]]:
    """Each page, opened by whom it is for, with everything folded out; one tab for each person."""
    tabs = {look.person: opened(look.person, **options).page("about:blank") for look in looks}
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
def test_no_page_is_wider_than_its_screen(opened: Opened, site: Site, looks: list[Look], locale: str) -> None:
    """From a small phone to a desk; German words are longer."""
    too_wide = {}
    for path, page in shown(opened, site, looks, locale=locale):
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 844})
            page.evaluate(_SETTLED)
            if (over := page.evaluate(_OVERFLOW)) > 0:
                too_wide[path, width] = over

    assert too_wide == {}


@pytest.mark.parametrize(("width", "locale"), DRESSES)
def test_axe_finds_nothing_in_either_scheme(
    opened: Opened, site: Site, looks: list[Look], width: int, locale: str
) -> None:
    """Contrast, names, roles and structure of every page; targets for fingers are at least 44 pixels high."""
    found = {}
    size = {"width": width, "height": 844}
    for path, page in shown(opened, site, looks, viewport=size, locale=locale):
        for scheme in _SCHEMES:
            page.emulate_media(color_scheme=scheme)
            page.evaluate(_SETTLED)
            if trouble := findings(page) + page.evaluate(_SMALL_TARGETS):
                found[path, scheme] = trouble

    assert found == {}


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


def test_nothing_is_loaded_from_elsewhere(opened: Opened, site: Site, looks: list[Look]) -> None:
    """Pages and the API's description live on our own files alone."""
    people = {look.person: opened(look.person) for look in looks}

    for look in [*looks, Look(None, "/docs")]:
        page = people[look.person].page(site.url + look.path)
        if look.path == "/docs":
            expect(page.get_by_text("/healthcheck").first).to_be_visible()
        page.close()

    asked = {address for one in people.values() for address in one.asked}
    assert {address for address in asked if not address.startswith((site.url, "data:", "blob:"))} == set()
