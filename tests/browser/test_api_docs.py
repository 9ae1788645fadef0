"""The page that draws the API's description: everything is there, the browser has nothing to report."""

import re

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Household, Opened
from tests.browser.site import Site

pytestmark = pytest.mark.browser

# What the content security policy forbids, the browser tells the page; it is written down before anything else runs.
_LISTEN = """
window.forbidden = [];
document.addEventListener("securitypolicyviolation", (event) => window.forbidden.push(event.violatedDirective));
"""


def test_the_description_is_drawn_with_nothing_forbidden_and_nothing_foreign(
    opened: Opened, site: Site, home: Household
) -> None:
    """Each operation can be opened, its example and its refusals read; no report, no complaint, no other server."""
    visitor = opened(home.alice)
    visitor.context.add_init_script(_LISTEN)
    page = visitor.page(site.url + "/docs")
    operations = page.locator(".opblock")
    paths = httpx.get(site.url + "/docs/openapi.json").json()["paths"]
    described = sum(method in ("get", "post", "put", "patch", "delete") for path in paths.values() for method in path)

    expect(operations).to_have_count(described)
    page.locator("#operations-Readings-listReadings button.opblock-summary-control").click()
    opened_one = page.locator("#operations-Readings-listReadings")
    expect(opened_one.get_by_text("The store of readings does not answer.").first).to_be_visible()
    expect(opened_one.get_by_text(re.compile("ac_power")).first).to_be_visible()
    page.locator("#operations-Readings-listReadings .try-out__btn").click()
    page.locator("#operations-Readings-listReadings .execute").click()
    expect(opened_one.get_by_text("A valid bearer token is needed.").first).to_be_visible()

    assert page.evaluate("window.forbidden") == []
    assert {address for address in visitor.asked if not address.startswith((site.url, "data:", "blob:"))} == set()
