"""The pages in German: longer words are not broken on a phone, scripts speak it too, a stranger can choose it."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Household, Opened
from tests.browser.site import Site
from tests.visitor import wait_for

pytestmark = pytest.mark.browser
# A word that is broken in two where its line ends is as wide as its place and higher than one line.
_BROKEN_WORDS = """() => [...document.querySelectorAll('.when, dt, .button, nav a:not(.me)')]
    .filter(one => one.checkVisibility() && /^\\S+$/.test(one.textContent.trim()))
    .filter(one => { const range = document.createRange(); range.selectNodeContents(one);
                     return new Set([...range.getClientRects()].map(box => Math.round(box.top / 6))).size > 1
                            && !one.querySelector('svg') })
    .map(one => one.outerHTML.slice(0, 90))"""


@pytest.mark.parametrize("width", [320, 390])
def test_no_german_word_is_broken_in_two(opened: Opened, site: Site, home: Household, width: int) -> None:
    """Under the bars, in lists, on buttons and in the navigation."""
    alice = opened(home.alice, viewport={"width": width, "height": 844}, locale="de-DE")
    broken = {}

    for path in ("/", f"/inverters/{home.garage}", f"/inverters/{home.garage}/pairing", "/account", "/inverters/new"):
        page = alice.page(site.url + path)
        assert page.evaluate("document.documentElement.lang") == "de"
        if found := page.evaluate(_BROKEN_WORDS):
            broken[path] = found
        page.close()

    assert broken == {}


def test_scripts_speak_german(opened: Opened, site: Site, home: Household) -> None:
    """Ages count on, the curve's lines have names, and its axis has German hours and numbers."""
    page = opened(home.alice, locale="de-DE").page(f"{site.url}/inverters/{home.garage}")
    page.wait_for_selector("[data-curve][data-drawn]")

    expect(page.locator("time[data-since]").first).to_have_text(re.compile(r"^(vor \d+ (s|min)|gerade eben)$"))
    expect(page.locator("[data-legend]")).to_contain_text("Batterie")
    expect(page.locator("[data-legend] legend")).to_have_text("Linien")


def test_what_arrives_on_an_open_page_is_german_too(opened: Opened, site: Site, home: Household) -> None:
    """The stream speaks the language of the page that listens, not that of who asked last."""
    german = opened(home.alice, locale="de-DE").page(f"{site.url}/inverters/{home.balcony}")
    english = opened(home.alice, locale="en-GB").page(f"{site.url}/inverters/{home.balcony}")
    wait_for(lambda: site.parts.live_feed.listeners > 1, seconds=5, what="two listening pages")

    site.publish(home.balcony, {"ac_power": 1432.0, "dc_pv1_power": 1432.0})

    for page, watts, lead in ((german, "1,43", "In Betrieb"), (english, "1.43", "Working")):
        expect(page.locator(f'[data-power="{home.balcony}"]')).to_contain_text(watts)
        expect(page.locator('[data-verdict] [data-part="lead"]')).to_have_text(lead)


def test_a_stranger_changes_the_language_without_scripts(opened: Opened, site: Site) -> None:
    """One press at the foot of the page, and the next page remembers it."""
    page = opened(java_script_enabled=False, locale="en-GB").page(f"{site.url}/login")

    page.get_by_role("link", name="Deutsch").click()
    expect(page.get_by_role("heading", name="Anmelden")).to_be_visible()
    page.get_by_role("link", name="Registrieren").first.click()

    expect(page.get_by_role("heading", name="Registrieren")).to_be_visible()
    assert "lang=" not in page.url
