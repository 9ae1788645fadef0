"""The container's entry point, with a program in the broker's place that says what a broker says."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from standalone.broker_setup import TEMPLATES
from tests.waiting import until

pytestmark = pytest.mark.integration

_BROKER = """#!/bin/sh
[ "$1" = -h ] && { echo "mosquitto version 2.0.11"; exit; }
trap 'echo loaded again' HUP
trap 'exit 0' TERM
echo "1: New client connected from 127.0.0.1:1 as bridge-1 (p5, c0, k60, u'bridge')."
echo "1: Client <unknown> [192.0.2.7:1] disconnected: not authorised."
echo "1: the line after it"
while :; do
    sleep 0.2 &
    wait $!
done
"""


@contextmanager
def _running(folder: Path, program: Path) -> Iterator[Path]:
    """The entry point until the end; its output."""
    log = folder.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["/bin/sh", str(TEMPLATES / "entrypoint.sh")],
            env={"PATH": os.environ["PATH"], "BROKER_DIR": str(folder), "MOSQUITTO": str(program)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield log
    finally:
        process.terminate()
        process.wait(20)


async def test_a_full_disk_ends_neither_the_brokers_log_nor_its_reloads(tmp_path: Path) -> None:
    """What cannot be written meanwhile is tried again: else a new login would wait for the container's next start."""
    program = tmp_path / "mosquitto"
    program.write_text(_BROKER)
    program.chmod(0o755)
    folder = tmp_path / "broker"
    folder.mkdir()
    (folder / "passwords").write_text("a line\n")
    (folder / "generation").write_text("1\n")
    in_the_way = folder / ".applied.new"
    in_the_way.mkdir()
    with _running(folder, program) as log:
        await until(lambda: "the line after it" in log.read_text())
        await until(lambda: ".applied.new" in log.read_text())
        (folder / "generation").write_text("2\n")
        await until(lambda: "loaded again" in log.read_text())
        in_the_way.rmdir()
        await until(lambda: (folder / "applied").exists() and (folder / "applied").read_text() == "2\n")
        refused = (folder / "refused.log").read_text()

    assert refused.count("\n") == 1
