"""How often something was tried lately: counts that survive a restart. No names and addresses, only keyed hashes."""

from datetime import datetime

from sqlalchemy import Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from schema.models.base import Base


class TryCount(Base):
    """Tries of one kind by one key within the window that began at ``began_at``; swept when ``ends_at`` has passed."""

    __tablename__ = "try_count"

    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    key_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    began_at: Mapped[datetime]
    ends_at: Mapped[datetime] = mapped_column(index=True)
    count: Mapped[int] = mapped_column(Integer, default=0)
