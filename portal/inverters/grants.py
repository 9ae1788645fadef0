"""Who may do what with which inverters and homes: the conditions that every query about them carries.

A home is an owner's row; a *site* is one that its installer has made and nobody owns yet.

| grant | at a site | at a home with an owner |
|---|---|---|
| OWNER | none: the hand-over makes the first one | everything: inverters, logins and their secrets, sharing |
| INSTALLER | the same with its inverters, and the hand-over; nobody can be invited to look | looks, as READER |
| READER | looks | looks: pages, curves and why messages were set aside; no settings, logins, secrets or payloads |

An INSTALLER grant is worth that much only while the account has the installer's role: without it a site is nothing to
it, and at a home with an owner it looks. Nothing else lets anybody in: no search finds what no grant shows, and an
installer without grants sees nothing. At the hand-over the grant becomes one of READER with an end, or
goes (``portal.sharing``).
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, or_, select, union_all
from sqlalchemy.orm import InstrumentedAttribute, aliased

from schema.models import Account, Grant, Inverter, Owner, Role


def visible_to(account_id: UUID, now: datetime) -> ColumnElement[bool]:
    """Inverters, not deleted, of owners for whom the account holds a grant at ``now``, in whatever role."""
    return and_(Inverter.owner_id.in_(looks_at(account_id, now)), Inverter.deleted_at.is_(None))


def looks_at(account_id: UUID, now: datetime) -> Select[UUID]:
    """Owners of whom the account sees anything: a site is nothing to an installer who has lost the role."""
    worth = or_(Grant.role != Role.INSTALLER, Account.is_installer.is_(True), ~in_progress())
    return (
        select(Grant.owner_id)
        .join(Owner, Owner.id == Grant.owner_id)
        .join(Account, Account.id == Grant.account_id)
        .where(Grant.account_id == account_id, holds(now), worth)
    )


def owned_by(account_id: UUID, now: datetime) -> ColumnElement[bool]:
    """Inverters that the account may change: of homes whose owner it is at ``now``, and of sites that it installs."""
    return and_(acts_for(Inverter.owner_id, account_id, now), Inverter.deleted_at.is_(None))


def acts_for(owner_id: InstrumentedAttribute[UUID], account_id: UUID, now: datetime) -> ColumnElement[bool]:
    """Rows of homes whose owner the account is at ``now``, and of sites that it installs."""
    # One set and not two: with "or" between them PostgreSQL reads all rows of everybody.
    return owner_id.in_(union_all(homes_of(account_id, now), sites_of(account_id, now)))


def homes_of(account_id: UUID, now: datetime) -> Select[UUID]:
    """Owners that the account is an owner of."""
    return select(Grant.owner_id).where(Grant.account_id == account_id, Grant.role == Role.OWNER, holds(now))


def sites_of(account_id: UUID, now: datetime) -> Select[UUID]:
    """Owners that the account installs: nobody owns them yet, and an administrator has made it an installer."""
    return (
        select(Grant.owner_id)
        .join(Owner, Owner.id == Grant.owner_id)
        .join(Account, Account.id == Grant.account_id)
        .where(
            Grant.account_id == account_id,
            Grant.role == Role.INSTALLER,
            holds(now),
            Account.is_installer.is_(True),
            in_progress(),
        )
    )


def in_progress() -> ColumnElement[bool]:
    """Owners that nobody owns yet and nobody ever has."""
    other = aliased(Grant)
    owned = exists().where(other.owner_id == Owner.id, other.role == Role.OWNER)
    return and_(Owner.handed_over_at.is_(None), ~owned)


def holds(now: datetime) -> ColumnElement[bool]:
    """Grants that have not ended."""
    return or_(Grant.until.is_(None), Grant.until > now)
