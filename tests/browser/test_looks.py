"""Every page on a phone and a desk, in light and dark: nothing runs over, axe finds nothing, nobody complains."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import Household, Opened
from tests.browser.site import Site

pytestmark = pytest.mark.browser

OPEN = ["/login", "/signup", "/signup/sent", "/reset", "/mail-sent", "/verify/again", "/verify?token=spent"]
SIGNED_IN = [
    "/", "/inverters", "/inverters/new", "/inverters/{garage}", "/inverters/{balcony}", "/inverters/{barn}",
    "/inverters/{garage}/edit", "/inverters/{garage}/pairing", "/nothing/here",
]  # fmt: skip
_OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# A link inside a sentence may be as high as its line (WCAG 2.5.8); a card's link covers its whole card.
_SMALL_TARGETS = """() => [...document.querySelectorAll('main :is(a, button, summary, input:not([type=hidden]))')]
    .filter(one => one.checkVisibility() && !one.closest('p:not(.links), .inverter h2') && one.type !== 'checkbox')
    .map(one => [one.outerHTML.slice(0, 90), one.getBoundingClientRect()])
    .filter(([_, box]) => box.height > 0 && box.height < 43.5)
    .map(([html, box]) => `${box.height}: ${html}`)"""


def addresses(home: Household) -> list[tuple[str, bool]]:
    ids = {"garage": home.garage, "balcony": home.balcony, "barn": home.barn}
    return [(path, False) for path in OPEN] + [(path.format(**ids), True) for path in SIGNED_IN]


def findings(page: Page) -> list[str]:
    """What axe finds, with the elements it speaks of."""
    result = Axe().run(page)
    return [f"{one['id']}: {[node['html'][:120] for node in one['nodes']]}" for one in result.response["violations"]]


def drawn(page: Page) -> None:
    """Wait for the curve where there is one: it is the last thing a page does."""
    if page.locator("[data-curve]").count():
        page.wait_for_selector("[data-curve][data-drawn]")


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_no_page_is_wider_than_its_screen(opened: Opened, site: Site, home: Household, width: int) -> None:
    """From a small phone to a desk."""
    size = {"width": width, "height": 844}
    strangers, alice = opened(viewport=size), opened(home.alice, viewport=size)
    too_wide = {}

    for path, signed_in in addresses(home):
        page = (alice if signed_in else strangers).page(site.url + path)
        drawn(page)
        if (over := page.evaluate(_OVERFLOW)) > 0:
            too_wide[path] = over
        page.close()

    assert too_wide == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_either_scheme(opened: Opened, site: Site, home: Household, scheme: str) -> None:
    """Contrast, names, roles and structure of every page; targets for fingers are at least 44 pixels high."""
    strangers, alice = opened(color_scheme=scheme), opened(home.alice, color_scheme=scheme)
    found = {}

    for path, signed_in in addresses(home):
        page = (alice if signed_in else strangers).page(site.url + path)
        drawn(page)
        if trouble := findings(page) + page.evaluate(_SMALL_TARGETS):
            found[path] = trouble
        page.close()

    assert found == {}


def test_nothing_is_loaded_from_elsewhere(opened: Opened, site: Site, home: Household) -> None:
    """Pages and the API's description live on our own files alone."""
    alice = opened(home.alice)

    for path, _ in [*addresses(home), ("/docs", False)]:
        page = alice.page(site.url + path)
        if path == "/docs":
            expect(page.get_by_text("/healthcheck").first).to_be_visible()
        page.close()

    assert {address for address in alice.asked if not address.startswith((site.url, "data:", "blob:"))} == set()
