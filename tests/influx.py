"""A real InfluxDB 2 for tests: ``INFLUX_URL`` and ``INFLUX_OPERATOR_TOKEN``, else a local ``influxd``, else a skip."""

import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from schema.timeseries.stores import open_manager

_START_S = 60.0
_PORT = re.compile(r"service=tcp-listener .*port=(\d+)")


class RealInflux:
    """A running server. Only one of our own, started from the local binary, can be killed and started again."""

    def __init__(self, url: str, operator_token: str, folder: Path | None = None) -> None:
        """``folder`` holds our own server's files; without it the server is somebody else's."""
        self.url = url
        self.operator_token = operator_token
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def ours(self) -> bool:
        """Whether ``start`` and ``kill`` work."""
        return self._folder is not None

    @property
    def pid(self) -> int:
        """Of our own server's process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start our own server, on the port it had before, and wait until it answers."""
        assert self._folder is not None
        log = self._folder / f"log-{time.monotonic_ns()}"
        places = [f"--{kind}-path={self._folder / kind}" for kind in ("bolt", "engine", "sqlite")]
        address = self.url.removeprefix("http://") or "127.0.0.1:0"
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                ["influxd", *places, f"--http-bind-address={address}", "--reporting-disabled"],
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        _until(lambda: _PORT.search(log.read_text()) is not None, log)
        match = _PORT.search(log.read_text())
        assert match is not None
        self.url = f"http://127.0.0.1:{match[1]}"
        _until(lambda: _healthy(self.url), log)

    def kill(self) -> None:
        """kill -9: what was not on the disk is gone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Stop it as an operator would."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=30)


@contextmanager
def influx(folder: Path) -> Iterator[RealInflux]:
    """A server that is set up; its operator token is only for tests."""
    if url := os.environ.get("INFLUX_URL"):
        token = os.environ.get("INFLUX_OPERATOR_TOKEN", "")
        if not token:
            pytest.skip("INFLUX_URL names a server, but INFLUX_OPERATOR_TOKEN is empty")
        yield RealInflux(url, token)
        return
    if shutil.which("influxd") is None:
        pytest.skip("no INFLUX_URL and no influxd on PATH")
    server = RealInflux("", "operator-token-of-the-tests", folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


async def set_up(server: RealInflux) -> None:
    """Make the operator token valid; once is enough, and more often is no error."""
    manager = open_manager(server.url, server.operator_token)
    try:
        await manager.onboard(username="tests", password="only-for-tests", organisation="tests", bucket="tests")
    finally:
        await manager.close()


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _until(condition: Callable[[], bool], log: Path) -> None:
    end = time.monotonic() + _START_S
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"influxd did not start: {log.read_text()[-2000:]}")
        time.sleep(0.05)
