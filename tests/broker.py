"""A real Mosquitto with our own configuration, on a port of the kernel's choice in a temporary folder.

``MOSQUITTO`` names another program than the one on PATH: every test then runs on that version.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from schema.broker_files import ACL, BRIDGE_LISTENER, CONFIGURATION, PASSWORDS, connections, render
from schema.topics import BRIDGE_USER, CANARY_USER, canary_secret
from schema.verifiers import verifier
from standalone import broker_program
from tests.services import found, free_port

TEMPLATES = Path(__file__).parents[1] / "mosquitto"
_PATIENCE_S = 10.0
_RELOADING = "Reloading config."
_RUNNING = " running"
BRIDGE_PASSWORD = "bridge-password-of-the-tests"


class Broker:
    """A broker that can be stopped, killed and started again on the same port with the same data."""

    def __init__(
        self, folder: Path, *, extra: str = "", changed: Mapping[str, str] | None = None, port: int | None = None
    ) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.program = os.environ.get("MOSQUITTO") or found("mosquitto", Path("/usr/sbin"), Path("/usr/local/sbin"))
        self._process: subprocess.Popen[bytes] | None = None
        self._verifiers: dict[str, str] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self.persistence = broker_program.persistence(self.program, folder)
        template = "".join((TEMPLATES / name).read_text() for name in (CONFIGURATION, self.persistence.template))
        # The line "Reloading config." is one of information.
        template += "log_type information\n" + extra
        user = "root" if os.geteuid() == 0 else "mosquitto"
        text = render(
            template,
            port=self.port,
            folder=folder,
            user=user,
            address="127.0.0.1",
            plugin=self.persistence.plugin,
            most_connections=connections(broker_program.raise_open_files()),
        )
        self._set({CONFIGURATION: text, ACL: (TEMPLATES / ACL).read_text()}, changed or {})
        self.allow({BRIDGE_USER: BRIDGE_PASSWORD, CANARY_USER: canary_secret(BRIDGE_PASSWORD)})

    def _set(self, files: Mapping[str, str], changed: Mapping[str, str]) -> None:
        """Write configuration and ACL; each key of ``changed`` stands in one of them and gives way to its value."""
        for old, new in changed.items():
            assert any(old in text for text in files.values()), f"{old!r} is in none of the files"
            files = {name: text.replace(old, new) for name, text in files.items()}
        for name, text in files.items():
            (self.folder / name).write_text(text)

    def allow(self, secrets: Mapping[str, str]) -> None:
        """Add these users to the password file; a running broker is told."""
        self._verifiers |= {name: verifier(secret) for name, secret in secrets.items()}
        self._write()

    def withdraw(self, name: str) -> None:
        """Take a user out of the password file; a running broker is told."""
        del self._verifiers[name]
        self._write()

    def _write(self) -> None:
        lines = "".join(f"{name}:{text}\n" for name, text in self._verifiers.items())
        (self.folder / PASSWORDS).write_text(lines)
        if self.running:
            self.reload()

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """Everything the broker has said."""
        return (self.folder / "log").read_text(errors="replace")

    def start(self) -> None:
        """Start it and return when it accepts connections and signals: it listens before it has a handler for SIGHUP,
        and a reload that came between the two would end it.
        """
        log_file = self.folder / "log"
        before = self.log.count(_RUNNING) if log_file.exists() else 0
        with log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [self.program, "-c", str(self.folder / CONFIGURATION)], stdout=log, stderr=log
            )
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0 and self.log.count(_RUNNING) > before:
                    return
            if not self.running:
                break
            time.sleep(0.01)
        raise AssertionError(f"mosquitto did not start:\n{self.log}")

    def stop(self) -> None:
        """Ask it to end, as an operator would; it saves its queue."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it without warning: what it has not saved is lost."""
        self._end(signal.SIGKILL)

    def reload(self) -> None:
        """Have the password file read again; returns when it has been. Fails where it is not."""
        assert self._process is not None
        before = self.log.count(_RELOADING)
        self._process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + _PATIENCE_S
        # One thread does everything there: whoever connects after this line meets the new file.
        while self.log.count(_RELOADING) == before:
            assert self.running, f"mosquitto ended at a reload:\n{self.log}"
            assert time.monotonic() < deadline, f"mosquitto did not reload:\n{self.log}"
            time.sleep(0.005)

    def _end(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(_PATIENCE_S)


@contextmanager
def broker(
    folder: Path, *, extra: str = "", changed: Mapping[str, str] | None = None, port: int | None = None
) -> Iterator[Broker]:
    """A running broker; ``extra`` lines are appended to its configuration, ``changed`` ones replace others."""
    server = Broker(folder, extra=extra, changed=changed, port=port)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def bridge_listener(port: int) -> str:
    """The lines of the bridge's own way in, for ``extra``."""
    return (TEMPLATES / BRIDGE_LISTENER).read_text().replace("@BRIDGE_LISTENER@", f"{port} 127.0.0.1")


def connect_without_a_name(port: int, client_id: str) -> bytes:
    """What the broker answers to an MQTT 5 CONNECT with this client id and nothing else."""
    return _connect(port, b"\x02", client_id)


def connect_as(
    port: int, name: str, secret: str, *, client_id: str = "", source: str = "127.0.0.1", timeout_s: float = 5.0
) -> bytes:
    """What the broker answers to an MQTT 5 CONNECT from ``source``; then the socket closes without a good-bye."""
    return _connect(port, b"\xc2", client_id, name, secret, source=source, timeout_s=timeout_s)


def _connect(port: int, flags: bytes, *words: str, source: str = "127.0.0.1", timeout_s: float = 5.0) -> bytes:
    body = b"\x00\x04MQTT\x05" + flags + b"\x00\x1e\x00"
    body += b"".join(len(word).to_bytes(2, "big") + word.encode() for word in words)
    with socket.create_connection(("127.0.0.1", port), timeout_s, source_address=(source, 0)) as stranger:
        stranger.sendall(bytes([0x10, len(body)]) + body)
        return stranger.recv(100)
