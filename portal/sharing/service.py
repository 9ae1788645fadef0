"""Who may see what: the homes of an account, the people of a home, and the end of a grant. No HTTP.

The account comes first in every question; whoever only looks learns nothing about others.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Delete, delete, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from portal import audit, letters
from portal.accounts.links import MailedLinks
from portal.audit import Action
from portal.dashboard.days import zone_named
from portal.homes.service import called
from portal.inverters.grants import acts_for, holds, homes_of, in_progress, looks_at
from portal.logins.service import secrets_seen_by_others
from portal.mail import owe
from portal.sharing.inviting import waiting
from schema.models import Account, Feed, Grant, Inverter, Invitation, Owner, Role


@dataclass(frozen=True, slots=True)
class Place:
    """A home that an account has to do with. ``mine``: it acts there; else it looks, ``until`` a time or for ever."""

    id: UUID
    name: str
    mine: bool
    is_site: bool
    inverters: int
    until: datetime | None
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who has to do with a home; ``here`` is whoever asks."""

    grant_id: UUID
    email: str
    name: str
    role: Role
    until: datetime | None
    here: bool


@dataclass(frozen=True, slots=True)
class Known:
    """A login whose secret somebody else than its owner was shown, and an inverter it speaks of."""

    login: str
    label: str
    inverter_id: UUID
    inverter: str


@dataclass(frozen=True, slots=True)
class Home:
    """What its owner, or the installer of a site, sees about who may see it.

    ``open`` are invitations that wait; ``declined`` those that whoever asks has sent and was told no.
    """

    id: UUID
    name: str
    is_site: bool
    zone: ZoneInfo
    people: Sequence[Person]
    open: Sequence[Invitation]
    declined: Sequence[Invitation]
    secrets: Sequence[Known]


async def places(session: AsyncSession, account_id: UUID, now: datetime) -> Sequence[Place]:
    """The homes of the account, its own first."""
    counted = (
        select(func.count())
        .where(Inverter.owner_id == Owner.id, Inverter.deleted_at.is_(None))
        .correlate(Owner)
        .scalar_subquery()
    )
    statement = (
        select(Owner, Grant.until, acts_for(Owner.id, account_id, now), in_progress(), counted)
        .join(Grant, Grant.owner_id == Owner.id)
        .where(Grant.account_id == account_id, holds(now), Owner.id.in_(looks_at(account_id, now)))
        .order_by(Grant.created_at, Grant.id)
    )
    found: dict[UUID, Place] = {}
    for owner, until, mine, is_site, inverters in await session.execute(statement):
        known = found.get(owner.id)
        # Of two grants the one that lasts longer counts.
        if known is None or (known.until is not None and (until is None or until > known.until)):
            zone = zone_named(owner.time_zone)
            found[owner.id] = Place(owner.id, called(owner.name), mine, is_site, inverters, until, zone)
    return sorted(found.values(), key=lambda place: not place.mine)


async def home(session: AsyncSession, account_id: UUID, owner_id: UUID, now: datetime) -> Home | None:
    """A home that the account acts for; None for everybody else."""
    statement = select(Owner, in_progress()).where(Owner.id == owner_id, acts_for(Owner.id, account_id, now))
    found = (await session.execute(statement)).one_or_none()
    if found is None:
        return None
    owner, is_site = found
    granted = (
        select(Grant.id, Account.email, Account.display_name, Grant.role, Grant.until, Account.id)
        .join(Account, Account.id == Grant.account_id)
        .where(Grant.owner_id == owner_id, holds(now))
        .order_by(Grant.created_at, Grant.id)
    )
    people = [
        Person(grant_id, email, name, Role(role), until, here=who == account_id)
        for grant_id, email, name, role, until, who in await session.execute(granted)
    ]
    asked = select(Invitation).where(Invitation.owner_id == owner_id, waiting(now)).order_by(Invitation.created_at)
    return Home(
        id=owner_id,
        name=called(owner.name),
        is_site=is_site,
        zone=zone_named(owner.time_zone),
        people=sorted(people, key=lambda person: person.role != Role.OWNER),
        open=(await session.scalars(asked)).all(),
        declined=await _declined(session, account_id, owner_id),
        secrets=() if is_site else await _known(session, account_id, owner_id),
    )


