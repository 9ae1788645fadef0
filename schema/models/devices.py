"""What becomes of a device beside its inverter's row: found behind a gateway, replaced, asked for by somebody else."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from schema.models.base import Base, WithId


class SerialEnd(StrEnum):
    """Why an inverter no longer has a serial that it had."""

    REPLACED = "replaced"
    CORRECTED = "corrected"
    GIVEN_AWAY = "given_away"
    SILENT = "silent"


class FormerSerial(WithId):
    """A serial that an inverter had until ``ended_at``. Its readings of that time stay where they are."""

    __tablename__ = "former_serial"

    inverter_id: Mapped[UUID] = mapped_column(ForeignKey("inverter.id", ondelete="CASCADE"), index=True)
    serial: Mapped[str] = mapped_column(String(32))
    why: Mapped[SerialEnd] = mapped_column(String(16))
    ended_at: Mapped[datetime]


class FoundDevice(Base):
    """A device that speaks through a login and has no feed there. The bridge notes it, its owner adopts or hides it.

    ``selector`` is what its feed's selector would be (``schema.topics`` has the forms); ``serial`` is empty where what
    it sends names none. Adopting it is a feed ``(login, selector)`` of a new inverter: from the next version of the
    registry on its messages go there, and this row may go, as the bridge writes it no more. Where it takes the place of
    a broken device instead, set the ``device_key`` of that inverter's feed to this ``selector``: an emptied key binds
    whichever device speaks next.

    At most 32 rows for each login; one of a device that has been silent for thirty days goes.
    """

    __tablename__ = "found_device"

    login: Mapped[str] = mapped_column(ForeignKey("login.name", ondelete="CASCADE"), primary_key=True)
    selector: Mapped[str] = mapped_column(String(64), primary_key=True)
    serial: Mapped[str] = mapped_column(String(32), default="", server_default="")
    dialect: Mapped[str] = mapped_column(String(24), default="auto", server_default="auto")
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    messages: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    hidden_at: Mapped[datetime | None]


class SerialRequest(WithId):
    """The owner of ``claimant_id`` asks for its serial; only whoever holds that can say yes (DESIGN 4.0, resale).

    Written whether anybody holds the serial or not, so that asking tells nothing: ``holder_id`` is found out later, and
    is empty where there is nobody to be asked. ``answered_at`` closes it; ``granted`` stays empty where nobody answered
    until ``expires_at``.
    """

    __tablename__ = "serial_request"
    __table_args__ = (
        # Of two equal forms sent at once one asks.
        Index(
            "uq_serial_request_open",
            "claimant_id",
            unique=True,
            sqlite_where=text("answered_at IS NULL"),
            postgresql_where=text("answered_at IS NULL"),
        ),
    )

    serial: Mapped[str] = mapped_column(String(32))
    holder_id: Mapped[UUID | None] = mapped_column(ForeignKey("inverter.id", ondelete="SET NULL"), index=True)
    claimant_id: Mapped[UUID] = mapped_column(ForeignKey("inverter.id", ondelete="CASCADE"), index=True)
    asked_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    granted: Mapped[bool | None]


class ToldBy(StrEnum):
    """Who said what a device is."""

    OWNER = "owner"
    COLLECTOR = "collector"


class MetadataSource(Base):
    """Who told what an inverter is, and when. ``name`` is a column of ``inverter``, such as ``rated_power_w``."""

    __tablename__ = "metadata_source"

    inverter_id: Mapped[UUID] = mapped_column(ForeignKey("inverter.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(24), primary_key=True)
    told_by: Mapped[ToldBy] = mapped_column(String(16))
    source_id: Mapped[UUID | None]
    told_at: Mapped[datetime]
