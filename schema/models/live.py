"""The live row: what the bridge knows of an inverter right now. A cache with its own metadata: losing it costs nothing.

On SQLite it lies in a file of its own (``synchronous=NORMAL``), on PostgreSQL beside the other tables.
"""

from datetime import datetime
from enum import IntEnum
from uuid import UUID

from sqlalchemy import JSON, BigInteger, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from schema.models.base import UtcDateTime


class Rung(IntEnum):
    """The pairing ladder: the furthest thing that has worked for an inverter."""

    NOTHING = 0
    BROKER_REACHED = 1
    LOGIN_ACCEPTED = 2
    TOPIC_RIGHT = 3
    PAYLOAD_UNDERSTOOD = 4
    VALUES_PLAUSIBLE = 5


class LiveBase(DeclarativeBase):
    """Tables of the live database; made by ``create_all``, never migrated: dropping them costs nothing."""

    metadata = MetaData()
    type_annotation_map = {datetime: UtcDateTime(), dict[str, float]: JSON()}  # noqa: RUF012  # SQLAlchemy reads it


class LiveRow(LiveBase):
    """``version`` rises with every change of any row, so a reader asks for what is newer than what it has.

    ``values`` merges the newest value of each quantity; ``reading_at`` is the newest reading's time, ``seen_at`` the
    arrival of the last message of any kind, ``refusal`` the last reason code a message was set aside for.
    """

    __tablename__ = "live"

    inverter_id: Mapped[UUID] = mapped_column(primary_key=True)
    # A thousand inverters change it 2,000,000,000 times in some months.
    version: Mapped[int] = mapped_column(BigInteger, index=True)
    rung: Mapped[int] = mapped_column(default=Rung.NOTHING)
    values: Mapped[dict[str, float]] = mapped_column(default=dict)
    reading_at: Mapped[datetime | None]
    seen_at: Mapped[datetime | None]
    refusal: Mapped[str] = mapped_column(String(40), default="")
    refusal_detail: Mapped[str] = mapped_column(String(300), default="")
    refused_at: Mapped[datetime | None]


class LoginLive(LiveBase):
    """What the bridge knows of a login right now; a cache like ``LiveRow``.

    ``seen_at`` is the arrival of its last message; ``connected_at`` and ``disconnected_at`` are what the broker's log
    said last, both empty while the bridge has not heard it.
    """

    __tablename__ = "login_live"

    login: Mapped[str] = mapped_column(String(10), primary_key=True)
    seen_at: Mapped[datetime | None]
    connected_at: Mapped[datetime | None]
    disconnected_at: Mapped[datetime | None]
