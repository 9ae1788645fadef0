"""An installer with a customer's site: one device that is live, one that waits, one in trouble."""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import update

from portal.sites import service
from portal.sites.forms import NewDevice, NewSite
from schema.models import Account, Inverter, Rung
from tests.browser.site import Person, Site


def installer(site: Site, email: str) -> Person:
    """Somebody whom an administrator has made an installer."""
    person = site.person(email)
    site.do(_made_one(site, person))
    return person


def put_up(site: Site, ines: Person, name: str) -> UUID:
    """Her site, with three devices of this name."""
    site_id, (live, _waits, refused) = site.do(_put_up(site, ines, name))
    site.publish(live, {"ac_power": 612.0})
    site.publish(
        refused, {}, rung=Rung.TOPIC_RIGHT, reading_at=None, refusal="not_json", refusal_detail=name[:300],
        refused_at=datetime.now(UTC),
    )  # fmt: skip
    return site_id


async def _made_one(site: Site, person: Person) -> None:
    async with site.parts.sessions.begin() as session:
        await session.execute(update(Account).where(Account.id == person.account_id).values(is_installer=True))


async def _put_up(site: Site, ines: Person, name: str) -> tuple[UUID, list[UUID]]:
    now, made = datetime.now(UTC), []
    async with site.parts.sessions.begin() as session:
        wanted = NewSite.model_construct(name=name)
        site_id = await service.make(session, ines.account_id, wanted, zone="Europe/Berlin", now=now)
        for number in range(3):
            device = NewDevice(serial=f"279000000{number}", name="Roof")
            added = await service.add_device(session, ines.account_id, site_id, device, now=now)
            assert added is not None
            made.append(added.inverter_id)
        # Longer than a form takes, where that is what is asked for.
        await session.execute(update(Inverter).where(Inverter.owner_id == site_id).values(name=name))
    return site_id, made
