"""The file that outlives the process with the last sign of life of its connection: where the next outage begins.

Written over each second without fsync: a killed process leaves it right to a second, a power cut half a minute behind.
"""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path

import structlog

from bridge.backlog import Backlog
from bridge.clock import Clock

_log = structlog.get_logger(__name__)

EVERY_S = 1.0


class SignOfLife:
    """Writes when ``backlog`` heard something last."""

    def __init__(self, path: Path, backlog: Backlog, clock: Clock) -> None:
        """``before`` is what the process before wrote last, None where there is none."""
        self._backlog = backlog
        self._clock = clock
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self.before = self._written = self._read()

    def _read(self) -> datetime | None:
        try:
            at = datetime.fromisoformat(os.pread(self._file, 64, 0).decode("ascii").strip())
        except ValueError:
            return None
        return at.astimezone(UTC) if at.tzinfo is not None else None

    async def run(self) -> None:
        """Write, for ever. A disk that fails is the spool's trouble; here it costs an estimate its beginning."""
        while True:
            await self._clock.sleep(EVERY_S)
            try:
                await asyncio.to_thread(self.write)
            except OSError as fault:
                _log.warning("sign_of_life.not_written", detail=str(fault))

    def write(self) -> None:
        """Write the newest instant; always the same length, so that nothing of an older one stays. Raises OSError."""
        at = self._backlog.alive_at
        if at is not None and at != self._written:
            os.pwrite(self._file, f"{at.astimezone(UTC).isoformat(timespec='milliseconds')}\n".encode(), 0)
            self._written = at

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)
