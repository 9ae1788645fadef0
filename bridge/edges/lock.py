"""The lock of one host: an flock that the kernel frees when its holder ends, and a holder that is frozen is ended.

The holder says once a second in the lock's file that its event loop runs. Whoever waits and has seen nothing new there
for ten seconds, while it was awake itself, kills the holder: a process that is stopped would hold the lock for ever.
It does so only on the same host and in the same process table, and only if the number still means that process.
"""

import contextlib
import fcntl
import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import structlog

_log = structlog.get_logger(__name__)

BEAT_S = 1.0
FROZEN_AFTER_S = 10.0
_STARTED_FIELD = 19  # of what follows the name in /proc/<pid>/stat
_LONGEST = 1_000


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that holds the lock: ``started`` tells a number's owners apart, ``place`` the tables of numbers."""

    pid: int
    started: str
    place: str
    beat: int

    @classmethod
    def this(cls, beat: int) -> Self:
        """This process."""
        return cls(os.getpid(), _started(os.getpid()), _place(), beat)


class FileLock:
    """``bridge.lock`` in the data folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(folder / "bridge.lock", os.O_RDWR | os.O_CREAT, 0o600)
        self._beat = 0

    def take(self) -> bool:
        """Whether the lock is ours now."""
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self.beat()
        return True

    def beat(self) -> None:
        """Say that the holder runs."""
        self._beat += 1
        holder = Holder.this(self._beat)
        text = json.dumps([holder.pid, holder.started, holder.place, holder.beat]).encode()
        # One write of one size: who reads it meanwhile reads the old or the new one.
        os.pwrite(self._handle, text.ljust(_LONGEST), 0)

    def holder(self) -> Holder | None:
        """Who has said last that he holds it; None where that cannot be read."""
        try:
            return Holder(*json.loads(os.pread(self._handle, _LONGEST, 0)))
        except (ValueError, TypeError):
            return None

    def close(self) -> None:
        """Give it back."""
        os.close(self._handle)


class Patience:
    """Watches a holder and tells when it has been frozen for too long. ``now`` is monotonic seconds."""

    def __init__(self) -> None:
        self._seen: Holder | None = None
        self._since = 0.0
        self._looked = float("-inf")

    def over(self, holder: Holder | None, now: float) -> bool:
        """Whether nothing new has come from him for so long. A gap in our own looking starts the wait again."""
        awake = now - self._looked < FROZEN_AFTER_S / 2
        self._looked = now
        if holder is None or holder != self._seen or not awake:
            self._seen, self._since = holder, now
            return False
        return now - self._since >= FROZEN_AFTER_S


def end_frozen(holder: Holder) -> bool:
    """Kill the holder; false where it is not certain that it is the same process, or where we may not."""
    if holder.place != _place() or not hasattr(os, "pidfd_open"):
        _log.warning("bridge.holder_frozen", pid=holder.pid, detail="in another place: end it there")
        return False
    with contextlib.suppress(OSError):
        process = os.pidfd_open(holder.pid)
        try:
            if _started(holder.pid) != holder.started:
                return False
            signal.pidfd_send_signal(process, signal.SIGKILL)
        finally:
            os.close(process)
        _log.warning("bridge.holder_killed", pid=holder.pid, detail="it was frozen")
        return True
    return False


def _started(pid: int) -> str:
    """When the process began, in the kernel's ticks; empty where the kernel does not say."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[_STARTED_FIELD]
    except (OSError, IndexError):
        return ""


def _place() -> str:
    """This run of this host's kernel and its table of processes: a container has one of its own."""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    return f"unknown {os.getppid()} {os.uname().nodename}"
