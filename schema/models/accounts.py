"""People who sign in, what they hold while signed in, and the mail they are sent."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from schema.models.base import WithId


class Audience(StrEnum):
    """What a session's token is good for: pages (cookie) or ``/api`` (bearer). Never both."""

    PAGE = "page"
    API = "api"


class TokenPurpose(StrEnum):
    """What a mailed one-time token proves."""

    VERIFY = "verify"
    RESET = "reset"


class Account(WithId):
    """A person who signs in. ``email`` is kept as typed, ``email_key`` (case-folded) is unique."""

    __tablename__ = "account"

    email: Mapped[str] = mapped_column(String(254))
    email_key: Mapped[str] = mapped_column(String(254), unique=True)
    password_hash: Mapped[str] = mapped_column(String(200))
    is_admin: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    verified_at: Mapped[datetime | None]


class LoginSession(WithId):
    """A signed-in device; ``id`` is the token's ``jti``, so deleting the row ends the session at once."""

    __tablename__ = "login_session"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    audience: Mapped[Audience] = mapped_column(String(8))
    user_agent: Mapped[str] = mapped_column(String(200), default="")
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class EmailToken(WithId):
    """A one-time secret sent by mail: only its keyed hash is kept; ``used_at`` is set by the UPDATE that uses it."""

    __tablename__ = "email_token"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    purpose: Mapped[TokenPurpose] = mapped_column(String(16))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class OutboxMail(WithId):
    """A mail that is owed, written in the transaction that owes it and sent afterwards, retried until it is gone."""

    __tablename__ = "outbox_mail"
    __table_args__ = (Index("ix_outbox_mail_due", "sent_at", "next_attempt_at"),)

    recipient: Mapped[str] = mapped_column(String(254))
    subject: Mapped[str] = mapped_column(String(200))
    text: Mapped[str] = mapped_column(Text)
    html: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    next_attempt_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    sent_at: Mapped[datetime | None]
