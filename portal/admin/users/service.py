"""Accounts as an administrator finds them. Never a password, a hash, a token or a second factor's secret."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from portal.accounts.forms import email_key
from portal.admin.search import PAGE_SIZE, Found
from portal.admin.users.forms import Order, State, UserSearch
from schema.models import Account, Grant, Inverter, LoginSession, Owner, Role

_ORDERS: dict[Order, ColumnElement[Any]] = {
    Order.NEWEST: Account.created_at.desc(),
    Order.OLDEST: Account.created_at.asc(),
    Order.ADDRESS: Account.email_key.asc(),
}
_STATES: dict[State, ColumnElement[bool]] = {
    State.WAITING: Account.verified_at.is_(None),
    State.DISABLED: Account.disabled_at.is_not(None),
    State.LEAVING: Account.delete_after.is_not(None),
    State.INSTALLERS: Account.is_installer.is_(True),
    State.ADMINS: Account.is_admin.is_(True),
}
MOST_SHOWN = 200
"""Grants, and inverters, on an account's page: an installer has hundreds in time."""


@dataclass(frozen=True, slots=True)
class User:
    """An account in a list. ``inverters`` are those of the owners it is an owner of."""

    id: UUID
    email: str
    display_name: str
    is_admin: bool
    is_installer: bool
    created_at: datetime
    verified_at: datetime | None
    disabled_at: datetime | None
    delete_after: datetime | None
    has_second_factor: bool


@dataclass(frozen=True, slots=True)
class Granted:
    """What an account may do for an owner."""

    owner_id: UUID
    owner: str
    role: Role
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Owned:
    """An inverter of an owner that the account is an owner of."""

    id: UUID
    name: str
    serial: str


@dataclass(frozen=True, slots=True)
class Detail:
    """Everything an administrator sees of one account; ``more`` than ``MOST_SHOWN`` grants or inverters are not."""

    user: User
    grants: Sequence[Granted]
    inverters: Sequence[Owned]
    devices: int
    last_seen_at: datetime | None
    more: bool


_COLUMNS = (
    Account.id, Account.email, Account.display_name, Account.is_admin, Account.is_installer, Account.created_at,
    Account.verified_at, Account.disabled_at, Account.delete_after,
    Account.totp_sealed.is_not(None).label("has_second_factor"),
)  # fmt: skip


async def listed(session: AsyncSession, search: UserSearch) -> Found[User]:
    """A page of accounts; the caller has made sure that an administrator asks."""
    conditions: list[ColumnElement[bool]] = []
    if search.q:
        # autoescape: a percent sign or an underscore is what was typed, not a wildcard.
        by_address = Account.email_key.contains(email_key(search.q), autoescape=True)
        conditions.append(or_(by_address, Account.display_name.icontains(search.q, autoescape=True)))
    if search.state is not State.ANY:
        conditions.append(_STATES[search.state])
    total = (await session.execute(select(func.count()).select_from(Account).where(*conditions))).scalar_one()
    rows = (
        select(*_COLUMNS)
        .where(*conditions)
        .order_by(_ORDERS[search.sort], Account.id)
        .limit(PAGE_SIZE)
        .offset(search.offset)
    )
    return Found([User(**row) for row in (await session.execute(rows)).mappings()], total)


async def detail(session: AsyncSession, account_id: UUID, *, now: datetime) -> Detail | None:
    """One account with what it may do and has; the caller has made sure that an administrator asks."""
    row = (await session.execute(select(*_COLUMNS).where(Account.id == account_id))).mappings().one_or_none()
    if row is None:
        return None
    granted = (
        select(Grant.owner_id, Owner.name.label("owner"), Grant.role, Grant.until)
        .join(Owner, Owner.id == Grant.owner_id)
        .where(Grant.account_id == account_id)
        .order_by(Grant.role != Role.OWNER, Grant.created_at.desc(), Grant.id)
        .limit(MOST_SHOWN + 1)
    )
    owners = select(Grant.owner_id).where(Grant.account_id == account_id, Grant.role == Role.OWNER)
    grants = [Granted(**grant) for grant in (await session.execute(granted)).mappings()]
    inverters = (
        select(Inverter.id, Inverter.name, Inverter.serial)
        .where(Inverter.owner_id.in_(owners), Inverter.deleted_at.is_(None))
        .order_by(Inverter.name, Inverter.id)
        .limit(MOST_SHOWN + 1)
    )
    living = LoginSession.account_id == account_id, LoginSession.expires_at > now
    devices = select(func.count(), func.max(LoginSession.seen_at)).where(*living)
    count, seen_at = (await session.execute(devices)).one()
    owned = [Owned(**inverter) for inverter in (await session.execute(inverters)).mappings()]
    more = len(grants) > MOST_SHOWN or len(owned) > MOST_SHOWN
    return Detail(User(**row), grants[:MOST_SHOWN], owned[:MOST_SHOWN], count, seen_at, more)
