"""What a bridge under measurement writes to: a sink that answers at once, the embedded store, a real InfluxDB."""

import asyncio
import json
import re
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from benchmarks.processes import Measured, start
from schema.quantities import CATALOGUE
from schema.readings import Reading
from schema.timeseries import line_protocol, stores
from schema.timeseries.kinds import StoreKind
from schema.timeseries.port import Destination

_OPERATOR_TOKEN = "operator-token-of-a-benchmark"


class InertSink:
    """Answers 204 at once and remembers nothing but counts."""

    name = "inert sink"
    provisioned = False

    def __init__(self, on: set[int]) -> None:
        self._child = start([sys.executable, "-m", "benchmarks.inert_sink"], on=on)
        self.server = self._child.first_line()

    def _counts(self) -> dict[str, int]:
        self._child.process.send_signal(signal.SIGUSR1)
        counts: dict[str, int] = json.loads(self._child.first_line())
        return counts

    def points(self) -> int:
        """Points received so far."""
        return self._counts()["points"]

    def requests(self) -> int:
        """Requests received so far."""
        return self._counts()["requests"]

    def stop(self) -> None:
        """End the sink."""
        self._child.process.kill()
        self._child.process.wait()


class EmbeddedStore:
    """Our SQLite store, counted by reading its file."""

    name = "embedded store"
    provisioned = False
    server = ""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "readings.db"

    def _scalar(self, sql: str, *parameters: object) -> int:
        try:
            with sqlite3.connect(f"file:{self._file}?mode=ro", uri=True) as connection:
                return int(connection.execute(sql, parameters).fetchone()[0])
        except sqlite3.OperationalError:
            return 0

    def points(self) -> int:
        """Rows stored so far."""
        return self._scalar("SELECT count(*) FROM point")

    def requests(self) -> int:
        """It has no requests; commits are grouped over all inverters."""
        return 0

    def has(self, at_ms: int) -> bool:
        """Whether a reading of this instant can be queried."""
        return self._scalar("SELECT count(*) FROM point WHERE at_ms = ?", at_ms) > 0

    async def own_write_ms(self, *, times: int = 300) -> float:
        """What one reading takes in the store alone, acknowledged after its fsync: the median, in a file beside."""
        writer = stores.open_writer(StoreKind.EMBEDDED, path=self._file.with_name("alone.db"))
        place, waits = Destination(uuid4(), uuid4()), list[float]()
        values = dict.fromkeys(list(CATALOGUE)[:16], 1.0)
        try:
            for number in range(times):
                at = datetime.now(UTC) + timedelta(milliseconds=number)
                line = line_protocol.encode(Reading(at, values, {}), serial="2711111111")
                began = time.perf_counter()
                await writer.write(place, [line])
                waits.append((time.perf_counter() - began) * 1000)
        finally:
            await writer.close()
        return statistics.median(waits)

    def stop(self) -> None:
        """Nothing runs."""


class InfluxStore:
    """A real ``influxd`` of our own, with an organisation and a bucket for each inverter; counted by its metrics."""

    name = "InfluxDB 2"
    provisioned = True

    def __init__(self, folder: Path, on: set[int]) -> None:
        program = shutil.which("influxd")
        assert program, "asked for only where it is installed"
        places = [f"--{kind}-path={folder / kind}" for kind in ("bolt", "engine", "sqlite")]
        self._log = folder / "influxd.log"
        command = [program, *places, "--http-bind-address=127.0.0.1:0", "--reporting-disabled"]
        self._child: Measured = start(command, on=on, log=self._log)
        self.server = self._address()
        asyncio.run(self._set_up())

    def _address(self) -> str:
        for _ in range(600):
            if found := re.search(r"service=tcp-listener .*port=(\d+)", self._log.read_text()):
                return f"http://127.0.0.1:{found[1]}"
            time.sleep(0.1)
        raise TimeoutError("influxd did not start")

    async def _set_up(self) -> None:
        manager = stores.open_manager(self.server, _OPERATOR_TOKEN)
        try:
            await manager.onboard(username="bench", password="only-a-benchmark", organisation="bench", bucket="bench")
        finally:
            await manager.close()

    def provision(self, environment: Mapping[str, str]) -> None:
        """Organisations, buckets and tokens of everybody who waits for them."""
        more = {"INFLUX_OPERATOR_TOKEN": _OPERATOR_TOKEN, "BROKER_DIR": f"{environment['DATA_DIR']}/provisioned"}
        Path(more["BROKER_DIR"]).mkdir()
        command = [sys.executable, "-m", "portal.provisioner", "--once"]
        subprocess.run(command, env=dict(environment) | more, check=True, stderr=subprocess.DEVNULL)

    def _metric(self, pattern: str) -> int:
        with urllib.request.urlopen(f"{self.server}/metrics") as answer:
            text = answer.read().decode()
        return int(sum(float(value) for value in re.findall(rf"^{pattern}\S* (\S+)$", text, re.MULTILINE)))

    def points(self) -> int:
        """Points written so far."""
        return self._metric("storage_writer_ok_points_sum")

    def requests(self) -> int:
        """Write requests answered so far."""
        return self._metric(r'http_api_requests_total\{handler="platform",method="POST",path="/api/v2/write"')

    def stop(self) -> None:
        """End the server."""
        self._child.stop()


Sink = InertSink | EmbeddedStore | InfluxStore
