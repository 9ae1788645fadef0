"""``python -m standalone``: what a person sees who starts it, stops it, and starts it again."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.installation import Installation, installation
from tests.visitor import Visitor, wait_for

pytestmark = pytest.mark.end_to_end
STOP_S = 10.0


@contextmanager
def _started(command: list[str], data: Path, **environment: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A run whose output goes to a file; whatever happens, nothing of it is left."""
    log = data.with_suffix(".log")
    given = os.environ | {"PORTAL_PORT": "0", "MQTT_PORT": "0", "DATA_DIR": str(data)} | environment
    with log.open("w") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=given, text=True, start_new_session=True
        )
    try:
        yield process, log
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(20)


def _standalone(what: str) -> list[str]:
    return [sys.executable, "-u", "-m", "standalone", what]


def _greeted(process: subprocess.Popen[str], log: Path) -> list[str]:
    """The lines up to the one that says how to stop."""

    def lines() -> list[str] | None:
        text = log.read_text()
        assert process.poll() is None, text
        return text.splitlines() if "Ctrl-C stops everything." in text else None

    return wait_for(lines, seconds=60, what="the greeting")


def _family(pid: int) -> set[int]:
    """The process and its children."""
    found = {pid}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(status.read_text().rsplit(")", 1)[1].split()[1]) in found:
                found.add(int(status.parent.name))
        except OSError:
            continue
    return found


def _alive(pids: set[int]) -> set[int]:
    """Those that are neither gone nor zombies."""
    running = set()
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if state != "Z":
            running.add(pid)
    return running


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[str]]]:
    """A running demo: its data folder and its first lines."""
    data = tmp_path_factory.mktemp("demo") / "data"
    with _started(_standalone("demo"), data) as (process, log):
        yield data, _greeted(process, log)


def test_the_demo_shows_watts_and_days_of_history_to_who_logs_in(demo: tuple[Path, list[str]]) -> None:
    """The printed log-in works, three inverters make power right now, and the history went over MQTT into the store."""
    data, lines = demo
    address = lines[0].removeprefix("Portal: ")
    shown = next(line for line in lines if line.startswith("Log in as "))
    match = re.fullmatch(r"Log in as (\S+) with the password (\S+)", shown)
    assert match is not None

    def producing() -> list[dict[str, float]] | None:
        with sqlite3.connect(data / "live.db") as live:
            found = live.execute('SELECT "values", reading_at FROM live').fetchall()
        rows = [
            json.loads(text) for text, at in found if (at or "") > f"{datetime.now(UTC) - timedelta(minutes=1):%F %T}"
        ]
        return rows if len(rows) == 3 and all(row.get("ac_power", 0) > 0 for row in rows) else None

    rows = wait_for(producing, seconds=60, what="watts of all three inverters")
    with Visitor(address) as visitor:
        visitor.fill("/login", email=match[1], password=match[2])
        page = visitor.http.get("/").text
    with sqlite3.connect(data / "readings.db") as store:
        count, first_ms = store.execute("SELECT count(*), min(at_ms) FROM point").fetchone()

    assert [name for name in ("Balcony", "South roof", "House with battery") if name not in page] == []
    assert count > 6 * 24 * 12
    assert datetime.fromtimestamp(first_ms / 1000, UTC) < datetime.now(UTC) - timedelta(days=6)
    assert sum("battery_soc" in row for row in rows) == 1


def test_the_demo_leaves_no_dead_letter_and_no_warning(demo: tuple[Path, list[str]]) -> None:
    """What it publishes is what the bridge expects of real inverters."""
    data, _ = demo

    with sqlite3.connect(data / "deye.db") as database:
        refused = database.execute("SELECT topic, reason, detail FROM dead_letter").fetchall()

    assert refused == []
    assert "warning" not in data.with_suffix(".log").read_text()


