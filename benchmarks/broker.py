"""A real Mosquitto for a benchmark, with our configuration and a fleet's password file."""

import asyncio
import contextlib
import getpass
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path

from benchmarks.fleet import Device, password_file
from benchmarks.processes import start
from schema import broker_files
from tests.services import free_port

_TEMPLATES = Path(__file__).parent.parent / "mosquitto"


@contextlib.asynccontextmanager
async def broker(folder: Path, devices: list[Device], bridge_secret: str, *, on: set[int]) -> AsyncIterator[int]:
    """Runs the broker on the cores ``on`` and yields its port."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise SystemExit("mosquitto is not installed: apt-get install mosquitto")
    folder.mkdir()
    template = "".join((_TEMPLATES / name).read_text() for name in ("mosquitto.conf", "persistence-2.0.conf"))
    port = free_port()
    (folder / broker_files.PASSWORDS).write_text(password_file(devices, bridge_secret))
    shutil.copy(_TEMPLATES / broker_files.ACL, folder / broker_files.ACL)
    text = broker_files.render(template, port=port, folder=folder, user=getpass.getuser(), address="127.0.0.1")
    (folder / broker_files.CONFIGURATION).write_text(text)
    child = start([program, "-c", str(folder / broker_files.CONFIGURATION)], on=on, log=folder / "log")
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                break
            await asyncio.sleep(0.05)
        yield port
    finally:
        child.stop()
