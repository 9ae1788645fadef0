"""People who sign in, what they hold while signed in, and the mail they are sent."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String, false
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
    CHANGE_EMAIL = "change_email"
    UNDO_EMAIL = "undo_email"
    CANCEL_DELETION = "cancel_deletion"


class Account(WithId):
    """A person who signs in. ``email`` is kept as typed, ``email_key`` (case-folded) is unique.

    ``language`` is a code of ``portal.words.LANGUAGES``; empty means whatever the browser asks for.

    ``delete_after`` is set while the account waits for its deletion. ``totp_sealed`` is the second factor's secret,
    empty without one; ``totp_step`` the last time step whose code was used, so that none works twice.
    """

    __tablename__ = "account"

    email: Mapped[str] = mapped_column(String(254))
    email_key: Mapped[str] = mapped_column(String(254), unique=True)
    password_hash: Mapped[str] = mapped_column(String(200))
    display_name: Mapped[str] = mapped_column(String(80), default="", server_default="")
    language: Mapped[str] = mapped_column(String(8), default="", server_default="")
    is_admin: Mapped[bool] = mapped_column(default=False)
    is_installer: Mapped[bool] = mapped_column(default=False, server_default=false())
    created_at: Mapped[datetime]
    verified_at: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    delete_after: Mapped[datetime | None]
    totp_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    totp_step: Mapped[int | None]


class LoginSession(WithId):
    """A signed-in device; ``id`` is the token's ``jti``, so deleting the row ends the session at once.

    ``seen_at`` is kept to within some minutes; ``proved_at`` is when the person last gave the password.
    """

    __tablename__ = "login_session"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    audience: Mapped[Audience] = mapped_column(String(8))
    user_agent: Mapped[str] = mapped_column(String(200), default="")
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime | None]
    proved_at: Mapped[datetime | None]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class EmailToken(WithId):
    """A one-time secret sent by mail: only its keyed hash is kept; ``used_at`` is set by the UPDATE that uses it.

    ``new_email`` is the address that a change of address is about.
    """

    __tablename__ = "email_token"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    purpose: Mapped[TokenPurpose] = mapped_column(String(16))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    new_email: Mapped[str] = mapped_column(String(254), default="", server_default="")
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class MailBudget(StrEnum):
    """What a mail uses up of those that may go to one address within an hour (``portal.mail``)."""

    NONE = "none"
    ANYBODY = "anybody"
    RESET = "reset"


class OutboxMail(WithId):
    """A mail that is owed, written in the transaction that owes it and sent afterwards, retried until it is gone.

    ``sealed`` is what it says, which may hold a link that opens an account; empty when the mail is gone.
    """

    __tablename__ = "outbox_mail"
    __table_args__ = (Index("ix_outbox_mail_due", "sent_at", "next_attempt_at"),)

    recipient: Mapped[str] = mapped_column(String(254))
    subject: Mapped[str] = mapped_column(String(200))
    budget: Mapped[MailBudget] = mapped_column(String(8), default=MailBudget.ANYBODY)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    next_attempt_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    sent_at: Mapped[datetime | None]