async def revoke(
    session: AsyncSession, account_id: UUID, owner_id: UUID, grant_id: UUID, *, links: MailedLinks, now: datetime
) -> bool:
    """End somebody's look at once: open pages of his hear nothing more, and he is told by mail.

    False where the account may not, or there is none. No owner is put out by another one.
    """
    gone = delete(Grant).where(
        Grant.id == grant_id,
        Grant.owner_id == owner_id,
        Grant.owner_id.in_(homes_of(account_id, now)),
        Grant.role != Role.OWNER,
    )
    reader_id = await _ended(session, gone, account_id, owner_id, now)
    if reader_id is None:
        return False
    await tell_who_looked(session, {reader_id}, owner_id, by=account_id, links=links, now=now)
    return True


async def leave(session: AsyncSession, account_id: UUID, owner_id: UUID, now: datetime) -> bool:
    """Look no longer at a home that is somebody else's; False where there is nothing to end.

    Its owner cannot leave, and nobody can leave a site: it would be nobody's.
    """
    sites = select(Owner.id).where(in_progress())
    gone = delete(Grant).where(
        Grant.account_id == account_id,
        Grant.owner_id == owner_id,
        Grant.role != Role.OWNER,
        Grant.owner_id.not_in(sites),
    )
    return await _ended(session, gone, account_id, owner_id, now) is not None


async def looking(session: AsyncSession, owner_id: UUID, now: datetime) -> set[UUID]:
    """Accounts that see the home, whatever their grants are."""
    return set(await session.scalars(select(Grant.account_id).where(Grant.owner_id == owner_id, holds(now))))


async def tell_who_looked(
    session: AsyncSession, accounts: Collection[UUID], owner_id: UUID, *, by: UUID, links: MailedLinks, now: datetime
) -> None:
    """A mail to those of the accounts that see nothing of the home any more; ``by`` has ended that."""
    owner = await session.get_one(Account, by)
    for account_id in sorted(set(accounts) - await looking(session, owner_id, now)):
        reader = await session.get(Account, account_id)
        if reader is None:
            continue
        told = letters.looks_no_longer(links.base_url, owner.email, language=reader.language)
        await owe(session, reader.email, told, sealer=links.sealer, now=now, always=True)


async def _ended(session: AsyncSession, gone: Delete, account_id: UUID, owner_id: UUID, now: datetime) -> UUID | None:
    """Whose grant it was; None where there is none."""
    rows = (await session.execute(gone.returning(Grant.account_id, Grant.role))).all()
    if not rows:
        return None
    who: UUID = rows[0].account_id
    await audit.record(
        session,
        Action.GRANT_TAKEN,
        subject=audit.owner(owner_id),
        actor=account_id,
        owner_id=owner_id,
        details={"account": str(who), "roles": sorted(row.role for row in rows)},
        now=now,
    )
    return who


async def _declined(session: AsyncSession, account_id: UUID, owner_id: UUID) -> Sequence[Invitation]:
    """The newest first, until they are swept; an address that was invited again is not named."""
    later = aliased(Invitation)
    again = exists().where(
        later.owner_id == owner_id,
        later.email_key == Invitation.email_key,
        later.created_at > Invitation.created_at,
    )
    mine = (Invitation.owner_id == owner_id, Invitation.invited_by == account_id, Invitation.declined_at.is_not(None))
    statement = select(Invitation).where(*mine, ~again).order_by(Invitation.declined_at.desc())
    return (await session.scalars(statement)).all()


async def _known(session: AsyncSession, account_id: UUID, owner_id: UUID) -> Sequence[Known]:
    rows = {row.name: row.label for row in await secrets_seen_by_others(session, account_id, owner_id)}
    statement = (
        select(Feed.login, Inverter.id, Inverter.name)
        .join(Inverter, Inverter.id == Feed.inverter_id)
        .where(Feed.login.in_(rows), Inverter.owner_id == owner_id, Inverter.deleted_at.is_(None))
        .order_by(Inverter.name, Feed.login, Inverter.id)
    )
    found: dict[str, Known] = {}
    for login, inverter_id, name in await session.execute(statement):
        found.setdefault(login, Known(login, rows[login], inverter_id, name))
    return list(found.values())
