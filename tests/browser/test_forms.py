"""Forms in a browser: what is wrong is seen in the form that was sent, what was typed stays; without scripts they work
all the same, from sign-up to the account's end.
"""

import os

import pytest
from playwright.sync_api import Locator, Page, Route, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.browser.administered import collector, contested, set_aside, waiting
from tests.browser.conftest import Household, Opened
from tests.browser.every_page import Look, every_page
from tests.browser.on_site import installer, put_up
from tests.browser.site import PASSWORD, Site
from tests.visitor import mailed_link

pytestmark = pytest.mark.browser
NEW_PASSWORD = "ten blue kettles"
LONGEST_MS = 5_000
FORMS = "form[method=post]"
LONG = os.environ.get("LOOKS") == "long"
TROUBLES = ((429, "slower"), (0, "does not answer"), (503, "slower"))


class InTheWay:
    """What stands between a form and its handler: a status with the portal's own page, or no answer at all."""

    def __init__(self, body: str) -> None:
        self.body = body
        self.status = 0

    def answer(self, route: Route) -> None:
        """Forms alone are stopped."""
        if route.request.method != "POST":
            route.continue_()
        elif self.status:
            route.fulfill(status=self.status, body=self.body, content_type="text/html; charset=utf-8")
        else:
            route.abort()


@pytest.fixture(scope="module")
def looks(site: Site, home: Household) -> list[Look]:
    """Every page there is."""
    ada, bob = site.person("ada.forms@example.org", admin=True), site.person("bob.forms@example.org")
    contested(site, home.alice, bob, serial="2788888777", name="Barn")
    waiting(site, bob, "unauthorized access")
    letter = set_aside(site, home.garage, "refused")
    ids: dict[str, object] = {
        "inverter_id": home.garage,
        "letter_id": letter,
        "account_id": bob.account_id,
        "serial": "2788888777",
    }
    ines = installer(site, "ines.forms@example.org")
    ids["collector_id"] = collector(site, "forms")
    ids["site_id"] = put_up(site, ines, "Mill Lane 4")
    return every_page(site, home.alice, ada, ines, ids)


def send(form: Locator) -> None:
    """Send it as it is, past what the browser itself would ask for."""
    form.evaluate("form => { form.noValidate = true; form.requestSubmit(); }")


def fill_in(form: Locator) -> dict[str, str]:
    """Something in each field that a person fills in; returns it by name."""
    typed = {}
    for field in form.locator("input[name]:not([type=hidden]):not([type=checkbox]):not([type=radio])").all():
        name = field.get_attribute("name") or ""
        typed[name] = "somebody@example.org" if field.get_attribute("type") == "email" else "nine green bottles"
        field.evaluate("(field, text) => { field.value = text; }", typed[name])
    return typed


def what_is_missing(page: Page, form: Locator, words: str, typed: dict[str, str]) -> list[str]:
    """The sentence stands in the form (the header's own at the top of the page), all else is as it was."""
    try:
        page.locator("[data-refusal]").filter(has_text=words).wait_for(state="attached", timeout=LONGEST_MS)
    except PlaywrightTimeout:
        return ["no sentence"]
    inside = form.locator("[data-refusal]").count() == 1 or not form.evaluate("one => Boolean(one.closest('main'))")
    promises = {
        "elsewhere": inside,
        "once": page.locator("[data-refusal]").count() == 1,
        "typed": all(form.locator(f"[name={name}]").input_value() == text for name, text in typed.items()),
        "button": form.locator("button").first.is_enabled(),
    }
    return [name for name, kept in promises.items() if not kept]


def test_every_form_says_what_stands_in_its_way_and_keeps_what_was_typed(
    opened: Opened, site: Site, looks: list[Look]
) -> None:
    """Too many tries, a part that is away, no answer at all: in that very form, on the page that stays open. Each form
    meets one of them in turn, in the long form (``make looks``) all three.
    """
    nothing = opened().page(site.url + "/nothing/here")
    way = InTheWay(nothing.content().replace("Nothing here", "A little slower, please"))
    people = {look.person: opened(look.person) for look in looks}
    tabs = {person: one.page("about:blank") for person, one in people.items()}
    for page in tabs.values():
        page.route("**/*", way.answer)
    sent, wrong = 0, []
    for look in looks:
        page = tabs[look.person]
        page.goto(site.url + look.path)
        for form in page.locator(FORMS).all():
            typed = fill_in(form)
            for status, words in TROUBLES if LONG else (TROUBLES[sent % len(TROUBLES)],):
                way.status = status
                page.evaluate("document.querySelector('[data-refusal]')?.remove()")
                send(form)
                if missing := what_is_missing(page, form, words, typed):
                    wrong.append((look.path, form.get_attribute("action"), status, missing))
            sent += 1
    for one in people.values():
        one.complaints[:] = [text for text in one.complaints if "net::ERR_FAILED" not in text]
    nothing.close()

    assert wrong == []
    assert sent > 60


