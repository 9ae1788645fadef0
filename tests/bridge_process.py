"""The bridge as a process of its own, to be killed."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from tests.bridge_set_up import Home
from tests.waiting import until

_ROOT = Path(__file__).parents[1]


class BridgeProcess:
    """``python -m bridge``; its log lies in the home's folder. Two at once need two names for it."""

    def __init__(self, place: Home, *, log_name: str = "bridge.log", **environment: str) -> None:
        place.processes.append(self)
        self._log = place.folder / log_name
        self._start = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bridge"], env=place.environment() | environment, cwd=_ROOT, stderr=log
            )

    @property
    def said(self) -> str:
        """What this process has logged."""
        return self._log.read_bytes()[self._start :].decode(errors="replace")

    @property
    def resident_bytes(self) -> int:
        """Memory the process has at this moment."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def records(self) -> list[dict[str, object]]:
        """The log, line by line. Raises ``ValueError`` for a line that is no JSON object."""
        lines = [json.loads(line) for line in self.said.splitlines() if line]
        if not all(isinstance(line, dict) for line in lines):
            raise ValueError("a line is no object")
        return lines

    async def ready(self) -> None:
        """Subscribed."""
        await until(lambda: "bridge.ready" in self.said or self._process.poll() is not None)
        assert self._process.poll() is None, self.said

    async def ended(self) -> int:
        """The exit status."""
        await until(lambda: self._process.poll() is not None)
        return int(self._process.returncode)

    def end(self) -> None:
        """Kill it if a test has left it behind."""
        self._process.kill()
        self._process.wait()

    def terminate(self) -> None:
        """Ask it to stop, as a supervisor does."""
        self._process.send_signal(signal.SIGTERM)

    def freeze(self) -> None:
        """Let it stand still, as a debugger or a starved machine does; nobody is told."""
        self._process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Let it go on as if nothing had been."""
        self._process.send_signal(signal.SIGCONT)

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def kill_now(self) -> None:
        """End it without waiting until it has."""
        self._process.kill()

    async def kill(self) -> None:
        """End it in the middle of whatever it does."""
        self._process.kill()
        await self.ended()
