"""A home changes hands on a phone: an installer sends the link, its owner takes it over with a password, and the
readings are there.
"""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from playwright.sync_api import expect
from sqlalchemy import update

from portal.inverters import service as inverters
from portal.inverters.forms import NewInverter
from schema.models import Account, Grant, Owner, Placement, PlacementState, Role
from tests.browser.conftest import Opened
from tests.browser.site import PASSWORD, Person, Site
from tests.visitor import mailed_link
from tests.watts import afternoon_zone, sunny_days

pytestmark = pytest.mark.browser
PHONE = {"width": 390, "height": 844}
MILLER = "miller.hand@example.org"


async def put_up(site: Site, ines: Person, zone: str) -> tuple[UUID, list[UUID]]:
    """A customer's site with five devices whose places are ready."""
    now, owner = datetime.now(UTC), Owner(id=uuid4(), name="Mill Lane 4", created_at=datetime.now(UTC), time_zone=zone)
    async with site.parts.sessions.begin() as session:
        await session.execute(update(Account).where(Account.id == ines.account_id).values(is_installer=True))
        session.add(owner)
        await session.flush()
        session.add(Grant(account_id=ines.account_id, owner_id=owner.id, role=Role.INSTALLER, created_at=now))
        made = []
        for number in range(5):
            wanted = NewInverter(name=f"Roof {number + 1}", serial=f"276600000{number}")
            added = await inverters.add_to(session, owner.id, ines.account_id, wanted, now=now)
            made.append(added.inverter_id)
        places = update(Placement).where(Placement.inverter_id.in_(made))
        await session.execute(places.values(state=PlacementState.READY))
    return owner.id, made


def test_a_site_is_handed_over_and_its_owner_sees_the_history(opened: Opened, site: Site) -> None:
    """Five devices; one mail, one password, one press. Bob sees nothing, and the installer changes nothing any more."""
    now = datetime.now(UTC)
    zone = afternoon_zone(now)
    ines, bob = site.person("ines.hand@example.org"), site.person("bob.hand@example.org")
    home, made = site.do(put_up(site, ines, zone))
    readings = sunny_days(7, peak_w=5400.0, now=now, zone=zone)
    site.record(replace(ines, owner_id=home), made[0], readings)
    site.publish(made[0], dict(readings[-1].values))

    page = opened(ines, viewport=PHONE).page(site.url + "/homes")
    page.get_by_role("link", name="Mill Lane 4").click()
    page.get_by_role("link", name="Hand over", exact=True).click()
    page.get_by_label("The new owner's e-mail address").fill(MILLER)
    page.get_by_role("button", name="Send the link").click()
    expect(page.get_by_text(MILLER, exact=True)).to_be_visible()
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

    for person in (bob, ines):
        seen = opened(person, viewport=PHONE).page(f"{site.url}/inverters/{made[0]}/logins")
        expect(seen.get_by_role("heading", name="Nothing here")).to_be_visible()
    expect(opened(bob).page(f"{site.url}/inverters/{made[0]}").get_by_text("Nothing here").first).to_be_visible()