def test_an_empty_form_comes_back_with_its_complaints_on_the_same_page(
    opened: Opened, site: Site, looks: list[Look]
) -> None:
    """Each form that asks for something, sent with nothing in it: a sentence at its field, and the field in focus."""
    tabs = {look.person: opened(look.person).page("about:blank") for look in looks}
    complained = set()
    # An administrator presses buttons and types nothing.
    for look in (look for look in looks if not look.path.startswith("/admin")):
        page = tabs[look.person]
        page.goto(site.url + look.path)
        for number in range(page.locator(f"main {FORMS}").count()):
            form = page.locator(f"main {FORMS}").nth(number)
            fields = form.locator("input:not([type=hidden])")
            action = form.get_attribute("action") or ""
            if action in complained or not fields.count():
                continue
            fields.evaluate_all("fields => fields.forEach(one => { one.value = ''; one.checked = false; })")
            page.evaluate("document.marked = true")
            send(form)
            first = page.locator("main [aria-invalid=true], main [role=alert]").first
            expect(first).to_be_focused()
            # Log-in gives no lessons about what was typed: there the sentence is about the whole form.
            described = (first.get_attribute("aria-describedby") or "").split()
            expect(page.locator(f"#{described[-1]}") if described else first).to_be_visible()
            assert page.evaluate("document.marked"), action
            assert page.url == site.url + look.path
            complained.add(action)

    assert {"/login", "/signup", "/reset", "/verify/again", "/inverters", "/account/password", "/account/email"} <= (
        complained
    )
    assert {"/account/profile", "/account/keys", "/account/delete", "/account/prove", "/reset/set"} <= complained


def test_too_many_passwords_are_refused_in_the_form(opened: Opened, site: Site) -> None:
    """The real limit: after five wrong ones the sixth is not looked at, and the address still stands there."""
    site.person("hasty@example.org")
    page = opened().page(site.url + "/login")
    for number in range(6):
        page.get_by_label("E-mail").fill("hasty@example.org")
        page.get_by_label("Password").fill(f"wrong number {number}")
        with page.expect_response("**/login"):
            page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_be_visible()

    expect(page.get_by_role("alert")).to_contain_text("too many tries")
    expect(page.get_by_label("E-mail")).to_have_value("hasty@example.org")
    expect(page).to_have_url(site.url + "/login")


def test_a_form_sent_twice_by_a_double_click_is_sent_once(opened: Opened, site: Site, home: Household) -> None:
    """The button rests while the answer is under way."""
    watched = opened(home.alice)
    page = watched.page(site.url + "/inverters/new")
    page.get_by_label("Name").fill("Twice")
    page.get_by_label("Serial").fill("2744 0000 77")
    page.get_by_role("button", name="Add").dblclick()
    expect(page.get_by_role("heading", name="Connect Twice")).to_be_visible()

    assert watched.asked.count(f"{site.url}/inverters") == 1


def walk_in(page: Page, email: str, password: str) -> None:
    """Log in by the form."""
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


@pytest.mark.parametrize("scripts", [False, True])
def test_an_account_lives_from_its_first_to_its_last_page(opened: Opened, site: Site, scripts: bool) -> None:
    """Sign up, confirm, log in, add an inverter, every setting, delete, keep, log out; with scripts and without."""
    email = f"carla.{scripts}@example.org".lower()
    page = opened(java_script_enabled=scripts, timezone_id="Asia/Tokyo").page(site.url + "/signup")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_role("heading", name="Look at your mail")).to_be_visible()
    page.goto(mailed_link(site.parts.settings.outbox_dir, email))
    page.get_by_role("button", name="Confirm").click()
    walk_in(page, email, PASSWORD)
    page.get_by_role("link", name="Add your first inverter").click()
    page.get_by_label("Name").fill("South roof")
    page.get_by_label("Serial").fill("2799 0022 33" if scripts else "2799 0022 34")
    page.get_by_role("button", name="Add").click()
    expect(page.locator("#secret")).to_be_visible()

    page.get_by_role("link", name=email).click()
    page.get_by_label("Name").fill("Carla")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_be_visible()
    page.get_by_role("link", name="Password").click()
    page.locator("#old_password").fill(PASSWORD)
    page.locator("#password").fill(NEW_PASSWORD)
    page.locator(f"main {FORMS} button").click()
    expect(page.get_by_role("status")).to_be_visible()
    page.get_by_role("link", name="API keys").click()
    page.get_by_label("Name").fill("my house")
    page.get_by_role("button", name="Make the key").click()
    expect(page.locator("#new-key")).to_contain_text("deye_")
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("Ended lately")).to_be_visible()
    page.goto(site.url + "/account/delete")
    page.get_by_label("I want my account to be deleted.").check()
    page.get_by_role("button", name="Delete my account in seven days").click()
    page.locator("main").get_by_role("button", name="Keep my account").first.click()
    expect(page.get_by_role("status")).to_be_visible()
    page.get_by_role("banner").get_by_role("button", name="Log out").click()
    walk_in(page, email, NEW_PASSWORD)

    expect(page.get_by_role("link", name="Carla")).to_be_visible()
