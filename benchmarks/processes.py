"""Child processes under measurement: started on a core of their own, their CPU time and memory read from /proc."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cores() -> tuple[set[int], set[int]]:
    """Where the load and the broker run, and where the measured process runs: one core alone where there are two."""
    available = sorted(os.sched_getaffinity(0))
    return (set(available[:-1]) or set(available), {available[-1]})


@dataclass(frozen=True, slots=True)
class Measured:
    """A running child."""

    process: subprocess.Popen[str]

    @property
    def cpu_s(self) -> float:
        """User and system time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S

    def memory_mb(self, name: str = "VmHWM") -> float:
        """Peak resident memory, or ``VmRSS`` for what it holds now."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def first_line(self) -> str:
        """The first line of its standard output, waited for."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def stop(self) -> None:
        """End it politely."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)


def start(
    command: Sequence[str], *, on: set[int], log: Path | None = None, env: Mapping[str, str] | None = None
) -> Measured:
    """Start ``command`` on the cores ``on``; its log goes to ``log``, without one its standard output is readable."""
    output = log.open("w") if log else subprocess.PIPE
    process = subprocess.Popen(
        list(command),
        stdout=output,
        stderr=output if log else subprocess.DEVNULL,
        env=dict(env) if env else None,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, on),
    )
    return Measured(process)
