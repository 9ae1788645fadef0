"""Messages that cannot become readings, as the pages show them; the bridge's spool decides and keeps the originals."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from schema.models.base import WithId


class DeadLetter(WithId):
    """Equal trouble of one login on one topic is one row with a count, first and last time and the newest payload."""

    __tablename__ = "dead_letter"
    __table_args__ = (UniqueConstraint("login", "topic", "reason"),)

    login: Mapped[str] = mapped_column(String(10))
    inverter_id: Mapped[UUID | None] = mapped_column(ForeignKey("inverter.id", ondelete="CASCADE"), index=True)
    topic: Mapped[str] = mapped_column(String(512))
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    reason: Mapped[str] = mapped_column(String(40))
    detail: Mapped[str] = mapped_column(String(300), default="")
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    count: Mapped[int] = mapped_column(default=1)
