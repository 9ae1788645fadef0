"""What a deletion does not take along: things of people who have to do with the same addresses."""

import pytest
from sqlalchemy import select

from portal.accounts.sweeper import Sweeper
from schema.models import OutboxMail
from tests.people import Person, sign_up
from tests.portal_app import RunningPortal
from tests.sharing import home_of, on_its_way

pytestmark = pytest.mark.integration


async def test_whoever_goes_takes_nothing_of_an_address_that_he_only_typed(
    portal: RunningPortal, alice: Person, bob: Person
) -> None:
    """Bob wanted another address and never proved it: Alice's invitation to it stays good, the mail too."""
    for person in (alice, bob):
        await sign_up(portal, person)
        await person.log_in()
    roof = await alice.add_inverter()
    carol = "carol@example.org"
    await bob.post("/account/delete", sure="yes")
    portal.clock.go(days=6, hours=23)
    await bob.log_in()
    await bob.post("/account/email", email=carol)
    _, link = await on_its_way(portal, alice.account_id, await home_of(portal, roof), carol)
    async with portal.parts.sessions() as session:
        waiting = (await session.scalars(select(OutboxMail.id).where(OutboxMail.recipient == carol))).all()

    portal.clock.go(hours=2)
    deleted = await Sweeper(portal.parts.sessions, portal.clock).sweep()
    async with portal.browser() as http:
        offered = await http.get(f"/invitation?token={link}")
    async with portal.parts.sessions() as session:
        left = (await session.scalars(select(OutboxMail.id).where(OutboxMail.recipient == carol))).all()

    assert deleted == 1
    assert offered.status_code == 200
    assert len(waiting) == 1
    assert left == waiting
