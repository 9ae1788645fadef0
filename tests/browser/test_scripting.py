"""Two hundred payloads in every text that people, publishers, browsers and stores may choose, on every page that shows
it: no dialog, no report of the content security policy, no element or request made of one.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from playwright.sync_api import Dialog, Page
from sqlalchemy import select, update

from schema.models import Account, ApiKey, Audience, Inverter, LoginSession, Owner
from tests.browser.administered import around, collector, contested, noted, servers, set_aside, waiting
from tests.browser.conftest import Opened
from tests.browser.every_page import Look, every_page
from tests.browser.on_site import installer, put_up
from tests.browser.payloads import FOUND, LISTENING, MARK, PAYLOADS
from tests.browser.site import Person, Site, running_site
from tests.text_fields import KEPT, SENT

pytestmark = pytest.mark.browser

ALL = " ".join(PAYLOADS)


@pytest.fixture(scope="module")
def nasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A portal of its own: nobody else wants these names."""
    with running_site(tmp_path_factory.mktemp("nasty")) as running:
        yield running


async def _named(site: Site, person: Person, payload: str) -> None:
    async with site.parts.sessions.begin() as session:
        mine = update(Account).where(Account.id == person.account_id)
        await session.execute(mine.values(display_name=payload, email=f"{uuid4().hex}{payload}@example.org"))
        home = update(Owner).where(Owner.id == person.owner_id)
        await session.execute(home.values(name=payload))


def _mallory(site: Site) -> tuple[Person, dict[str, object]]:
    """Somebody of whom every text is all the payloads, or one payload a row where there are rows."""
    now, mallory = datetime.now(UTC), site.person("mallory@example.org")
    nelly = site.person("nelly@example.org")
    site.do(_named(site, mallory, ALL))
    inverter = site.inverter(mallory, ALL, ALL[:32])
    site.publish(inverter, {"ac_power": 5.0}, refusal="store_refused", refusal_detail=ALL, refused_at=now)
    contested(site, mallory, nelly, serial="2788888888", name=ALL)
    letter = set_aside(site, inverter, ALL)
    waiting(site, mallory, ALL)
    servers(site, mallory, ALL)
    for number, payload in enumerate(PAYLOADS):
        site.add(
            Inverter(
                id=uuid4(), owner_id=mallory.owner_id, name=payload, serial=payload[:32], sw_version=payload,
                created_at=now,
            ),
            LoginSession(
                id=uuid4(), account_id=mallory.account_id, audience=Audience.API if number % 2 else Audience.PAGE,
                user_agent=payload if number % 2 else f"Firefox Linux {payload}", created_at=now, seen_at=now,
                expires_at=now + timedelta(days=1),
            ),
            ApiKey(
                id=uuid4(), account_id=mallory.account_id, name=payload, scope="read", hint=payload[:16],
                key_hash=uuid4().hex, created_at=now, expires_at=now + timedelta(days=1),
            ),
        )  # fmt: skip
        if number % 10 == 0:
            set_aside(site, inverter, payload)
            noted(site, mallory, {"name": payload, payload: "after"})
    return mallory, {
        "inverter_id": inverter, "letter_id": letter, "account_id": mallory.account_id, "serial": "2788888888",
    }  # fmt: skip


async def _unmarked(site: Site) -> list[str]:
    """Columns that keep what people type and hold no payload here."""
    async with site.parts.sessions() as session:
        columns = {*KEPT.values(), *SENT}
        return [str(one) for one in columns if not await session.scalar(select(one).where(one.contains(MARK)).limit(1))]


