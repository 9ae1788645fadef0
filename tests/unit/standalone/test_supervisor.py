"""What a full disk may do to the programs of one computer: nothing that lasts longer than it is full."""

import asyncio
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from standalone.children import Command
from standalone.console import Console
from standalone.plan import Plan
from standalone.supervisor import BROKER, Supervisor
from tests.waiting import until

pytestmark = pytest.mark.unit

_BROKER = """
import signal
signal.signal(signal.SIGHUP, lambda *_: print("loaded again", flush=True))
print("1: New client connected from 127.0.0.1:1 as bridge-1 (p5, c0, k60, u'bridge').", flush=True)
while True:
    signal.pause()
"""


@asynccontextmanager
async def _supervised(folder: Path) -> AsyncIterator[Supervisor]:
    """A child that says what a broker says when the bridge comes, and what keeps its password file loaded."""
    plan = Plan(data_dir=folder, portal_port=0, mqtt_port=0, bridge_port=0, host="localhost")
    plan.broker_dir.mkdir()
    (plan.broker_dir / "generation").write_text("1\n")
    command = Command(BROKER, (sys.executable, "-c", _BROKER), {})
    supervisor = Supervisor(plan, [command], Console())
    tasks = [supervisor._start(command), asyncio.create_task(supervisor._keep_loaded())]
    try:
        yield supervisor
    finally:
        tasks[1].cancel()
        await supervisor._stop()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_full_disk_ends_neither_the_reading_of_the_brokers_lines_nor_its_reloads(tmp_path: Path) -> None:
    """A broker whose lines nobody reads stands still. What the provisioner could not be told it learns afterwards."""
    in_the_way = tmp_path / "broker" / ".applied.new"
    async with _supervised(tmp_path) as supervisor:
        in_the_way.mkdir()
        lines = supervisor.console._last.setdefault(BROKER, deque())
        await until(lambda: any("u'bridge'" in line for line in lines))
        await until(lambda: any("cannot be written" in line for line in supervisor.console._held or ()))
        (tmp_path / "broker" / "generation").write_text("2\n")
        await until(lambda: "loaded again" in lines)
        assert not (tmp_path / "broker" / "applied").exists()

        in_the_way.rmdir()
        await until(lambda: _applied(tmp_path) == "2")


def _applied(folder: Path) -> str:
    path = folder / "broker" / "applied"
    return path.read_text().strip() if path.exists() else ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="other systems have no disk that is always full")
def test_a_line_that_cannot_be_printed_is_lost_and_nothing_else() -> None:
    """Where the output goes to a file on the full disk."""
    program = "import sys; from standalone.console import Console; Console().open('x'); sys.stderr.write('went on')"
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run([sys.executable, "-c", program], stdout=full, stderr=subprocess.PIPE, check=False)

    assert ended.stderr.startswith(b"went on")
