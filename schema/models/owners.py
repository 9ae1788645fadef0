"""Tenants and who may act for them."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from schema.models.base import WithId


class Role(StrEnum):
    """What a grant allows: everything, pairing on site, or looking."""

    OWNER = "owner"
    INSTALLER = "installer"
    READER = "reader"


class Owner(WithId):
    """The tenant: what an InfluxDB organisation, a time zone and a tariff belong to. Not a person.

    An installer makes one on site, with a grant for himself alone; ``handed_over_at`` is when its owner took it over.
    """

    __tablename__ = "owner"

    name: Mapped[str] = mapped_column(String(80))
    time_zone: Mapped[str] = mapped_column(String(64), default="UTC")
    created_at: Mapped[datetime]
    handed_over_at: Mapped[datetime | None]


class Grant(WithId):
    """An account may act for an owner in a role, until revoked or ``until``. Hand-over and sharing are only grants.

    ``granted_by`` is the account whose invitation it accepted, empty where it came with the sign-up or the
    site; that account may be gone by now.
    """

    __tablename__ = "grant"
    __table_args__ = (UniqueConstraint("account_id", "owner_id", "role"),)

    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("owner.id", ondelete="CASCADE"), index=True)
    role: Mapped[Role] = mapped_column(String(16))
    until: Mapped[datetime | None]
    granted_by: Mapped[UUID | None]
    created_at: Mapped[datetime]
