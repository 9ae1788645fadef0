"""Where an owner's and an inverter's readings live, with sealed tokens, and how far provisioning has come."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from schema.models.base import Base


class PlacementState(StrEnum):
    """Pending rows are the provisioner's work; ready ones can be written and read; erasing ones are on their way out,
    and nobody can bring them back. An owner's place that is moving can be read and not written: for the last seconds
    before it changes servers the bridge keeps his readings in the spool.
    """

    PENDING = "pending"
    READY = "ready"
    MOVING = "moving"
    ERASING = "erasing"


class OwnerPlacement(Base):
    """An owner's organisation. ``server`` is the InfluxDB base URL: empty while the provisioner has not chosen one
    (pending), and for good in the embedded store (ready).

    Each step of the saga fills its column and commits, so a killed provisioner goes on where it stopped.
    """

    __tablename__ = "owner_placement"

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("owner.id", ondelete="CASCADE"), primary_key=True)
    server: Mapped[str] = mapped_column(String(200), default="")
    state: Mapped[PlacementState] = mapped_column(String(16), default=PlacementState.PENDING)
    org_id: Mapped[str] = mapped_column(String(32), default="")
    read_authorization_id: Mapped[str] = mapped_column(String(32), default="")
    read_token_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    last_error: Mapped[str] = mapped_column(String(300), default="")
    updated_at: Mapped[datetime]


class Placement(Base):
    """An inverter's bucket and two write-only tokens: the bridge's, and the one the credential endpoint gives out."""

    __tablename__ = "placement"

    inverter_id: Mapped[UUID] = mapped_column(ForeignKey("inverter.id", ondelete="CASCADE"), primary_key=True)
    state: Mapped[PlacementState] = mapped_column(String(16), default=PlacementState.PENDING)
    bucket_id: Mapped[str] = mapped_column(String(32), default="")
    bucket_name: Mapped[str] = mapped_column(String(64), default="")
    bridge_authorization_id: Mapped[str] = mapped_column(String(32), default="")
    bridge_token_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    external_authorization_id: Mapped[str] = mapped_column(String(32), default="")
    external_token_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    last_error: Mapped[str] = mapped_column(String(300), default="")
    updated_at: Mapped[datetime]
