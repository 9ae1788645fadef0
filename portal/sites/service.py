"""The rules of sites: make one, list one's own, add devices to it. The installer's account comes first.

A site is an owner's row that nobody owns yet (``portal.inverters.grants``). It costs nothing outside the database
before its first device: then the provisioner makes its place in the store.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from portal import audit
from portal.audit import Action
from portal.inverters import service as inverters
from portal.inverters.forms import NewInverter
from portal.inverters.grants import sites_of
from portal.inverters.service import Added
from portal.notices import service as notices
from portal.pairing.service import LoginState, Pairing
from portal.sites.forms import NewDevice, NewSite
from portal.words import _
from schema import live
from schema.models import Account, AuditEntry, Feed, Grant, Inverter, Login, Owner, PasswordFileGeneration, Role

MOST_SITES = 200
"""Of one installer, not handed over yet."""
MOST_NEW = 50
"""Of one installer and day, handed over or not."""

_DAY = timedelta(days=1)


class KnownSite(Exception):
    """The installer works at a site of this name already: show that instead of making a second one."""

    def __init__(self, site_id: UUID) -> None:
        super().__init__("made before")
        self.site_id = site_id


class TooMany(Exception):
    """The installer has as many sites as one may have: hand some over, or wait a day."""


@dataclass(frozen=True, slots=True)
class Site:
    """A site that the account installs; ``devices`` is how many it has."""

    id: UUID
    name: str
    time_zone: str
    created_at: datetime
    devices: int


async def make(session: AsyncSession, account_id: UUID, wanted: NewSite, *, zone: str, now: datetime) -> UUID:
    """A site with a grant for its installer alone; the caller has found that he is one. ``zone`` is for a browser that
    told none. Raises ``KnownSite`` (also for the second of two identical forms), ``TooMany``.
    """
    # Two submits of the same form follow each other here.
    await session.get_one(Account, account_id, with_for_update=True)
    mine = await listed(session, account_id, now)
    for site in mine:
        if site.name.casefold() == wanted.name.casefold():
            raise KnownSite(site.id)
    if len(mine) >= MOST_SITES or await _made_lately(session, account_id, now) >= MOST_NEW:
        raise TooMany
    owner = Owner(id=uuid4(), name=wanted.name, time_zone=wanted.time_zone or zone, created_at=now)
    session.add(owner)
    await session.flush()
    session.add(Grant(id=uuid4(), account_id=account_id, owner_id=owner.id, role=Role.INSTALLER, created_at=now))
    # Not its name, which is a customer's as a rule.
    await audit.record(
        session,
        Action.SITE_MADE,
        subject=audit.owner(owner.id),
        actor=account_id,
        owner_id=owner.id,
        details={"zone": owner.time_zone},
        now=now,
    )
    return owner.id


async def listed(session: AsyncSession, account_id: UUID, now: datetime) -> Sequence[Site]:
    """The sites that the account installs, the newest first."""
    return [Site(*row) for row in await session.execute(_sites(account_id, now))]


async def get(session: AsyncSession, account_id: UUID, site_id: UUID, now: datetime) -> Site | None:
    """A site that the account installs, or None: somebody else's, or one that has an owner by now."""
    row = (await session.execute(_sites(account_id, now).where(Owner.id == site_id))).one_or_none()
    return None if row is None else Site(*row)


async def add_device(
    session: AsyncSession, account_id: UUID, site_id: UUID, wanted: NewDevice, *, now: datetime
) -> Added | None:
    """A device of the site; None where the account does not install it. Raises ``AlreadyYours``, ``Enough``."""
    site = await get(session, account_id, site_id, now)
    if site is None:
        return None
    name = wanted.name or _("Inverter %(number)s", number=site.devices + 1)
    return await inverters.add_to(session, site.id, account_id, NewInverter(name=name, serial=wanted.serial), now=now)


async def devices(
    session: AsyncSession, live_engine: AsyncEngine, account_id: UUID, site_id: UUID, now: datetime
) -> Sequence[Pairing]:
    """How far each device of the site has come, the newest first; none where the account does not install it."""
    owned = (Inverter.owner_id == site_id, Inverter.owner_id.in_(sites_of(account_id, now)))
    present = select(Inverter).where(*owned, Inverter.deleted_at.is_(None))
    found = (await session.scalars(present.order_by(Inverter.created_at.desc(), Inverter.id))).all()
    applied = (await session.scalars(select(PasswordFileGeneration.applied))).one_or_none() or 0
    speaking = (
        select(Feed.inverter_id, Login)
        .join(Login, Login.name == Feed.login)
        .where(Login.owner_id == site_id, Login.revoked_at.is_(None))
        .order_by(Login.created_at.desc(), Login.name)
    )
    logins: dict[UUID, list[LoginState]] = {}
    for inverter_id, login in await session.execute(speaking):
        state = LoginState(login.name, login.registry_version <= applied, login.created_at)
        logins.setdefault(inverter_id, []).append(state)
    names = [login.name for one in logins.values() for login in one]
    flapping = await notices.flapping(session, names, now)
    heard = await live.of(live_engine, [one.id for one in found])
    return [Pairing(one, logins.get(one.id, ()), heard.get(one.id), flapping) for one in found]


async def never_renewed(
    session: AsyncSession, account_id: UUID, site_id: UUID, logins: Collection[str], now: datetime
) -> set[str]:
    """Those of the site's logins that still have their first secret."""
    statement = select(Login.name).where(
        Login.owner_id == site_id,
        Login.owner_id.in_(sites_of(account_id, now)),
        Login.name.in_(logins),
        Login.renewed_at.is_(None),
        Login.revoked_at.is_(None),
    )
    return set((await session.scalars(statement)).all())


def _sites(account_id: UUID, now: datetime) -> Select[UUID, str, str, datetime, int]:
    devices = func.count(Inverter.id).filter(Inverter.deleted_at.is_(None))
    return (
        select(Owner.id, Owner.name, Owner.time_zone, Owner.created_at, devices)
        .outerjoin(Inverter, Inverter.owner_id == Owner.id)
        .where(Owner.id.in_(sites_of(account_id, now)))
        .group_by(Owner.id)
        .order_by(Owner.created_at.desc(), Owner.id)
    )


async def _made_lately(session: AsyncSession, account_id: UUID, now: datetime) -> int:
    made = select(func.count()).where(
        AuditEntry.actor_id == account_id, AuditEntry.action == Action.SITE_MADE, AuditEntry.at > now - _DAY
    )
    return (await session.execute(made)).scalar_one()
