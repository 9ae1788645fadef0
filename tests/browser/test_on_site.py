"""An installer on a phone, on the whole installation: broker, bridge, provisioner and portal as a newcomer starts them.

Chromium here has no barcode reader and no camera: both are played, with a sticker that the test holds before them.
"""

import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Opened
from tests.installation import Installation, installation
from tests.visitor import Pairing, Visitor, wait_for

pytestmark = pytest.mark.browser

PHONE = {"width": 390, "height": 844}
INES, PASSWORD = "ines@example.org", "correct horse battery staple"
MOST_S = 180.0
# A machine that does other things too.
PATIENCE_MS = 60_000
# What stands on stickers: a bare serial, one in a longer text, one beside a part number.
STICKERS = [["2711000001"], ["SN: 2711000002"], ["PN-DLS-W2", "2711000003"]]
TYPED = ["27 1100 0004", "2711-000005"]
CAMERA = """
    window.BarcodeDetector = class { async detect() { return (await sticker()).map(rawValue => ({ rawValue })); } };
    const picture = async () => {
        const canvas = document.createElement('canvas');
        canvas.getContext('2d').fillRect(0, 0, 10, 10);
        return canvas.captureStream(5);
    };
    Object.defineProperty(navigator, 'mediaDevices', { value: { getUserMedia: picture } });
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One where Ines has an account, and an administrator has made her an installer."""
    with installation(tmp_path_factory.mktemp("on_site") / "data", {}) as running:
        with Visitor(running.portal) as ines:
            ines.sign_up(INES, PASSWORD, running.outbox)
        with sqlite3.connect(running.data_dir / "deye.db") as connection:
            connection.execute("UPDATE account SET is_installer = 1")
        yield running


@dataclass
class Hand:
    """Counts what a person does to a page."""

    page: Page
    clicks: int = 0
    fields: int = 0
    stickers: list[list[str]] = field(default_factory=list)

    def click(self, what: Locator) -> None:
        """Once."""
        self.clicks += 1
        what.click()

    def write(self, label: str, text: str) -> None:
        """Into the field of this label."""
        self.fields += 1
        self.page.get_by_label(label).fill(text)

    def see(self) -> list[str]:
        """What the camera sees: the sticker that is held before it."""
        return self.stickers.pop(0) if self.stickers else []

    def scan(self, sticker: list[str]) -> None:
        """Hold it before the camera; the field is filled without another click."""
        self.stickers.append(sticker)
        self.click(self.page.get_by_role("button", name="Scan the sticker"))
        expect(self.page.get_by_label("Serial")).to_have_value(sticker[-1].removeprefix("SN: "))
        expect(self.page.locator("[data-scanner]")).to_be_hidden()


def at_work(opened: Opened, home: Installation) -> Hand:
    """Ines, logged in on her phone."""
    context = opened(viewport=PHONE)
    hand = Hand(context.page(f"{home.portal}/login"))
    context.context.expose_function("sticker", hand.see)
    context.context.add_init_script(CAMERA)
    hand.page.get_by_label("E-mail").fill(INES)
    hand.page.get_by_label("Password").fill(PASSWORD)
    hand.page.get_by_role("button", name="Log in").click()
    return hand


def added(hand: Hand) -> Pairing:
    """Press "Add" and read what has to be entered in the device."""
    page, before = hand.page, hand.page.locator("[data-device]").count()
    hand.click(page.get_by_role("button", name="Add", exact=True))
    expect(page.locator("[data-device]")).to_have_count(before + 1)
    texts = [page.locator(place).text_content() or "" for place in ("#user", "#secret")]
    return Pairing(page.url, *texts)


def publish(home: Installation, pairing: Pairing, watts: int) -> None:
    """As the device would: again and again until the broker lets it in."""
    wait_for(lambda: home.publish(pairing, f'{{"ac_power": {watts}}}') == 0, seconds=60, what="the broker to let it in")


def test_five_devices_are_paired_on_a_phone_and_seen_to_come_alive(opened: Opened, home: Installation) -> None:
    """Three stickers scanned, two serials typed; each device publishes with what was shown, one sheet has it all."""
    hand = at_work(opened, home)
    page, started = hand.page, time.monotonic()
    hand.click(page.get_by_role("link", name="Sites"))
    hand.write("Name of the site", "Mill Lane 4")
    hand.click(page.get_by_role("button", name="Begin"))

    paired = []
    for sticker in STICKERS:
        hand.scan(sticker)
        paired.append(added(hand))
    for serial in TYPED:
        hand.write("Serial", serial)
        paired.append(added(hand))
    took_s = time.monotonic() - started
    for number, pairing in enumerate(paired):
        publish(home, pairing, 400 + number)
    expect(page.locator("#devices-title")).to_have_text("5 of 5 devices are live", timeout=PATIENCE_MS)
    live_s = time.monotonic() - started

    # A figure of the run, not a promise; read it with ``pytest -s``.
    print(f"5 devices: {hand.clicks} clicks, {hand.fields} fields, {took_s:.1f} s; all live after {live_s:.1f} s")  # noqa: T201
    assert page.locator("[data-devices-said]").text_content() == "5 of 5 devices are live"
    for number in range(5):
        row = page.locator(f'[data-device="271100000{number + 1}"]')
        expect(row).to_contain_text(f"{400 + number}")
    hand.click(page.get_by_role("link", name="Sheet with all settings"))
    sheet = page.locator("main").inner_text()
    assert all(one.secret in sheet and one.login in sheet for one in paired)
    assert hand.clicks <= 2 * 5 + 5
    assert live_s < MOST_S


def test_without_a_barcode_reader_there_is_a_plain_field(opened: Opened, home: Installation) -> None:
    """Nothing that cannot be used is offered, and without any script a device is added all the same."""
    phone = opened(viewport=PHONE, java_script_enabled=False)
    page = phone.page(f"{home.portal}/login")
    page.get_by_label("E-mail").fill(INES)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="Sites").click()
    page.get_by_label("Name of the site").fill("Without scripts")
    page.get_by_role("button", name="Begin").click()

    expect(page.get_by_role("button", name="Scan the sticker")).to_be_hidden()
    page.get_by_label("Serial").fill("2722000001")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#secret")).to_be_visible()
    expect(page.get_by_role("heading", name="0 of 1 device is live")).to_be_visible()