def test_a_demo_stopped_amid_its_history_goes_on_with_the_same_log_in(tmp_path: Path) -> None:
    """It ends in time though it is busy, and the second start publishes what the first had not."""
    data = tmp_path / "data"
    with _started(_standalone("demo"), data) as (process, log):
        first = _greeted(process, log)
        process.send_signal(signal.SIGINT)
        status = process.wait(STOP_S)
    with _started(_standalone("demo"), data) as (process, log):
        second = _greeted(process, log)
        text = log.read_text()

    assert status == 0
    assert [line for line in first if "Log in" in line] == [line for line in second if "Log in" in line]
    assert "killed" not in text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_everything_within_ten_seconds_with_status_0(tmp_path: Path, number: signal.Signals) -> None:
    """Nothing is left running, and the same data goes on: same secrets, same account, next start works."""
    data = tmp_path / "data"
    with _started(_standalone("up"), data) as (process, log):
        lines = _greeted(process, log)
        family = _family(process.pid)
        os.kill(process.pid, number)
        status = process.wait(STOP_S)
    secrets = (data / "secrets.env").read_text()
    with _started(_standalone("up"), data) as (process, log):
        again = _greeted(process, log)

    assert lines[0].startswith("Portal: http://")
    assert lines[1].startswith("MQTT: ")
    assert status == 0
    assert len(family) == 5
    assert _alive(family) == set()
    assert again[0].startswith("Portal: http://")
    assert (data / "secrets.env").read_text() == secrets


def test_the_addresses_answer_when_they_are_printed(tmp_path: Path) -> None:
    """Whoever reads the first two lines may use them at once."""
    with _started(_standalone("up"), tmp_path / "data") as (process, log):

        def first_lines() -> list[str] | None:
            assert process.poll() is None, log.read_text()
            lines = log.read_text().splitlines()
            return lines[:2] if len(lines) >= 2 else None

        portal, mqtt = wait_for(first_lines, seconds=60, what="two lines")
        host, _, port = mqtt.removeprefix("MQTT: ").rpartition(":")
        health = httpx.get(portal.removeprefix("Portal: ") + "/healthcheck")
        with socket.create_connection((host, int(port)), timeout=5):
            pass

    assert health.status_code == 200


def test_children_end_when_the_supervisor_is_killed_outright(tmp_path: Path) -> None:
    """kill -9 leaves no broker behind that would hold the port."""
    with _started(_standalone("up"), tmp_path / "data") as (process, log):
        _greeted(process, log)
        family = _family(process.pid)
        process.kill()
        process.wait(5)

        wait_for(lambda: not _alive(family), seconds=STOP_S, what="the children to end")


def test_a_part_that_dies_is_started_again_and_said_so(tmp_path: Path) -> None:
    """Each of the four, the broker too; afterwards a new login still reaches the broker."""
    with installation(tmp_path / "data", {}) as home:
        for part in ("mosquitto", "bridge", "portal.provisioner", "portal"):
            home.kill(part)
        wait_for(lambda: _healthy(home), seconds=30, what="the portal to answer again")
        with Visitor(home.portal) as alice:
            alice.sign_up("alice@example.org", "a long enough sentence", home.outbox)
            pairing = alice.add_inverter("Roof", "2711111111")
        wait_for(lambda: home.publish(pairing, '{"ac_power": 5}') == 0, seconds=30, what="the new login to work")
        text = home.data_dir.with_suffix(".log").read_text()

    assert re.search(r"^portal +.*alice@example\.org", text, re.MULTILINE), "the mail is printed"
    for part in ("broker", "bridge", "provisioner", "portal"):
        assert f"{part} was ended by SIGKILL; starting it again" in text


def _healthy(home: Installation) -> bool:
    try:
        return httpx.get(f"{home.portal}/healthcheck").status_code == 200
    except httpx.TransportError:
        return False


def test_a_second_start_on_the_same_data_is_refused_in_one_sentence(tmp_path: Path) -> None:
    """It says what is running, and the first one goes on."""
    with _started(_standalone("up"), tmp_path / "data") as (process, log):
        _greeted(process, log)
        environment = os.environ | {"PORTAL_PORT": "0", "MQTT_PORT": "0", "DATA_DIR": str(tmp_path / "data")}
        second = subprocess.run(
            _standalone("up"), env=environment, check=False, capture_output=True, text=True, timeout=20
        )
        still = process.poll()

    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert "is running on" in second.stderr
    assert still is None


def test_a_taken_port_is_said_before_anything_starts(tmp_path: Path) -> None:
    """One sentence on standard error, status 1, nothing on standard output."""
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        environment = os.environ | {"MQTT_PORT": str(taken.getsockname()[1]), "DATA_DIR": str(tmp_path / "data")}
        tried = subprocess.run(
            _standalone("up"), env=environment | {"PORTAL_PORT": "0"}, check=False, capture_output=True, text=True
        )

    assert tried.returncode == 1
    assert tried.stdout == ""
    assert re.fullmatch(r"Port \d+ for the broker is taken: set MQTT_PORT to another one\.\n", tried.stderr)
