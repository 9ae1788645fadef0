"""The folder shared with whoever runs the broker: ``passwords``, ``generation`` (ours) and ``applied`` (theirs).

Every file is replaced whole: written beside its place, flushed to the disk, renamed, and the rename flushed too. Who
reads sees the old file or the new one, never half of one, whatever is killed when.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from schema.broker_files import APPLIED, GENERATION, PASSWORDS

_MODE = 0o640
_LOCK = "provisioner.lock"


class AnotherProvisioner(Exception):
    """Another process writes this folder: wait for it to end, or do not start a second one."""


class BrokerFolder:
    """Reads and replaces the files. As root they are given to the folder's owner: the user the broker becomes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Be the folder's only writer. Raises ``AnotherProvisioner``; the kernel lets go when the process ends."""
        self.path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise AnotherProvisioner(f"another provisioner writes {self.path}") from error
            yield
        finally:
            os.close(descriptor)

    def passwords(self) -> str | None:
        """The present password file, None where there is none."""
        return self._read(PASSWORDS)

    def generation(self) -> int | None:
        """The registry version the broker is asked to load."""
        return _number(self._read(GENERATION))

    def applied(self) -> int | None:
        """The generation the broker has loaded, as its keeper says."""
        return _number(self._read(APPLIED))

    def write_passwords(self, text: str) -> None:
        """Replace the password file."""
        self._replace(PASSWORDS, text)

    def write_generation(self, version: int) -> None:
        """Ask for a reload: always after ``write_passwords``."""
        self._replace(GENERATION, f"{version}\n")

    def _read(self, name: str) -> str | None:
        try:
            return (self.path / name).read_text()
        except FileNotFoundError:
            return None

    def _replace(self, name: str, text: str) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        draft = self.path / f".{name}.new"
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
        with os.fdopen(descriptor, "w") as file:
            os.fchmod(descriptor, _MODE)
            if os.geteuid() == 0:
                place = self.path.stat()
                os.fchown(descriptor, place.st_uid, place.st_gid)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        draft.replace(self.path / name)
        folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _number(text: str | None) -> int | None:
    """A version, None where there is none or something else was left there."""
    return int(text) if text is not None and text.strip().isdecimal() else None
