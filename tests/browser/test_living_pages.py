"""What happens on an open page: from sign-up to the first watts, live values, copying, and a life without scripts."""

import re
import statistics
import time
from datetime import UTC, datetime
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from portal.accounts import service
from schema.models import Grant, Owner, Rung
from tests.browser.conftest import Household, Opened
from tests.browser.site import PASSWORD, Site
from tests.visitor import mailed_link, wait_for

pytestmark = pytest.mark.browser


def listening(site: Site, page: Page) -> None:
    """Wait until the page's stream stands: what is published from now on must arrive."""
    before = page.evaluate("document.body.dataset.events")
    assert before == "/events"
    wait_for(lambda: site.parts.live_feed.listeners > 0, seconds=5, what="a listening page")


async def zone_of(site: Site, email: str) -> str:
    """The time zone that this account's owner was given."""
    async with site.parts.sessions() as session:
        account = await service.find(session, email)
        assert account is not None
        statement = select(Owner.time_zone).join(Grant, Grant.owner_id == Owner.id)
        return (await session.scalars(statement.where(Grant.account_id == account.id))).one()


def test_a_newcomer_walks_from_sign_up_to_first_watts(opened: Opened, site: Site) -> None:
    """Six inputs, one mail, and the pairing page turns into watts by itself, the secret still standing on it."""
    carol = opened(timezone_id="Asia/Tokyo", viewport={"width": 390, "height": 844})
    page = carol.page(site.url + "/signup")

    page.get_by_label("E-mail").fill("carol@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_role("heading", name="Look at your mail")).to_be_visible()
    page.goto(mailed_link(site.parts.settings.outbox_dir, "carol@example.org"))
    page.get_by_role("button", name="Confirm").click()
    page.get_by_label("E-mail").fill("carol@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="Add your first inverter").click()
    page.get_by_label("Name").fill("South roof")
    page.get_by_label("Serial").fill("2799 0011 22")
    page.get_by_role("button", name="Add").click()
    secret = page.locator("#secret").text_content() or ""
    inverter = UUID(page.url.split("/")[-2])
    listening(site, page)

    site.publish(inverter, {}, rung=Rung.LOGIN_ACCEPTED, reading_at=None)
    expect(page.locator(".step-done")).to_have_count(2)
    site.publish(
        inverter, {}, rung=Rung.TOPIC_RIGHT, reading_at=None,
        refusal="not_json", refusal_detail="The message is no JSON document.", refused_at=datetime.now(UTC),
    )  # fmt: skip
    expect(page.locator(".step-trouble")).to_contain_text("no JSON document")
    site.publish(inverter, {"ac_power": 412.0})
    expect(page.locator(".first-watts")).to_contain_text("412")
    site.publish(inverter, {"ac_power": 431.0})
    expect(page.locator(".first-watts .value")).to_contain_text("431")

    assert re.fullmatch(r"[A-Z2-7]{4}(-[A-Z2-7]{4}){7}", secret)
    assert page.locator("#secret").text_content() == secret
    assert site.do(zone_of(site, "carol@example.org")) == "Asia/Tokyo"
    page.get_by_role("link", name="See your watts").click()
    expect(page.get_by_role("heading", name="South roof")).to_be_visible()


def test_the_open_overview_follows_within_a_second(opened: Opened, site: Site, home: Household) -> None:
    """Watts of the card, the sum, and the sentence, without a reload; the middle one of three readings."""
    page = opened(home.alice).page(site.url + "/")
    listening(site, page)
    page.evaluate("document.marked = true")

    took_s = []
    for watts, shown in ((1230.0, "1.23"), (2340.0, "2.34"), (3210.0, "3.21")):
        began = time.monotonic()
        site.publish(home.garage, {"ac_power": watts, "total_energy": 5000.0})
        expect(page.locator(f'[data-power="{home.garage}"]')).to_contain_text(shown)
        took_s.append(time.monotonic() - began)
    expect(page.locator(f'[data-verdict="{home.garage}"]')).to_contain_text("3.21\u00a0kW, updated just now")
    expect(page.locator("[data-newest]")).to_contain_text("just now")

    assert statistics.median(took_s) < 1.0
    assert page.evaluate("document.marked")


def test_the_open_curve_grows_and_its_values_follow(opened: Opened, site: Site, home: Household) -> None:
    """The day's drawing, the big number, the string, the list."""
    page = opened(home.alice).page(f"{site.url}/inverters/{home.balcony}")
    page.wait_for_selector("[data-curve][data-drawn] canvas")
    listening(site, page)

    site.publish(home.balcony, {"ac_power": 777.0, "dc_pv1_power": 401.0, "temperature": 44.0})
    expect(page.locator(f'[data-power="{home.balcony}"]')).to_contain_text("777")
    expect(page.locator('.meter-list [data-value="dc_pv1_power"]')).to_have_text("401\u00a0W")
    page.get_by_text("All current values").click()
    expect(page.locator('.pairs [data-value="temperature"]')).to_have_text("44\u00a0°C")
    page.locator(".u-over").hover()
    expect(page.locator("[data-readout]")).to_contain_text(re.compile(r"^\d\d?:\d\d\s[AP]M: "))


def test_a_hidden_page_lets_its_stream_go_and_takes_it_up_again(opened: Opened, site: Site, home: Household) -> None:
    """A tab in the background costs nothing."""
    page = opened(home.alice).page(site.url + "/")
    listening(site, page)

    def turn(hidden: str) -> None:
        page.evaluate(
            f"Object.defineProperty(document, 'hidden', {{configurable: true, get: () => {hidden}}});"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )

    turn("true")
    site.publish(home.balcony, {"ac_power": 5.0})
    wait_for(lambda: site.parts.live_feed.listeners == 0, seconds=5, what="the stream's end")
    turn("false")
    listening(site, page)


def test_yesterday_is_one_press_away_and_has_its_own_curve(opened: Opened, site: Site, home: Household) -> None:
    """And the way back to today."""
    page = opened(home.alice).page(f"{site.url}/inverters/{home.garage}")

    page.get_by_role("link", name="The day before").click()
    page.wait_for_selector("[data-curve][data-drawn] canvas")
    expect(page.locator(".switcher time")).not_to_have_text("Today")
    page.get_by_text("The day as a table").click()
    expect(page.locator("table")).to_contain_text("12:00")
    page.get_by_role("link", name="The day after").click()
    expect(page.locator(".switcher time")).to_have_text("Today")


def test_a_copy_button_copies_what_is_shown(opened: Opened, site: Site, home: Household) -> None:
    """Settings with line breaks and all."""
    watched = opened(home.alice, permissions=["clipboard-read", "clipboard-write"])
    page = watched.page(site.url + "/inverters/new")
    page.get_by_label("Name").fill("To be connected")
    page.get_by_label("Serial").fill("2755 0000 01")
    page.get_by_role("button", name="Add").click()

    page.locator(".recipes details[open] button").click()

    expect(page.locator(".recipes details[open] button")).to_contain_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator(".recipes details[open] pre").text_content()
    assert copied.count("\n") == 4


def test_every_page_works_without_scripts(opened: Opened, site: Site, home: Household) -> None:
    """Log in, look, add, read the settings: the same pages, drawn by the server."""
    page = opened(java_script_enabled=False).page(site.url + "/login")
    page.get_by_label("E-mail").fill("alice@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()

    expect(page.locator("h1")).to_contain_text("working")
    assert page.locator("svg.spark").count() == 2
    page.goto(f"{site.url}/inverters/{home.garage}")
    expect(page.locator(".curve > svg .draw-line")).to_be_visible()
    expect(page.locator(".pillar")).to_have_count(7)
    page.goto(site.url + "/inverters/new")
    page.get_by_label("Name").fill("Without scripts")
    page.get_by_label("Serial").fill("2766 0000 01")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_text("MQTT_TOPIC_PREFIX=")).to_be_visible()
    page.get_by_role("heading", name="OpenDTU").click()
    expect(page.get_by_role("term").filter(has_text="Base Topic")).to_be_visible()
    expect(page.locator("button[data-copy]").first).to_be_hidden()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_text("You are logged out.")).to_be_visible()


def test_a_page_can_be_walked_by_keyboard_alone(opened: Opened, site: Site, home: Household) -> None:
    """The first stop leads past the header, and each stop can be seen."""
    page = opened(home.alice).page(site.url + "/")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Add inverter").last).to_be_focused()
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Balcony")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Balcony")).to_be_visible()

    assert outline == "3px"
