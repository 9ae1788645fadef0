"""Debian's Chromium before a real server: one browser and one site for the whole run, a fresh context for each test."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from tests.browser.site import Person, Site, running_site
from tests.watts import afternoon_zone, sunny_days

FLAGS = [
    "--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, or a skip that says why."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no chromium on PATH")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=FLAGS + sandbox)
        yield started
        started.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The portal."""
    with running_site(tmp_path_factory.mktemp("site")) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Household:
    """Alice with a hybrid on the garage, a micro inverter on the balcony and one that has never spoken."""

    alice: Person
    garage: UUID
    balcony: UUID
    barn: UUID


@pytest.fixture(scope="session")
def home(site: Site) -> Household:
    """Seven days of sun; nothing here changes but live rows."""
    now = datetime.now(UTC)
    alice, zone = site.person("alice@example.org"), afternoon_zone(now)
    garage = site.inverter(alice, "Garage roof", "2307181234")
    balcony = site.inverter(alice, "Balcony", "2711240123")
    barn = site.inverter(alice, "The neighbour's barn with a rather long name", "998877665544")
    for inverter, peak_w, battery in ((garage, 5400.0, True), (balcony, 780.0, False)):
        readings = sunny_days(7, peak_w=peak_w, now=now, zone=zone, battery=battery)
        site.record(alice, inverter, readings)
        site.publish(inverter, dict(readings[-1].values), at=now - timedelta(seconds=18))
    return Household(alice, garage, balcony, barn)


@dataclass
class Watched:
    """Pages whose console, errors and addresses are written down."""

    context: BrowserContext
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def page(self, address: str) -> Page:
        """A new page at ``address``."""
        page = self.context.new_page()
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        page.goto(address)
        return page

    def _heard(self, message: ConsoleMessage) -> None:
        # A refused status of the page itself is what that page is for; everything else is a complaint.
        if message.type in ("error", "warning") and "the server responded with a status of" not in message.text:
            self.complaints.append(message.text)


Opened = Callable[..., Watched]


@pytest.fixture
def opened(browser: Browser) -> Iterator[Opened]:
    """``opened(person, **options)``: a context signed in as ``person``, closed afterwards, without any complaint."""
    contexts: list[Watched] = []

    def open_context(person: Person | None = None, **options: Any) -> Watched:
        watched = Watched(browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options}))
        if person:
            watched.context.add_cookies([person.cookie])  # type: ignore[list-item]  # a plain dict with its keys
        contexts.append(watched)
        return watched

    yield open_context
    complaints = [complaint for one in contexts for complaint in one.complaints]
    for one in contexts:
        one.context.close()
    assert complaints == []
