"""Inverters, the logins that publish about them and the feeds between the two (DESIGN 4.0)."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from schema.models.base import Base, WithId


class ClaimState(StrEnum):
    """How far a feed's claim to its inverter's serial has come."""

    PENDING = "pending"
    ACTIVE = "active"
    DISPUTED = "disputed"
    RELEASED = "released"


class Inverter(WithId):
    """One device of one owner.

    ``serial`` is what the owner typed, normalised, and not unique: it identifies and never proves. ``active_serial``
    is empty until the first authenticated reading; the bridge then sets it to ``serial`` in one UPDATE, and its unique
    index lets exactly one inverter hold a serial (NULLs do not collide on SQLite and PostgreSQL).

    A deleted inverter (``deleted_at``) can be brought back until ``erase_after``; then the provisioner removes what it
    has in the store and its row last, so that nothing is orphaned. Pages and endpoints do not see it meanwhile.

    One that was given away (``given_away_at``) holds no serial and has no logins any more; what it measured stays with
    its owner, and a new login takes it back into use.
    """

    __tablename__ = "inverter"

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("owner.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(80))
    serial: Mapped[str] = mapped_column(String(32), index=True)
    active_serial: Mapped[str | None] = mapped_column(String(32), unique=True)
    sw_version: Mapped[str | None] = mapped_column(String(64))
    rated_power_w: Mapped[int | None]
    number_of_mppts: Mapped[int | None]
    created_at: Mapped[datetime]
    given_away_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    erase_after: Mapped[datetime | None] = mapped_column(index=True)


class SerialAlias(Base):
    """A serial seen in an inverter's payloads: a logger's serial is not its inverter's."""

    __tablename__ = "serial_alias"

    inverter_id: Mapped[UUID] = mapped_column(ForeignKey("inverter.id", ondelete="CASCADE"), primary_key=True)
    serial: Mapped[str] = mapped_column(String(32), primary_key=True, index=True)
    first_seen_at: Mapped[datetime]


class Login(Base):
    """One publishing program's identity at the broker; ``name`` is user name, client id and topic level in one.

    Of the secret only Mosquitto's own verifier is kept. A revoked login stays, so that its name is never given again;
    when its owner has been erased it is nobody's.
    ``registry_version`` is the version that brought it: the broker knows the login once that version is applied there.

    ``label`` is what its owner calls the program that uses it, ``made_by`` the account that was shown the
    secret (it may be gone by now); ``renewed_at`` is when it got another secret than its first.
    ``quarantined_at``: the bridge sets aside what it sends, for the reason ``quarantine_why`` (a ``NoticeKind``), until
    its owner lets it speak again or gives it another secret.
    """

    __tablename__ = "login"

    name: Mapped[str] = mapped_column(String(10), primary_key=True)
    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey("owner.id", ondelete="SET NULL"), index=True)
    verifier: Mapped[str] = mapped_column(String(200))
    registry_version: Mapped[int]
    label: Mapped[str] = mapped_column(String(80), default="", server_default="")
    made_by: Mapped[UUID | None]
    created_at: Mapped[datetime]
    renewed_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    quarantined_at: Mapped[datetime | None]
    quarantine_why: Mapped[str] = mapped_column(String(24), default="", server_default="")


class Feed(WithId):
    """What one login says about one inverter. ``selector`` is empty where the login carries a single inverter, else the
    device's name in topics or payloads (``schema.topics``).

    ``device_key`` is the device's own name, bound at the first reading, so that a second device behind the same login
    is noticed instead of mixed in; emptied, it is bound anew. ``dialect`` "auto" lets the bridge tell by the topic.
    """

    __tablename__ = "feed"
    __table_args__ = (UniqueConstraint("login", "selector"),)

    login: Mapped[str] = mapped_column(ForeignKey("login.name", ondelete="CASCADE"))
    selector: Mapped[str] = mapped_column(String(64), default="")
    inverter_id: Mapped[UUID] = mapped_column(ForeignKey("inverter.id", ondelete="CASCADE"), index=True)
    dialect: Mapped[str] = mapped_column(String(24), default="auto")
    claim_state: Mapped[ClaimState] = mapped_column(String(16), default=ClaimState.PENDING)
    device_key: Mapped[str] = mapped_column(String(64), default="")
    activated_at: Mapped[datetime | None]
