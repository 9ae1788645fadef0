"""Service identities: outside programs that may ask for inverters' write tokens, and do nothing else."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from schema.models.base import WithId


class Collector(WithId):
    """One outside collector. Of its key only a keyed hash is kept; ``hint`` is how it begins.

    ``networks`` are the addresses and networks it may come from, separated by commas; empty for any. A key that was
    replaced (``former_hash``) is good until ``former_until``. ``last_from`` and ``refused_from`` are the addresses of
    its last use, and of its last use from where it may not come from.

    ``stopped_at``: it has asked like a sweep, and is answered again when an administrator lets it go on. What it asked
    for the first time before ``counted_from`` counts no more; until ``fleet_until`` inverters that are new to it are
    expected.
    """

    __tablename__ = "collector"
    __table_args__ = (
        # Of two identical forms sent at once one makes an identity.
        Index(
            "uq_collector_living_name",
            "name",
            unique=True,
            sqlite_where=text("revoked_at IS NULL"),
            postgresql_where=text("revoked_at IS NULL"),
        ),
    )

    name: Mapped[str] = mapped_column(String(80))
    hint: Mapped[str] = mapped_column(String(16))
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    former_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    former_until: Mapped[datetime | None]
    former_used_at: Mapped[datetime | None]
    networks: Mapped[str] = mapped_column(String(400), default="", server_default="")
    made_by: Mapped[UUID | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    last_from: Mapped[str] = mapped_column(String(45), default="", server_default="")
    refused_at: Mapped[datetime | None]
    refused_from: Mapped[str] = mapped_column(String(45), default="", server_default="")
    stopped_at: Mapped[datetime | None]
    counted_from: Mapped[datetime | None]
    fleet_until: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class CollectorSerial(WithId):
    """A serial that a collector, or an administrator's program, has asked for: how many are new within a minute tells
    a sweep from work. Only a keyed hash of it is kept; ``inverter_id`` is empty where it got no answer.
    """

    __tablename__ = "collector_serial"
    __table_args__ = (
        UniqueConstraint("collector_id", "serial_hash"),
        UniqueConstraint("account_id", "serial_hash"),
        Index("ix_collector_serial_collector_first", "collector_id", "first_at"),
        Index("ix_collector_serial_account_first", "account_id", "first_at"),
    )

    collector_id: Mapped[UUID | None] = mapped_column(ForeignKey("collector.id", ondelete="CASCADE"))
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    serial_hash: Mapped[str] = mapped_column(String(64))
    inverter_id: Mapped[UUID | None] = mapped_column(ForeignKey("inverter.id", ondelete="SET NULL"), index=True)
    first_at: Mapped[datetime]
    last_at: Mapped[datetime] = mapped_column(index=True)
