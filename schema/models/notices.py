"""What an owner should know about his logins and devices without having asked: tripwires, and acts of the system."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from schema.models.base import WithId


class NoticeKind(StrEnum):
    """What has happened. The text is stored, so it never changes."""

    FLAPPING = "flapping"
    IMPOSSIBLE_POWER = "impossible_power"
    CLOCK_SKEW = "clock_skew"
    FAILED_LOG_INS = "failed_log_ins"
    QUARANTINED = "quarantined"
    SERIAL_FREED = "serial_freed"
    BUCKET_RENEWED = "bucket_renewed"
    HANDED_OVER = "handed_over"
    STORE_MOVED = "store_moved"
    TOKEN_RENEWED = "token_renewed"  # noqa: S105  # the name of a notice


class Notice(WithId):
    """Equal trouble of one login or inverter is one row with a count, first and last time (``key`` says what is equal).

    ``details`` are numbers and names for the sentence, never a secret. ``hidden_at``: its owner has read it; it comes
    back when it happens again later. ``mailed_at``: when its owner was last told by mail.
    """

    __tablename__ = "notice"

    key: Mapped[str] = mapped_column(String(120), unique=True)
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("owner.id", ondelete="CASCADE"), index=True)
    inverter_id: Mapped[UUID | None] = mapped_column(ForeignKey("inverter.id", ondelete="CASCADE"), index=True)
    login: Mapped[str] = mapped_column(String(10), default="", server_default="")
    kind: Mapped[NoticeKind] = mapped_column(String(24))
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    count: Mapped[int] = mapped_column(BigInteger, default=1)
    hidden_at: Mapped[datetime | None]
    mailed_at: Mapped[datetime | None]
