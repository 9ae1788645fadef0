"""The rules of inverters: add, look up, rename, delete. The account comes first in every question; a stranger's
inverter is as good as none. Nothing here asks whether somebody else has a serial: a serial identifies, it never proves.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from portal.inverters.forms import NewInverter
from portal.inverters.grants import owned_by, visible_to
from schema.changes import registry_changed
from schema.models import ClaimState, Feed, Grant, Inverter, Login, Owner, OwnerPlacement, Placement, Role
from schema.verifiers import new_login, new_secret, verifier

MOST_INVERTERS = 200
"""Per owner, not deleted."""
MOST_NEW = 50
"""Per owner and day, deleted ones too: what lies in the store outlives the deletion."""
MOST_LOGINS = 8
"""Per inverter, not revoked."""

_DAY = timedelta(days=1)


class NoOwner(Exception):
    """The account is nobody's owner (a reader, an installer): it has no place to add an inverter to."""


class Enough(Exception):
    """The owner has as many as one account may have: each costs a bucket, or a line in the broker's password file."""


class AlreadyYours(Exception):
    """This owner has added the serial before: show that inverter instead of making a second one."""

    def __init__(self, inverter_id: UUID) -> None:
        super().__init__("added before")
        self.inverter_id = inverter_id


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a publishing program logs in with. The secret exists here and with its owner, nowhere else."""

    login: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Added:
    """A new inverter and the credentials of its first login, to be shown once."""

    inverter_id: UUID
    credentials: Credentials


async def visible(session: AsyncSession, account_id: UUID, now: datetime) -> Sequence[Inverter]:
    """All inverters the account may see, by name."""
    statement = select(Inverter).where(visible_to(account_id, now)).order_by(Inverter.name, Inverter.id)
    return (await session.scalars(statement)).all()


async def get(session: AsyncSession, account_id: UUID, inverter_id: UUID, now: datetime) -> Inverter | None:
    """An inverter the account may see, or None."""
    statement = select(Inverter).where(visible_to(account_id, now), Inverter.id == inverter_id)
    return (await session.scalars(statement)).one_or_none()


async def get_owned(session: AsyncSession, account_id: UUID, inverter_id: UUID, now: datetime) -> Inverter | None:
    """An inverter the account may change, or None."""
    statement = select(Inverter).where(owned_by(account_id, now), Inverter.id == inverter_id)
    return (await session.scalars(statement)).one_or_none()


async def add(session: AsyncSession, account_id: UUID, wanted: NewInverter, *, server: str, now: datetime) -> Added:
    """Inverter, login, feed and pending placement in one transaction. Raises ``NoOwner``, ``AlreadyYours``, ``Enough``.

    ``server`` is the InfluxDB address its readings go to, empty for the embedded store.
    """
    owner_id = await _own(session, account_id, now)
    # First the registry's version: its row lock makes two submits of the same form follow each other.
    version = await registry_changed(session)
    twin = select(Inverter.id).where(
        Inverter.owner_id == owner_id, Inverter.serial == wanted.serial, Inverter.deleted_at.is_(None)
    )
    if (known := (await session.scalars(twin.limit(1))).first()) is not None:
        raise AlreadyYours(known)
    await _check_room(session, owner_id, now)
    inverter = Inverter(id=uuid4(), owner_id=owner_id, name=wanted.name, serial=wanted.serial, created_at=now)
    session.add(inverter)
    await session.flush()
    session.add(Placement(inverter_id=inverter.id, updated_at=now))
    if await session.get(OwnerPlacement, owner_id) is None:
        session.add(OwnerPlacement(owner_id=owner_id, server=server, updated_at=now))
    credentials = await _new_login(session, inverter, version=version, now=now)
    return Added(inverter.id, credentials)


async def another_login(
    session: AsyncSession, account_id: UUID, inverter_id: UUID, now: datetime
) -> Credentials | None:
    """A login for a second program that publishes about the same inverter; None where the account may not.

    Raises ``Enough``.
    """
    inverter = await get_owned(session, account_id, inverter_id, now)
    if inverter is None:
        return None
    # The version's row lock makes two submits follow each other here, too: they count each other's login.
    version = await registry_changed(session)
    living = select(func.count()).select_from(Feed).join(Login, Login.name == Feed.login)
    living = living.where(Feed.inverter_id == inverter_id, Login.revoked_at.is_(None))
    if (await session.execute(living)).scalar_one() >= MOST_LOGINS:
        raise Enough
    return await _new_login(session, inverter, version=version, now=now)


async def rename(session: AsyncSession, account_id: UUID, inverter_id: UUID, name: str, now: datetime) -> bool:
    """Give it another name; false where the account may not."""
    statement = update(Inverter).where(owned_by(account_id, now), Inverter.id == inverter_id).values(name=name)
    return (await session.execute(statement.returning(Inverter.id))).first() is not None


async def remove(session: AsyncSession, account_id: UUID, inverter_id: UUID, now: datetime) -> bool:
    """Delete the inverter, free its serial, revoke the logins that spoke of nothing else; false where it may not.

    Row and placement stay, so that what lies in the store can be found and removed: nothing there is orphaned.
    """
    if await get_owned(session, account_id, inverter_id, now) is None:
        return False
    mine = select(Feed.login).where(Feed.inverter_id == inverter_id)
    shared = select(Feed.login).where(Feed.inverter_id != inverter_id)
    await session.execute(
        update(Login)
        .where(Login.name.in_(mine), Login.name.not_in(shared), Login.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    await session.execute(update(Feed).where(Feed.inverter_id == inverter_id).values(claim_state=ClaimState.RELEASED))
    await session.execute(update(Inverter).where(Inverter.id == inverter_id).values(deleted_at=now, active_serial=None))
    await registry_changed(session)
    return True


async def _own(session: AsyncSession, account_id: UUID, now: datetime) -> UUID:
    """The owner that a new inverter of this account belongs to: the first it was given."""
    statement = (
        select(Owner.id)
        .join(Grant, Grant.owner_id == Owner.id)
        .where(Grant.account_id == account_id, Grant.role == Role.OWNER, (Grant.until.is_(None)) | (Grant.until > now))
        .order_by(Grant.created_at, Owner.id)
        .limit(1)
    )
    owner_id = (await session.scalars(statement)).first()
    if owner_id is None:
        raise NoOwner
    return owner_id


async def _check_room(session: AsyncSession, owner_id: UUID, now: datetime) -> None:
    """Raises ``Enough``."""
    living = func.count().filter(Inverter.deleted_at.is_(None))
    fresh = func.count().filter(Inverter.created_at > now - _DAY)
    row = (await session.execute(select(living, fresh).where(Inverter.owner_id == owner_id))).one()
    if row[0] >= MOST_INVERTERS or row[1] >= MOST_NEW:
        raise Enough


async def _new_login(session: AsyncSession, inverter: Inverter, *, version: int, now: datetime) -> Credentials:
    credentials = Credentials(login=new_login(), secret=new_secret())
    session.add(
        Login(
            name=credentials.login,
            owner_id=inverter.owner_id,
            verifier=verifier(credentials.secret),
            registry_version=version,
            created_at=now,
        )
    )
    await session.flush()
    session.add(Feed(id=uuid4(), login=credentials.login, inverter_id=inverter.id))
    return credentials
