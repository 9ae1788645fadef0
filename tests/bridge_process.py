"""The bridge as a process of its own, to be killed."""

import signal
import subprocess
import sys
from pathlib import Path

from tests.bridge_set_up import Home
from tests.waiting import until

_ROOT = Path(__file__).parents[1]


class BridgeProcess:
    """``python -m bridge``; its log lies in the home's folder."""

    def __init__(self, place: Home, **environment: str) -> None:
        self._log = place.folder / "bridge.log"
        self._start = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bridge"], env=place.environment() | environment, cwd=_ROOT, stderr=log
            )

    @property
    def said(self) -> str:
        """What this process has logged."""
        return self._log.read_bytes()[self._start :].decode(errors="replace")

    async def ready(self) -> None:
        """Subscribed."""
        await until(lambda: "bridge.ready" in self.said or self._process.poll() is not None)
        assert self._process.poll() is None, self.said

    async def ended(self) -> int:
        """The exit status."""
        await until(lambda: self._process.poll() is not None)
        return int(self._process.returncode)

    def terminate(self) -> None:
        """Ask it to stop, as a supervisor does."""
        self._process.send_signal(signal.SIGTERM)

    async def kill(self) -> None:
        """End it in the middle of whatever it does."""
        self._process.kill()
        await self.ended()
