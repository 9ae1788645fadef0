"""Messages set aside, in a real browser: on phone and desk, in light and dark, and nothing of them runs."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from playwright.sync_api import expect

from schema.models import DeadLetter, DeadLetterRequest, LetterAction, RequestSource, RequestState
from tests.browser.conftest import Opened
from tests.browser.site import Person, Site
from tests.browser.test_looks import _OVERFLOW, _SMALL_TARGETS, LONG, findings

pytestmark = pytest.mark.browser
NASTY = '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script>'
LIST = "/admin/dead-letters"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Cleo with an inverter whose logger sends nonsense, Ada who administers, and one letter of each sort."""

    cleo: Person
    ada: Person
    barn: UUID
    letter: UUID
    octets: UUID

    @property
    def pages(self) -> list[tuple[Person, str]]:
        """Who looks at which page."""
        return [
            (self.cleo, f"/inverters/{self.barn}"),
            (self.cleo, f"/inverters/{self.barn}/messages"),
            (self.ada, LIST),
            (self.ada, f"{LIST}?login=ZZZZZZZZZZ"),
            (self.ada, f"{LIST}/{self.letter}"),
            (self.ada, f"{LIST}/{self.octets}"),
            (self.ada, "/admin"),
        ]


@pytest.fixture(scope="module")
def trouble(site: Site) -> Trouble:
    """Letters as the bridge would copy them, and requests in every state."""
    cleo, ada = site.person("cleo@example.org"), site.person("ada.letters@example.org", admin=True)
    barn = site.inverter(cleo, "Barn", "2755555555")
    now = datetime.now(UTC)

    def letter(topic: str, reason: str, sentence: str, payload: bytes, count: int) -> DeadLetter:
        return DeadLetter(
            id=uuid4(), login="CCDE234567", inverter_id=barn, topic=topic, reason=reason, detail=sentence,
            payload=payload, payload_bytes=len(payload), response=NASTY if reason == "store_refused" else "",
            count=count, kept=count // 2, first_seen_at=now - timedelta(days=1), last_seen_at=now,
        )  # fmt: skip

    first = letter(
        "deye/CCDE234567/json", "not_a_number",
        "ac_power is not a finite number. Send numbers without quotation marks and units.",
        b'{"ac_power": "412 W", "serial": "2755555555", "note": "' + b"long " * 200 + b'"}', 1_204,
    )  # fmt: skip
    octets = letter("deye/CCDE234567/modbus", "not_json", "The message is not JSON.", bytes(range(200)), 3)
    nasty = letter(f"deye/CCDE234567/{NASTY}", "store_refused", NASTY, NASTY.encode(), 1)

    def request(state: RequestState, chosen: int, done: int, again: int) -> DeadLetterRequest:
        return DeadLetterRequest(
            id=uuid4(), action=LetterAction.REPLAY, login="CCDE234567", source=RequestSource.PAGE,
            account_id=ada.account_id, requested_at=now, state=state, chosen=chosen, done=done, again=again,
        )  # fmt: skip

    site.add(first, octets, nasty, request(RequestState.DONE, 9, 9, 2), request(RequestState.RUNNING, 900, 340, 12))
    return Trouble(cleo, ada, barn, first.id, octets.id)


@pytest.mark.parametrize("width", [320, 390, 1280] if LONG else [320])
def test_no_page_is_wider_than_its_screen(opened: Opened, site: Site, trouble: Trouble, width: int) -> None:
    """Long topics and payloads wrap; the table scrolls by itself."""
    too_wide = {}
    for person, path in trouble.pages:
        page = opened(person, viewport={"width": width, "height": 844}).page(site.url + path)
        for one in page.locator("summary").all():
            one.click()
        if (over := page.evaluate(_OVERFLOW)) > 0:
            too_wide[path] = over
        page.close()

    assert too_wide == {}


@pytest.mark.parametrize("scheme", ["light", "dark"] if LONG else ["dark"])
def test_axe_finds_nothing(opened: Opened, site: Site, trouble: Trouble, scheme: str) -> None:
    """Contrast, names and targets, with everything folded out."""
    found = {}
    for person, path in trouble.pages:
        page = opened(person, color_scheme=scheme).page(site.url + path)
        for one in page.locator("summary").all():
            one.click()
        if wrong := findings(page) + page.evaluate(_SMALL_TARGETS):
            found[path] = wrong
        page.close()

    assert found == {}


def test_nothing_that_was_sent_runs(opened: Opened, site: Site, trouble: Trouble) -> None:
    """Markup in topic, sentence, payload and answer is text: no title changed, no element of it exists."""
    for person, path in trouble.pages:
        page = opened(person).page(site.url + path)
        page.wait_for_load_state("networkidle")

        assert "owned" not in page.title(), path
        assert page.locator("img[src=x]").count() == 0, path
        page.close()


def test_a_purge_takes_two_steps_and_is_seen_to_wait(opened: Opened, site: Site, trouble: Trouble) -> None:
    """Folded out, then pressed; without scripts the same."""
    page = opened(trouble.ada, java_script_enabled=False).page(f"{site.url}{LIST}/{trouble.octets}")
    button = page.get_by_role("button", name="Purge 3 messages")

    expect(button).not_to_be_visible()
    page.get_by_text("Purge", exact=True).click()
    button.click()

    expect(page.get_by_role("heading", name="What was asked for")).to_be_visible()
    expect(page.get_by_text("Waiting for the bridge").first).to_be_visible()
    page.close()


def test_an_open_page_follows_a_replay(opened: Opened, site: Site, trouble: Trouble) -> None:
    """While something is under way it looks again by itself."""
    page = opened(trouble.ada).page(f"{site.url}{LIST}")
    expect(page.get_by_text("340 of 900 done.")).to_be_visible()

    asked = DeadLetterRequest(
        id=uuid4(), action=LetterAction.PURGE, source=RequestSource.COMMAND, requested_at=datetime.now(UTC),
        state=RequestState.DONE, chosen=77, done=77,
    )  # fmt: skip
    site.add(asked)

    expect(page.get_by_text("77 messages dropped.")).to_be_visible(timeout=8_000)
    page.close()
