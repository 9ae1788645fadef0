"""InfluxDB servers as the provisioner sees them, what it found there that nobody owns, and owners on the move.

The operator tokens are not here: they are in the provisioner's environment alone.
"""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, String, false
from sqlalchemy.orm import Mapped, mapped_column

from schema.models.base import Base


class StoreServer(Base):
    """One server. ``open``: new owners may be placed there. ``capacity_buckets``, ``files_limit`` (descriptors) and
    ``memory_limit_bytes`` are what its operator says it is meant for; of its memory he may say nothing.

    The other figures are the server's own, as last seen at ``checked_at``; empty where it does not say. ``buckets`` are
    all but InfluxDB's own; ``memory_bytes`` is what its runtime holds, without files that are mapped into memory.

    ``identity`` tells it from another InfluxDB that answers at its address: while one does (``another``), nothing is
    made, mended or erased there.
    """

    __tablename__ = "store_server"

    url: Mapped[str] = mapped_column(String(200), primary_key=True)
    open: Mapped[bool] = mapped_column(default=True)
    capacity_buckets: Mapped[int]
    buckets: Mapped[int] = mapped_column(default=0)
    version: Mapped[str] = mapped_column(String(32), default="")
    identity: Mapped[str] = mapped_column(String(32), default="", server_default="")
    another: Mapped[bool] = mapped_column(default=False, server_default=false())
    shards: Mapped[int | None]
    memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    memory_limit_bytes: Mapped[int | None] = mapped_column(BigInteger)
    files_limit: Mapped[int] = mapped_column(default=65_536)
    checked_at: Mapped[datetime | None]
    last_error: Mapped[str] = mapped_column(String(300), default="")


class OrphanKind(StrEnum):
    """What it is in InfluxDB."""

    ORGANISATION = "organisation"
    BUCKET = "bucket"
    TOKEN = "token"  # noqa: S105  # a kind of thing


class Orphan(Base):
    """Something with a name of our form that no row of ours knows: listed for a person, never deleted by itself."""

    __tablename__ = "orphan"

    server: Mapped[str] = mapped_column(String(200), primary_key=True)
    kind: Mapped[OrphanKind] = mapped_column(String(16), primary_key=True)
    external_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    org_id: Mapped[str] = mapped_column(String(32), default="")
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]


class MoveState(StrEnum):
    """How far an owner's move to another server has come."""

    PREPARING = "preparing"
    COPYING = "copying"
    FINISHING = "finishing"
    SWITCHED = "switched"
    DONE = "done"
    CANCELLED = "cancelled"


class MoveWish(StrEnum):
    """What an operator wants of a move that has begun."""

    NONE = ""
    CANCEL = "cancel"
    CLEAN = "clean"


class OwnerMove(Base):
    """An owner's second place, written beside the first until everything is there; then the two change sides.

    After the switch the columns name the *old* place, so that it can be removed once nobody needs it any more. The row
    stays as the record of the last move; ``org_id`` is empty once there is nothing beside the owner's one place.
    """

    __tablename__ = "owner_move"

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("owner.id", ondelete="CASCADE"), primary_key=True)
    server: Mapped[str] = mapped_column(String(200))
    state: Mapped[MoveState] = mapped_column(String(16), default=MoveState.PREPARING)
    wish: Mapped[MoveWish] = mapped_column(String(16), default=MoveWish.NONE)
    org_id: Mapped[str] = mapped_column(String(32), default="")
    read_authorization_id: Mapped[str] = mapped_column(String(32), default="")
    read_token_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    started_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    last_error: Mapped[str] = mapped_column(String(300), default="")


class InverterMove(Base):
    """An inverter's second bucket. ``copied_until`` is how far (by reading time) points are copied and compared.

    ``points`` are copied of ``total``, each value of a reading counted by itself, as InfluxDB does.
    """

    __tablename__ = "inverter_move"

    inverter_id: Mapped[UUID] = mapped_column(ForeignKey("inverter.id", ondelete="CASCADE"), primary_key=True)
    bucket_id: Mapped[str] = mapped_column(String(32), default="")
    bucket_name: Mapped[str] = mapped_column(String(64), default="")
    bridge_authorization_id: Mapped[str] = mapped_column(String(32), default="")
    bridge_token_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    external_authorization_id: Mapped[str] = mapped_column(String(32), default="")
    external_token_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    copied_until: Mapped[datetime | None]
    points: Mapped[int] = mapped_column(BigInteger, default=0)
    total: Mapped[int] = mapped_column(BigInteger, default=0)
    updated_at: Mapped[datetime]
