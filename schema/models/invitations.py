"""Invitations by mail: to take a home over from its installer, or to look at somebody's home."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from schema.models.base import WithId
from schema.models.owners import Role


class Invitation(WithId):
    """A one-time link bound to an address. Only its keyed hash is kept; the UPDATE that uses it sets ``accepted_at``
    or ``declined_at``.

    ``role`` is what the invited account gets at ``owner_id``: OWNER is a hand-over, READER a share. ``grant_until``
    ends that grant, ``keep_until`` is how long who hands over keeps looking; both empty for none. ``sent_at`` is when
    the link that works was mailed: sent again it is another one.
    """

    __tablename__ = "invitation"

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("owner.id", ondelete="CASCADE"), index=True)
    role: Mapped[Role] = mapped_column(String(16))
    email: Mapped[str] = mapped_column(String(254))
    email_key: Mapped[str] = mapped_column(String(254), index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    invited_by: Mapped[UUID | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"))
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    grant_until: Mapped[datetime | None]
    keep_until: Mapped[datetime | None]
    accepted_at: Mapped[datetime | None]
    accepted_by: Mapped[UUID | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"))
    revoked_at: Mapped[datetime | None]
    declined_at: Mapped[datetime | None]
