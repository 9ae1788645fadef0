"""One child process: started in a group of its own, its lines handed on, started again when it dies, ended in time.

A child also ends when the supervisor is killed outright: the kernel sends it SIGTERM (Linux, ``PR_SET_PDEATHSIG``).
"""

import asyncio
import contextlib
import ctypes
import os
import pwd
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

FIRST_RESTART_S = 1.0
LONGEST_RESTART_S = 30.0
HEALTHY_AFTER_S = 60.0

_PR_SET_PDEATHSIG = 1
_LINE_LIMIT = 1 << 20
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def end_with_parent(parent: int) -> None:
    """From now on the kernel ends this process with SIGTERM when its parent ``parent`` dies. Linux only."""
    if _LIBC is None:
        return
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Command:
    """What to start. ``user`` is whom a root supervisor switches to before the program begins."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    user: str | None = None


@dataclass(slots=True)
class Child:
    """Keeps one command running. ``line`` gets every line it prints, ``say`` what the person at the screen should know.

    ``started`` is called just before each start. ``failures`` counts unwanted ends since the last long run.
    """

    command: Command
    line: Callable[[str, str], None]
    say: Callable[[str], None]
    started: Callable[[], None] = lambda: None
    failures: int = 0
    _process: asyncio.subprocess.Process | None = None
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def pid(self) -> int | None:
        """The running process, None between two of them."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def run(self) -> None:
        """Start, read, start again, until ``stop`` was called."""
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            began = loop.time()
            self.started()
            how = await self._run_once()
            if self._stopping.is_set():
                return
            if loop.time() - began > HEALTHY_AFTER_S:
                self.failures = 0
            pause_s = min(LONGEST_RESTART_S, FIRST_RESTART_S * 2.0**self.failures)
            self.failures = min(self.failures + 1, 16)
            self.say(f"{self.command.name} {how}; starting it again in {pause_s:.0f} s.")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_s)

    async def stop(self, timeout_s: float) -> None:
        """SIGTERM, which the process passes on to its own, patience, SIGKILL for the group; returns when it is gone."""
        self._stopping.set()
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), timeout_s)
        except TimeoutError:
            self.say(f"{self.command.name} did not stop within {timeout_s:.0f} s and was killed.")
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    def hang_up(self) -> None:
        """SIGHUP to the process alone: the broker loads its password file again."""
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGHUP)

    async def _run_once(self) -> str:
        """From start to end, told in words."""
        try:
            self._process = await start(self.command)
        except OSError as error:
            return f"could not be started ({error.strerror})"
        if self._stopping.is_set():
            self._process.terminate()
        await self._read(self._process)
        return ending(await self._process.wait())

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        """Hand on line by line; a line beyond all measure is dropped, not fatal."""
        assert process.stdout is not None  # noqa: S101  # asked for above
        while True:
            try:
                raw = await process.stdout.readline()
            except ValueError:
                continue
            if not raw:
                return
            self.line(self.command.name, raw.decode(errors="replace").rstrip("\n"))


async def start(command: Command) -> asyncio.subprocess.Process:
    """The process, leader of a session of its own: the terminal's Ctrl-C reaches the supervisor alone."""
    parent = os.getpid()
    switch: dict[str, object] = {}
    if command.user:
        switch = {"user": command.user, "group": pwd.getpwnam(command.user).pw_gid, "extra_groups": []}
    if _LIBC is not None:
        # After the switch of user: a change of credentials would take the wish back (prctl(2)).
        switch["preexec_fn"] = lambda: end_with_parent(parent)
    return await asyncio.create_subprocess_exec(
        *command.arguments,
        env=dict(command.environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        limit=_LINE_LIMIT,
        start_new_session=True,
        **switch,  # type: ignore[arg-type]  # typeshed has one overload per keyword, none for a mapping
    )


def ending(status: int) -> str:
    """A process's end in words."""
    return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
