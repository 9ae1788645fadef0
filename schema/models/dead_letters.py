"""Messages that cannot become readings, as the pages show them; the bridge's spool decides and keeps the originals."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from schema.letters import PayloadForm
from schema.models.base import WithId


class DeadLetter(WithId):
    """Equal trouble of one login on one topic is one row with a count, first and last time and the newest payload.

    ``payload`` may be cut, ``payload_bytes`` is its whole length. ``kept`` says how many originals can be replayed.
    ``response`` is the store's own answer where the store refused; it is for administrators.
    """

    __tablename__ = "dead_letter"
    __table_args__ = (UniqueConstraint("login", "topic", "reason"),)

    login: Mapped[str] = mapped_column(String(10))
    inverter_id: Mapped[UUID | None] = mapped_column(ForeignKey("inverter.id", ondelete="CASCADE"), index=True)
    topic: Mapped[str] = mapped_column(String(512))
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    payload_bytes: Mapped[int] = mapped_column(default=0, server_default="0")
    form: Mapped[PayloadForm] = mapped_column(String(8), default=PayloadForm.MESSAGE, server_default="message")
    reason: Mapped[str] = mapped_column(String(40))
    detail: Mapped[str] = mapped_column(String(300), default="")
    response: Mapped[str] = mapped_column(String(300), default="", server_default="")
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime] = mapped_column(index=True)
    count: Mapped[int] = mapped_column(default=1)
    kept: Mapped[int] = mapped_column(default=0, server_default="0")


class LetterAction(StrEnum):
    """What is to be done with dead letters: take the originals up again, or drop them for good."""

    REPLAY = "replay"
    PURGE = "purge"


class RequestState(StrEnum):
    """How far the bridge has come with a request."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class RequestSource(StrEnum):
    """Where a request was made: on the administrator's page (its account is named), by the command, or by the
    provisioner, which erases an inverter.
    """

    PAGE = "page"
    COMMAND = "command"
    SYSTEM = "system"


class DeadLetterRequest(WithId):
    """A wish that the bridge carries out. Empty ``login``, ``topic``, ``reason`` and ``inverter_id`` mean any.

    ``chosen`` is how many originals the bridge found when it began, ``done`` how many of them have a new outcome by
    now and ``again`` how many of these became dead letters once more. ``error`` says what was not done, and why.
    """

    __tablename__ = "dead_letter_request"
    __table_args__ = (Index("ix_dead_letter_request_due", "state", "requested_at"),)

    action: Mapped[LetterAction] = mapped_column(String(8))
    login: Mapped[str] = mapped_column(String(10), default="")
    topic: Mapped[str] = mapped_column(String(512), default="")
    reason: Mapped[str] = mapped_column(String(40), default="")
    inverter_id: Mapped[UUID | None] = mapped_column(ForeignKey("inverter.id", ondelete="CASCADE"))
    source: Mapped[RequestSource] = mapped_column(String(8))
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"))
    requested_at: Mapped[datetime]
    state: Mapped[RequestState] = mapped_column(String(8), default=RequestState.WAITING)
    finished_at: Mapped[datetime | None]
    chosen: Mapped[int] = mapped_column(default=0)
    done: Mapped[int] = mapped_column(default=0)
    again: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(String(300), default="")
