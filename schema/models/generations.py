"""Single rows that count changes: the registry's version and the broker password file's generation."""

from uuid import UUID, uuid4

from sqlalchemy.orm import Mapped, mapped_column

from schema.models.base import Base

ONLY_ROW = 1


class RegistryVersion(Base):
    """Raised under its row lock in every transaction that changes who may publish what: versions never commit late."""

    __tablename__ = "registry_version"

    id: Mapped[int] = mapped_column(primary_key=True, default=ONLY_ROW)
    version: Mapped[int] = mapped_column(default=0)


class RegistryChange(Base):
    """What one version of the registry touched: an inverter with its feeds and place, an owner with all that is his,
    or, where both are empty, anything. Old rows go; whoever misses one reads the whole registry.

    ``mark`` tells equal versions of two databases apart: after a restore from a backup the numbers come again.
    """

    __tablename__ = "registry_change"

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    mark: Mapped[UUID] = mapped_column(default=uuid4)
    owner_id: Mapped[UUID | None]
    inverter_id: Mapped[UUID | None]


class PasswordFileGeneration(Base):
    """``written`` is the registry version the broker's password file was last made from, ``applied`` the one the
    broker has loaded since. A login works at the broker once ``applied`` has reached its version.
    """

    __tablename__ = "password_file_generation"

    id: Mapped[int] = mapped_column(primary_key=True, default=ONLY_ROW)
    written: Mapped[int] = mapped_column(default=0)
    applied: Mapped[int] = mapped_column(default=0)
    logins: Mapped[int] = mapped_column(default=0)
