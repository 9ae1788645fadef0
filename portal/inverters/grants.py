"""Who may see and who may change which inverters: the one condition every query about inverters carries."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select

from schema.models import Grant, Inverter, Role


def visible_to(account_id: UUID, now: datetime) -> ColumnElement[bool]:
    """Inverters, not deleted, of owners for whom the account holds a grant at ``now``, in whatever role."""
    granted = select(Grant.owner_id).where(Grant.account_id == account_id, _holds(now))
    return and_(Inverter.owner_id.in_(granted), Inverter.deleted_at.is_(None))


def owned_by(account_id: UUID, now: datetime) -> ColumnElement[bool]:
    """Inverters that the account may change: of owners whose owner it is at ``now``."""
    granted = select(Grant.owner_id).where(Grant.account_id == account_id, Grant.role == Role.OWNER, _holds(now))
    return and_(Inverter.owner_id.in_(granted), Inverter.deleted_at.is_(None))


def _holds(now: datetime) -> ColumnElement[bool]:
    return or_(Grant.until.is_(None), Grant.until > now)
