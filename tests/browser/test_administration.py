"""The administration in Chromium: nothing runs over on a phone, names are text, and it works without scripts."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from schema.models import (
    Account,
    AuditEntry,
    ClaimState,
    Feed,
    Inverter,
    Login,
    OutboxMail,
    Placement,
    PlacementState,
)
from tests.browser.conftest import Opened
from tests.browser.site import Person, Site, running_site

pytestmark = pytest.mark.browser
NASTY = "<img src=x onerror=\"document.title='owned'\">"
SERIAL = "2766666666"
_OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@dataclass(frozen=True, slots=True)
class Busy:
    """An administrator with something on every list, and an owner."""

    site: Site
    ada: Person
    cleo: Person

    @property
    def pages(self) -> list[tuple[Person, str]]:
        """Who looks at which page."""
        lists = ("users", "inverters", "claims", "jobs", "mails", "log")
        return [
            (self.ada, "/admin"),
            *((self.ada, f"/admin/{name}") for name in lists),
            (self.ada, "/admin/users?q=nothing-like-it"),
            (self.ada, f"/admin/users/{self.cleo.account_id}"),
            (self.ada, f"/admin/users/{self.ada.account_id}"),
            (self.ada, f"/admin/claims/{SERIAL}"),
            (self.cleo, "/account/activity"),
        ]


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Busy]:
    """Two who claim one serial, a bucket that cannot be made, a mail that waits, many accounts, nasty names."""
    with running_site(tmp_path_factory.mktemp("administration")) as site:
        ada, cleo = site.person("ada@example.org", admin=True), site.person("cleo@example.org")
        other = site.person("somebody.with.a.rather.long.address@a-rather-long-domain.example.org")
        now = datetime.now(UTC)
        for person, name, state in ((cleo, "Barn", ClaimState.ACTIVE), (other, NASTY, ClaimState.DISPUTED)):
            login = f"{'CD'[person is other] * 10}"
            inverter = Inverter(
                id=uuid4(), owner_id=person.owner_id, name=name, serial=SERIAL, created_at=now,
                active_serial=SERIAL if person is cleo else None,
            )  # fmt: skip
            place = Placement(
                inverter_id=inverter.id, state=PlacementState.PENDING, updated_at=now,
                last_error="InfluxDB does not answer: 503 " + NASTY,
            )  # fmt: skip
            site.add(Login(name=login, owner_id=person.owner_id, verifier="-", registry_version=1, created_at=now))
            site.add(inverter)
            site.add(Feed(id=uuid4(), login=login, inverter_id=inverter.id, claim_state=state, activated_at=now))
            if person is other:
                site.add(place)
            site.publish(inverter.id, {"total_energy": 4321.5}, at=now - timedelta(minutes=5))
        site.add(
            OutboxMail(
                id=uuid4(), recipient="late@example.org", subject="Confirm your address", sealed=b"-",
                created_at=now, next_attempt_at=now + timedelta(days=9), attempts=4,
            )
        )  # fmt: skip
        people = [
            Account(
                id=uuid4(), email=f"many{number:02}@example.org", email_key=f"many{number:02}@example.org",
                display_name=NASTY, password_hash="-", created_at=now, verified_at=None if number % 3 else now,
                disabled_at=None if number % 5 else now, is_installer=number % 7 == 0,
            )
            for number in range(60)
        ]  # fmt: skip
        site.add(*people)
        acts = [
            AuditEntry(
                at=now, actor="account", actor_id=cleo.account_id, action="inverter.changed", subject="inverter:x",
                details={"before": NASTY, "after": "Barn"}, owner_id=cleo.owner_id,
            )
            for _ in range(70)
        ]  # fmt: skip
        site.add(*acts)
        yield Busy(site, ada, cleo)


def test_the_administration_fits_a_phone_and_runs_nothing_that_was_typed(opened: Opened, busy: Busy) -> None:
    """Tables scroll by themselves, everything else wraps, folded out too. Light, dark and axe: ``test_looks``."""
    wrong = {}
    for person, path in busy.pages:
        page = opened(person, viewport={"width": 390, "height": 844}).page(busy.site.url + path)
        for one in page.locator("summary").all():
            one.click()
        over, ran = page.evaluate(_OVERFLOW), page.locator("img[src=x]").count()
        if over > 0 or ran or "owned" in page.title():
            wrong[path] = (over, ran)
        page.close()

    assert wrong == {}


def test_a_serial_is_decided_without_scripts(opened: Opened, busy: Busy) -> None:
    """Folded out, then pressed; the page says what came of it, and the list is empty."""
    page = opened(busy.ada, java_script_enabled=False).page(f"{busy.site.url}/admin")
    page.get_by_role("link", name="Serials to decide about").click()
    page.get_by_role("link", name=SERIAL).click()
    button = page.get_by_role("button", name="The serial is this one").first

    expect(button).not_to_be_visible()
    page.get_by_text("Decide for this one").first.click()
    button.click()

    expect(page.get_by_role("status")).to_contain_text("It is decided")
    expect(page.get_by_text("decided against")).to_be_visible()
    page.get_by_role("link", name="What was decided about it before").click()
    expect(page.get_by_role("cell", name="Contested serial settled")).to_be_visible()
    page.close()
