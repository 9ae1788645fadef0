"""Secrets that are made up for one test, so that finding one anywhere is finding it out; and where to look."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import structlog
from sqlalchemy import select

from schema import logs, scrubbing
from schema.models import Base
from tests.portal_app import RunningPortal


@dataclass
class Canaries:
    """What must not be read anywhere, by name, and every answer that was a failure."""

    secrets: dict[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def keep(self, name: str, secret: str) -> str:
        """Remember it; an empty one would prove nothing."""
        assert len(secret) >= 6, name
        self.secrets[name] = secret
        return secret

    def failed(self, answer: httpx.Response) -> httpx.Response:
        """Remember what a refusal or a fault says."""
        assert answer.status_code >= 400, answer.status_code
        self.errors.append(answer.text + str(answer.headers))
        return answer

    def seen_in(self, text: str) -> list[str]:
        """The names of those that stand in this text."""
        return [name for name, secret in self.secrets.items() if secret in text]


@contextmanager
def overheard(portal: RunningPortal) -> Iterator[io.StringIO]:
    """What the portal logs meanwhile, line by line as it does in a container."""
    known, text = list(scrubbing._known), io.StringIO()
    scrubbing.hide(portal.parts.settings.secrets())
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.format_exc_info,
            logs._redacted,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=text),
        cache_logger_on_first_use=False,
    )
    try:
        yield text
    finally:
        structlog.reset_defaults()
        scrubbing._known[:] = known


async def in_the_database(portal: RunningPortal) -> str:
    """Every value of every row, as a thief of the file reads it; sealed bytes as they are and as text."""
    found = []
    async with portal.parts.sessions() as session:
        for table in Base.metadata.sorted_tables:
            for row in (await session.execute(select(table))).all():
                found += [value.decode("latin-1") if isinstance(value, bytes) else str(value) for value in row]
    return "\n".join(found)


def files(folder: Path) -> bytes:
    """Everything that lies on the disk, what was deleted there included."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
