"""The audit log: what was done, by whom, to whom; and the seals that chain the entries afterwards.

Both tables only ever grow: triggers refuse UPDATE and DELETE (migration 0004) and SQLite's REPLACE (0008). An entry is
written in the transaction of its act; a seal follows within seconds and links it into a chain of hashes, so that a
removed or changed one shows.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from schema.models.base import Base

_Number = BigInteger().with_variant(Integer(), "sqlite")


class AuditEntry(Base):
    """One act. ``actor_id`` is an account that may be gone by now, empty for a command or the system, which ``actor``
    names. ``subject`` is a kind and an id, "inverter:<uuid>". ``details`` holds before and after, never a secret.
    """

    __tablename__ = "audit_entry"
    __table_args__ = (
        Index("ix_audit_entry_owner", "owner_id", "id"),
        Index("ix_audit_entry_actor", "actor_id", "id"),
        Index("ix_audit_entry_subject", "subject", "id"),
    )

    id: Mapped[int] = mapped_column(_Number, primary_key=True, autoincrement=True)
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    actor: Mapped[str] = mapped_column(String(16))
    action: Mapped[str] = mapped_column(String(48), index=True)
    subject: Mapped[str] = mapped_column(String(80))
    owner_id: Mapped[UUID | None]
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


class AuditSeal(Base):
    """A link of the chain: ``hash`` is made from the previous link's hash and the entry. ``id`` counts without gaps."""

    __tablename__ = "audit_seal"

    id: Mapped[int] = mapped_column(_Number, primary_key=True, autoincrement=False)
    entry_id: Mapped[int] = mapped_column(ForeignKey("audit_entry.id"), unique=True)
    hash: Mapped[str] = mapped_column(String(64))