def noting(dialogs: list[str]) -> Callable[[Dialog], None]:
    """Write down what a dialog says, and close it, for it would stop the page."""

    def note(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    return note


def _look(page: Page, address: str) -> list[str]:
    page.goto(address)
    if page.locator("[data-curve]").count():
        page.wait_for_selector("[data-curve][data-drawn]")
    page.evaluate("document.querySelectorAll('main details').forEach(one => { one.name = ''; one.open = true; })")
    found: list[str] = page.evaluate(FOUND)
    return found


def test_no_text_becomes_more_than_text(opened: Opened, nasty: Site) -> None:
    """Each page, for its owner or for the administrator, in lists as on pages of one thing."""
    mallory, ids = _mallory(nasty)
    ada = nasty.person("ada@example.org", admin=True)
    ines = installer(nasty, "ines@example.org")
    ids["collector_id"] = collector(nasty, ALL)
    ids["site_id"] = put_up(nasty, ines, ALL)
    around(nasty, mallory, nasty.inverter(mallory, ALL, ALL[:32]), ALL)
    assert nasty.do(_unmarked(nasty)) == []
    looks = every_page(nasty, mallory, ada, ines, ids)
    looks += [
        Look(ada, f"/admin/{which}?page={number}") for which in ("users", "inverters", "jobs") for number in (2, 3)
    ]
    looks += [Look(ada, f"/admin/{which}?q=%3Cimg%20zqx%3E%22%27") for which in ("users", "inverters", "mails", "log")]
    dialogs: list[str] = []
    found, shown = {}, set()
    for person in (None, mallory, ines, ada):
        watched = opened(person)
        watched.context.add_init_script(LISTENING)
        page = watched.page("about:blank")
        page.on("dialog", noting(dialogs))
        for look in (look for look in looks if look.person == person):
            if trouble := _look(page, nasty.url + look.path):
                found[look.path] = trouble
            if MARK in (page.locator("body").text_content() or ""):
                shown.add(look.path.partition("?")[0])
        assert [address for address in watched.asked if f"{MARK}.example" in address] == []

    assert found == {}
    assert dialogs == []
    # The test would prove nothing if the texts stood nowhere.
    assert {"/", "/inverters", "/account", "/account/keys", "/account/devices", "/account/activity", "/sites"} <= shown
    assert {"/admin/users", "/admin/inverters", "/admin/jobs", "/admin/mails", "/admin/dead-letters"} <= shown


OPEN = ["/login", "/signup", "/reset", "/verify/again"]
SIGNED_IN = ["/account", "/account/keys", "/account/email", "/inverters/new"]


@pytest.mark.parametrize("scripted", [False, True])
def test_what_was_typed_comes_back_as_text(opened: Opened, nasty: Site, scripted: bool) -> None:
    """A refused form shows what was typed: as a page of its own, and put in place by the script."""
    oscar = nasty.person(f"oscar.{scripted}@example.org")
    dialogs: list[str] = []
    watched, back = opened(oscar), {}
    strangers = opened()
    for path in OPEN + SIGNED_IN:
        here = watched if path in SIGNED_IN else strangers
        here.context.add_init_script(LISTENING)
        page = here.page(nasty.url + path)
        page.on("dialog", noting(dialogs))
        typed = page.evaluate(
            """([text, scripted]) => {
                const form = document.querySelector('main form[method=post]');
                for (const field of form.querySelectorAll('input:not([type=hidden])')) {
                    field.removeAttribute('maxlength'); field.type = 'text'; field.value = text;
                }
                form.noValidate = true;
                document.marked = true;
                if (scripted) form.requestSubmit(); else HTMLFormElement.prototype.submit.call(form);
                return form.querySelectorAll('input:not([type=hidden])').length;
            }""",
            [ALL, scripted],
        )
        page.wait_for_selector("[aria-invalid=true], main [role=alert]")
        assert typed
        assert bool(page.evaluate("document.marked")) is scripted
        if trouble := page.evaluate(FOUND):
            back[path] = trouble
        page.close()

    assert back == {}
    assert dialogs == []


def test_the_payloads_would_be_noticed(opened: Opened) -> None:
    """Where nothing holds them back they open dialogs and become elements: the tests above could fail."""
    dialogs: list[str] = []
    watched = opened()
    page = watched.page("about:blank")
    page.on("dialog", noting(dialogs))
    page.route("**/*", lambda route: route.abort())

    page.set_content(f"<main>{' '.join(PAYLOADS[10:20])}</main>", wait_until="commit")
    page.wait_for_function("document.querySelector('img')?.complete")

    assert page.evaluate(FOUND)
    assert dialogs
    watched.complaints.clear()
