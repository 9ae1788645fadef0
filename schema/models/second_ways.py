"""What an account has beside its password: recovery codes of its second factor, and API keys. Hashes only."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from schema.models.base import WithId


class RecoveryCode(WithId):
    """A one-time code for somebody who has lost the second factor; ``used_at`` is set by the UPDATE that uses it."""

    __tablename__ = "recovery_code"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    code_hash: Mapped[str] = mapped_column(String(64), unique=True)
    used_at: Mapped[datetime | None]


class ApiKey(WithId):
    """A key for an owner's own programs: it may read (``scope``) what its account may see, until it expires or is
    revoked. ``hint`` is its first characters, so that a person can tell one from the other.
    """

    __tablename__ = "api_key"
    __table_args__ = (
        # Of two identical forms sent at once one makes a key.
        Index(
            "uq_api_key_living_name",
            "account_id",
            "name",
            unique=True,
            sqlite_where=text("revoked_at IS NULL"),
            postgresql_where=text("revoked_at IS NULL"),
        ),
    )

    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(80))
    scope: Mapped[str] = mapped_column(String(16))
    hint: Mapped[str] = mapped_column(String(16))
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
