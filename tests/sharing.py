"""A site that Ines has set up, and invitations on their way to people."""

from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy import select, update

from portal.inverters import service as inverters
from portal.inverters.forms import NewInverter
from portal.keys import keyed_hash
from portal.sharing.inviting import OPEN_FOR
from schema.models import Account, Grant, Inverter, Invitation, Owner, Role
from tests.people import Cast, Person, newest_link, token_of
from tests.portal_app import RunningPortal

NEW_PASSWORD = "ten blue kettles"
CUSTOMER = "miller@example.org"


async def made_site(portal: RunningPortal, installer: Person, *, devices: int = 1) -> tuple[UUID, list[UUID]]:
    """A site that nobody owns yet, with its inverters; its installer has seen the secrets of their logins."""
    now = portal.clock()
    site = Owner(id=uuid4(), name="Miller's farm", time_zone="Europe/Berlin", created_at=now)
    async with portal.parts.sessions.begin() as session:
        await session.execute(update(Account).where(Account.id == installer.account_id).values(is_installer=True))
        session.add(site)
        await session.flush()
        session.add(
            Grant(
                id=uuid4(), account_id=installer.account_id, owner_id=site.id, role=Role.INSTALLER, created_at=now
            )
        )  # fmt: skip
        added = [
            await inverters.add_to(
                session, site.id, installer.account_id, NewInverter(name=f"Barn {n}", serial=f"275500000{n}"), now=now
            )
            for n in range(devices)
        ]
    return site.id, [one.inverter_id for one in added]


async def home_of(portal: RunningPortal, inverter_id: UUID) -> UUID:
    """The home an inverter belongs to."""
    async with portal.parts.sessions() as session:
        return (await session.scalars(select(Inverter.owner_id).where(Inverter.id == inverter_id))).one()


async def invited(
    portal: RunningPortal, inviter: Person, owner_id: UUID, email: str, *, way: str = "hand-over", days: str = "365"
) -> str:
    """The token that was mailed to whoever is to own the home (``way`` "invite": to look at it)."""
    answer = await inviter.post(f"/homes/{owner_id}/{way}", email=email, days=days)
    assert answer.status_code == 303, answer.text
    return token_of(await newest_link(portal, email))


async def grants(portal: RunningPortal, owner_id: UUID) -> set[tuple[UUID, str, bool]]:
    """Who has which role at a home, and whether it ends."""
    async with portal.parts.sessions() as session:
        rows = (await session.scalars(select(Grant).where(Grant.owner_id == owner_id))).all()
    return {(row.account_id, str(row.role), row.until is not None) for row in rows}


async def on_its_way(
    portal: RunningPortal, inviter: UUID, owner_id: UUID, email: str, role: Role = Role.READER
) -> tuple[UUID, str]:
    """An invitation that was mailed an hour ago: its id and its token."""
    token, sent_at = uuid4().hex, portal.clock() - timedelta(hours=1)
    row = Invitation(
        id=uuid4(), owner_id=owner_id, role=role, email=email, email_key=email, invited_by=inviter,
        token_hash=keyed_hash(portal.parts.links.key, token), created_at=sent_at, sent_at=sent_at,
        expires_at=sent_at + OPEN_FOR,
    )  # fmt: skip
    async with portal.parts.sessions.begin() as session:
        session.add(row)
    return row.id, token


async def joined(cast: Cast, token: str) -> Person:
    """The invited one, without an account so far, at a browser of his own."""
    miller = Person("miller", cast.nobody.http)
    answer = await miller.post("/invitation/join", token=token, password=NEW_PASSWORD)
    assert answer.status_code == 303, answer.text
    async with cast.portal.parts.sessions() as session:
        miller.account_id = (await session.scalars(select(Account.id).where(Account.email == CUSTOMER))).one()
    return miller
