"""What must be true before anything starts, each with one sentence for the person who has to put it right."""

import os
import shutil
import socket
import sys
from pathlib import Path

from standalone.plan import CannotStart

# Debian keeps daemons off the PATH of people who are not root; Homebrew has a place of its own.
MOSQUITTO_PLACES = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin", "/usr/local/opt/mosquitto/sbin")
OLDEST_PYTHON = (3, 11)


def python(version: tuple[int, ...] = sys.version_info[:2]) -> None:
    """Raises ``CannotStart`` where this Python is too old."""
    if version < OLDEST_PYTHON:
        raise CannotStart(
            f"Python {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or newer is needed; this is {'.'.join(map(str, version))}."
        )


def mosquitto(path: str, places: tuple[str, ...] = MOSQUITTO_PLACES) -> str:
    """The broker's program. Raises ``CannotStart`` with the command that installs it."""
    found = shutil.which("mosquitto", path=os.pathsep.join([path, *places]))
    if found is None:
        raise CannotStart(
            "The MQTT broker mosquitto is missing: install it with 'sudo apt-get install mosquitto' (Debian, Ubuntu, "
            "Raspberry Pi OS), 'sudo dnf install mosquitto' (Fedora) or 'brew install mosquitto' (macOS)."
        )
    return found


def data_dir(path: Path) -> None:
    """Make the folder and try to write there. Raises ``CannotStart``.

    A new one may be entered and not listed by others where root makes it: the broker's user has to pass through.
    """
    probe = path / ".writable"
    try:
        if not path.exists():
            path.mkdir(parents=True)
            path.chmod(0o711 if os.geteuid() == 0 else 0o700)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise CannotStart(
            f"The data folder {path} cannot be written ({error.strerror}): set DATA_DIR to one that can."
        ) from None


# Bound and never listening: on Linux a server may still listen there, and no other program gets the port while the
# server is away, not even as the near end of a connection.
_KEPT: list[socket.socket] = []


def kept_port(wanted: int, name: str, what: str) -> int:
    """``wanted`` where nobody listens there, or one of the kernel's choice for 0; ours as long as this process runs.

    Raises ``CannotStart``.
    """
    keeper = socket.socket()
    # As servers bind: a port whose last connections are still closing is free.
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        keeper.bind(("0.0.0.0", wanted))  # noqa: S104  # the very address the children listen on
    except OSError as error:
        keeper.close()
        if isinstance(error, PermissionError):
            raise CannotStart(f"Port {wanted} for {what} is not allowed: set {name} to one above 1023.") from None
        raise CannotStart(f"Port {wanted} for {what} is taken: set {name} to another one.") from None
    number = int(keeper.getsockname()[1])
    if sys.platform == "linux":
        _KEPT.append(keeper)
    else:
        keeper.close()
    return number


def home_address() -> str:
    """This computer's address for other devices at home, else ``localhost``. Nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # An address for documentation (RFC 5737): connecting a datagram socket only asks the routing table.
            probe.connect(("192.0.2.1", 9))
            address = str(probe.getsockname()[0])
        except OSError:
            return "localhost"
    return address
