"""Real services: a URL from the environment, else a local binary on a free port, else a skip that says why."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_POSTGRES_BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


_KEPT: list[socket.socket] = []


def free_port() -> int:
    """A port of the kernel's choice; a server may listen there, and nobody else is given it while the tests run."""
    keeper = socket.socket()
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.bind(("127.0.0.1", 0))
    _KEPT.append(keeper)
    return int(keeper.getsockname()[1])


def found(program: str, *places: Path) -> str:
    """The path of ``program``, or a skip that names it."""
    path = shutil.which(program) or shutil.which(program, path=os.pathsep.join(map(str, places)))
    if path is None:
        pytest.skip(f"{program} is not on PATH and no URL names a running one")
    return path


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server; ``fresh`` makes an empty database and returns its URL."""

    admin_url: str
    psql: str

    def fresh(self, name: str, *, like: str = "template1") -> str:
        """The URL of a new database called ``name``: empty, or a copy of another to which nobody is connected."""
        drop, make = f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)', f'CREATE DATABASE "{name}" TEMPLATE "{like}"'
        subprocess.run([self.psql, self.admin_url, "-qc", drop, "-c", make], check=True, capture_output=True)
        return f"{self.admin_url.rsplit('/', 1)[0]}/{name}"

    def close(self, url: str) -> None:
        """Throw everybody out of a database that ``fresh`` made and let nobody in."""
        name = url.rsplit("/", 1)[1]
        self._run(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        self._run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")

    def open(self, url: str) -> None:
        """Let everybody in again."""
        self._run(f'ALTER DATABASE "{url.rsplit("/", 1)[1]}" ALLOW_CONNECTIONS true')

    def _run(self, statement: str) -> None:
        subprocess.run([self.psql, self.admin_url, "-qc", statement], check=True, capture_output=True)


@contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    """``POSTGRES_URL`` (a superuser's, ending in /postgres), else a server of our own below ``folder``."""
    psql = found("psql", *_POSTGRES_BINARIES)
    if url := os.environ.get("POSTGRES_URL"):
        yield Postgres(url, psql)
        return
    initdb, pg_ctl = found("initdb", *_POSTGRES_BINARIES), found("pg_ctl", *_POSTGRES_BINARIES)
    data, port = folder / "postgres", free_port()
    data.mkdir()
    as_user: list[str] = []
    if os.geteuid() == 0:
        # The server refuses to run as root; its own user must reach its folder, not read its neighbours.
        for place in (data, *data.parents):
            if place.stat().st_uid == 0 and not place.stat().st_mode & 0o001 and place != Path("/"):
                place.chmod(place.stat().st_mode | 0o011)
        shutil.chown(data, "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    options = f"-p {port} -k {data} -c listen_addresses=127.0.0.1 -c fsync=off"
    subprocess.run(
        [*as_user, initdb, "-D", str(data), "-A", "trust", "-U", "postgres"], check=True, capture_output=True, cwd="/"
    )
    # Everybody is let in but who is in this group; there is none before a test makes it.
    rules = data / "pg_hba.conf"
    rules.write_text(f"host all +asked_for_passwords 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
    control = [*as_user, pg_ctl, "-D", str(data), "-w", "-s"]
    subprocess.run([*control, "-o", options, "-l", str(data / "log"), "start"], check=True, cwd="/")
    try:
        yield Postgres(f"postgresql://postgres@127.0.0.1:{port}/postgres", psql)
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=False, cwd="/")
