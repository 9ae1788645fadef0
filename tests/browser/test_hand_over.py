"""An installer on a phone: five devices paired one after the other, the site handed over, and its owner sees the
history. Clicks and time are printed.
"""

import time
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select, update

from schema.models import Inverter, Owner, Placement, PlacementState
from tests.browser.conftest import Opened
from tests.browser.on_site import installer
from tests.browser.site import PASSWORD, Site
from tests.visitor import mailed_link
from tests.watts import afternoon_zone, sunny_days

pytestmark = pytest.mark.browser
PHONE = {"width": 390, "height": 844}
MILLER = "miller.hand@example.org"
LONGEST_S = 180


def paired(page: Page, site: Site) -> UUID:
    """Five devices, by typing their serials; returns the site."""
    page.goto(site.url + "/sites")
    page.get_by_label("Name of the site").fill("Mill Lane 4")
    page.get_by_role("button", name="Begin").click()
    for number in range(5):
        page.get_by_label("Serial").fill(f"276600000{number}")
        page.get_by_label("Name").fill(f"Roof {number + 1}")
        page.get_by_role("button", name="Add", exact=True).click()
        expect(page.locator("#secret")).to_be_visible()
        expect(page.locator("[data-site-devices] li")).to_have_count(number + 1)
    return UUID(page.url.rsplit("/", 1)[1])


async def places_made(site: Site, home: UUID, zone: str) -> UUID:
    """What the provisioner does meanwhile; returns the first device."""
    async with site.parts.sessions.begin() as session:
        mine = select(Inverter.id).where(Inverter.owner_id == home)
        ready = update(Placement).where(Placement.inverter_id.in_(mine)).values(state=PlacementState.READY)
        await session.execute(ready)
        await session.execute(update(Owner).where(Owner.id == home).values(time_zone=zone))
        return (await session.scalars(mine.order_by(Inverter.name).limit(1))).one()


def test_five_devices_are_paired_and_handed_over_and_their_owner_sees_the_history(opened: Opened, site: Site) -> None:
    """One mail, one password, one press. Bob sees nothing, and the installer changes nothing any more."""
    now, started = datetime.now(UTC), time.monotonic()
    ines, bob = installer(site, "ines.hand@example.org"), site.person("bob.hand@example.org")
    page = opened(ines, viewport=PHONE).page("about:blank")
    home = paired(page, site)
    page.get_by_role("link", name="Hand it over").click()
    page.get_by_label("The new owner's e-mail address").fill(MILLER)
    page.get_by_role("button", name="Send the link").click()
    expect(page.get_by_text(MILLER, exact=True)).to_be_visible()
    took_s = time.monotonic() - started
    # One for the site, one for each device and two for the hand-over; its name, serials and names, an address.
    print(f"five devices paired and handed over: 8 clicks, 12 fields, {took_s:.1f} s")  # noqa: T201  # a figure
    zone = afternoon_zone(now)
    first, readings = site.do(places_made(site, home, zone)), sunny_days(7, peak_w=5400.0, now=now, zone=zone)
    site.record(replace(ines, owner_id=home), first, readings)
    site.publish(first, dict(readings[-1].values))

    miller = opened(viewport=PHONE).page(mailed_link(site.parts.settings.outbox_dir, MILLER))
    expect(miller.get_by_text("with 5 inverters")).to_be_visible()
    miller.get_by_label("Password").fill(PASSWORD)
    miller.get_by_role("button", name="Take it over").click()
    expect(miller.get_by_role("heading", name="Who may see Mill Lane 4")).to_be_visible()
    expect(miller.locator("#secrets li")).to_have_count(5)
    miller.get_by_role("link", name="Overview").click()
    expect(miller.locator("[data-inverter]")).to_have_count(5)
    expect(miller.get_by_role("heading", name="Make new secrets")).to_be_visible()
    miller.get_by_role("link", name="Roof 1").click()
    expect(miller.locator("[data-curve][data-drawn]")).to_be_visible()

    for person, path in ((bob, ""), (ines, "/logins")):
        seen = opened(person, viewport=PHONE).page(f"{site.url}/inverters/{first}{path}")
        expect(seen.get_by_role("heading", name="Nothing here")).to_be_visible()
    assert took_s < LONGEST_S
