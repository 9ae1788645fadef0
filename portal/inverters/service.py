"""The rules of inverters: add, look up, another login. The account comes first in every question; a stranger's
inverter is as good as none. Nothing here asks whether somebody else has a serial: a serial identifies, it never proves.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from portal import audit
from portal.audit import Action
from portal.inverters.forms import NewInverter
from portal.inverters.grants import homes_of, owned_by, visible_to
from schema.changes import registry_changed
from schema.models import Feed, Grant, Inverter, Login, OwnerPlacement, Placement
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


class WhichHome(Exception):
    """The account owns several homes and has chosen none of them: ask."""


class Enough(Exception):
    """The owner has as many as one account may have: each costs a bucket, or a line in the broker's password file."""


class MadeMeanwhile(Exception):
    """There are more logins, or fewer, than whoever asked for one had seen: show the page again."""


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


async def part(
    session: AsyncSession, account_id: UUID, after: UUID | None, most: int, now: datetime
) -> tuple[Sequence[Inverter], bool]:
    """``most`` inverters that the account may see, by id and ``after`` one, and whether there are more."""
    statement = select(Inverter).where(visible_to(account_id, now)).order_by(Inverter.id)
    if after is not None:
        statement = statement.where(Inverter.id > after)
    found = (await session.scalars(statement.limit(most + 1))).all()
    return found[:most], len(found) > most


async def get(session: AsyncSession, account_id: UUID, inverter_id: UUID, now: datetime) -> Inverter | None:
    """An inverter the account may see, or None."""
    statement = select(Inverter).where(visible_to(account_id, now), Inverter.id == inverter_id)
    return (await session.scalars(statement)).one_or_none()


async def get_owned(session: AsyncSession, account_id: UUID, inverter_id: UUID, now: datetime) -> Inverter | None:
    """An inverter the account may change, or None."""
    statement = select(Inverter).where(owned_by(account_id, now), Inverter.id == inverter_id)
    return (await session.scalars(statement)).one_or_none()


async def add(session: AsyncSession, account_id: UUID, wanted: NewInverter, *, now: datetime) -> Added:
    """``add_to`` one of the account's own homes. Raises ``NoOwner`` and ``WhichHome`` too."""
    owner_id = await _own(session, account_id, wanted.home, now)
    return await add_to(session, owner_id, account_id, wanted, now=now)


async def add_to(
    session: AsyncSession,
    owner_id: UUID,
    account_id: UUID,
    wanted: NewInverter,
    *,
    now: datetime,
    shown: bool = True,
) -> Added:
    """Inverter, login, feed and pending placement in one transaction. Raises ``AlreadyYours``, ``Enough``.

    The caller has found that the account may add to this home. Where its readings will lie is the provisioner's choice.
    Where the secret is not ``shown`` nobody knows it: another one has to be made.
    """
    # First the registry's version: its row lock makes two submits of the same form follow each other.
    inverter_id = uuid4()
    version = await registry_changed(session, inverter_id=inverter_id)
    twin = select(Inverter.id).where(
        Inverter.owner_id == owner_id, Inverter.serial == wanted.serial, Inverter.deleted_at.is_(None)
    )
    if (known := (await session.scalars(twin.limit(1))).first()) is not None:
        raise AlreadyYours(known)
    inverter = await make(session, owner_id, inverter_id=inverter_id, name=wanted.name, serial=wanted.serial, now=now)
    credentials = await _new_login(session, inverter, version=version, made_by=account_id if shown else None, now=now)
    made = {"serial": wanted.serial, "name": wanted.name, "login": credentials.login}
    await _note(session, Action.INVERTER_ADDED, inverter, account_id, now, **made)
    return Added(inverter.id, credentials)


async def make(
    session: AsyncSession, owner_id: UUID, *, inverter_id: UUID, name: str, serial: str, now: datetime
) -> Inverter:
    """Inverter and pending placement, without a login. Raises ``Enough``.

    The caller has raised the registry's version, looked for a twin, and notes the act.
    """
    await _check_room(session, owner_id, now)
    inverter = Inverter(id=inverter_id, owner_id=owner_id, name=name, serial=serial, created_at=now)
    session.add(inverter)
    await session.flush()
    session.add(Placement(inverter_id=inverter.id, updated_at=now))
    if await session.get(OwnerPlacement, owner_id) is None:
        session.add(OwnerPlacement(owner_id=owner_id, updated_at=now))
    return inverter


async def another_login(
    session: AsyncSession,
    account_id: UUID,
    inverter_id: UUID,
    now: datetime,
    *,
    known: int | None = None,
    label: str = "",
) -> Credentials | None:
    """A login for a second program that publishes about the same inverter; None where the account may not.

    ``known`` is how many the page showed, so that a form sent twice makes one; ``label`` is what the program is called.
    An inverter that was given away is in use again. Raises ``MadeMeanwhile``, ``Enough``.
    """
    inverter = await get_owned(session, account_id, inverter_id, now)
    if inverter is None:
        return None
    # The version's row lock makes two submits follow each other here, too: they count each other's login.
    version = await registry_changed(session, inverter_id=inverter_id)
    mine = select(Feed.login).where(Feed.inverter_id == inverter_id)
    living = select(func.count()).select_from(Login).where(Login.name.in_(mine), Login.revoked_at.is_(None))
    present = (await session.execute(living)).scalar_one()
    if known is not None and present != known:
        raise MadeMeanwhile
    if present >= MOST_LOGINS:
        raise Enough
    inverter.given_away_at = None
    credentials = await _new_login(session, inverter, version=version, made_by=account_id, now=now, label=label)
    await _note(session, Action.LOGIN_MADE, inverter, account_id, now, login=credentials.login)
    return credentials


async def _note(
    session: AsyncSession, action: Action, inverter: Inverter, account_id: UUID, now: datetime, **details: audit.Detail
) -> None:
    subject, owner_id = audit.inverter(inverter.id), inverter.owner_id
    await audit.record(session, action, subject=subject, actor=account_id, owner_id=owner_id, details=details, now=now)


async def _own(session: AsyncSession, account_id: UUID, home: str, now: datetime) -> UUID:
    """The home of the account's own that a new inverter belongs to: the only one, or the one it has chosen."""
    mine = (await session.scalars(homes_of(account_id, now).order_by(Grant.created_at, Grant.owner_id))).all()
    if not mine:
        raise NoOwner
    if len(mine) == 1 and not home:
        return mine[0]
    chosen = next((owner_id for owner_id in mine if str(owner_id) == home), None)
    if chosen is None:
        raise WhichHome
    return chosen


async def _check_room(session: AsyncSession, owner_id: UUID, now: datetime) -> None:
    """Raises ``Enough``."""
    living = func.count().filter(Inverter.deleted_at.is_(None))
    fresh = func.count().filter(Inverter.created_at > now - _DAY)
    row = (await session.execute(select(living, fresh).where(Inverter.owner_id == owner_id))).one()
    if row[0] >= MOST_INVERTERS or row[1] >= MOST_NEW:
        raise Enough


async def _new_login(
    session: AsyncSession,
    inverter: Inverter,
    *,
    version: int,
    made_by: UUID | None,
    now: datetime,
    label: str = "",
) -> Credentials:
    credentials = Credentials(login=new_login(), secret=new_secret())
    session.add(
        Login(
            name=credentials.login,
            owner_id=inverter.owner_id,
            verifier=verifier(credentials.secret),
            registry_version=version,
            label=label,
            made_by=made_by,
            created_at=now,
        )
    )
    await session.flush()
    session.add(Feed(id=uuid4(), login=credentials.login, inverter_id=inverter.id))
    return credentials
