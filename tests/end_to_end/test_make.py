"""The commands a newcomer types, in a fresh copy of the tracked files, on a machine as bare as this one can be made."""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.services import free_port
from tests.visitor import wait_for

pytestmark = pytest.mark.end_to_end
ROOT = Path(__file__).parents[2]
# No HOME, no locale, no pip settings but the index this machine needs.
KEPT = ("PATH", "PIP_INDEX_URL", "PIP_CONFIG_FILE", "PIP_CERT", "PIP_TRUSTED_HOST", "SSL_CERT_FILE", "HTTPS_PROXY")
BARE = {name: os.environ[name] for name in KEPT if name in os.environ} | {"PORTAL_PORT": "0", "MQTT_PORT": "0"}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files git knows (with their present content), and nothing else: no environment, no data."""
    if shutil.which("make") is None or shutil.which("git") is None:
        pytest.skip("make and git are needed to try a fresh clone")
    copy = tmp_path_factory.mktemp("clone") / "deye-hard"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=False,
        capture_output=True,
    )
    if listed.returncode:
        pytest.skip("this is not a git checkout")
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


@contextmanager
def _made(clone: Path, *words: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """``make`` with these words in a session of its own; its standard output is a file."""
    out = clone.parent / f"{words[0]}-{len(list(clone.parent.iterdir()))}.out"
    with out.open("w") as output, out.with_suffix(".err").open("w") as errors:
        process = subprocess.Popen(
            ["make", *words],
            cwd=clone,
            env=BARE | environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            text=True,
            start_new_session=True,
            # A shell that started the tests in the background has them ignore SIGINT, and make with them (POSIX 2.11).
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  # no threads here
        )
    try:
        yield process, out
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(20)


def _greeting(process: subprocess.Popen[str], out: Path) -> list[str]:
    def lines() -> list[str] | None:
        assert process.poll() is None, out.read_text() + out.with_suffix(".err").read_text()
        return out.read_text().splitlines() if "Ctrl-C" in out.read_text() else None

    return wait_for(lines, seconds=240, what="the greeting")


def _supervisor(process: subprocess.Popen[str]) -> int:
    """The process that make has started."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(status.read_text().rsplit(")", 1)[1].split()[1]) == process.pid:
                return int(status.parent.name)
        except OSError:
            continue
    raise AssertionError("make has no child")


def test_a_fresh_clone_on_a_bare_machine_answers_and_stops(clone: Path) -> None:
    """``make up`` makes the environment, its first two lines are the addresses, and TERM to its process is status 0."""
    with _made(clone, "up", HOME="") as (process, out):
        lines = _greeting(process, out)
        health = httpx.get(lines[0].removeprefix("Portal: ") + "/healthcheck")
        supervisor = _supervisor(process)
        os.kill(supervisor, signal.SIGTERM)
        status = process.wait(10)

    assert re.fullmatch(r"Portal: http://[^:]+:\d+", lines[0])
    assert re.fullmatch(r"MQTT: [^:]+:\d+", lines[1])
    assert health.status_code == 200
    assert status == 0
    assert not Path(f"/proc/{supervisor}").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows what make is doing")
def test_an_interrupt_to_make_alone_ends_everything(clone: Path) -> None:
    """make does not pass it on, and would wait for ever."""
    with _made(clone, "up") as (process, out):
        _greeting(process, out)
        supervisor = _supervisor(process)
        process.send_signal(signal.SIGINT)
        process.wait(10)

    assert not Path(f"/proc/{supervisor}").exists()


def test_the_demo_prints_a_log_in(clone: Path, tmp_path: Path) -> None:
    """And says what publishes."""
    with _made(clone, "demo", DATA_DIR=str(tmp_path / "data")) as (process, out):
        lines = _greeting(process, out)

    assert any(re.fullmatch(r"Log in as demo@example\.org with the password \S{16}", line) for line in lines)
    assert any("Three simulated inverters" in line for line in lines)


def test_ports_and_data_may_be_given_on_the_command_line(clone: Path, tmp_path: Path) -> None:
    """As the README writes it: make up PORTAL_PORT=… MQTT_PORT=… DATA_DIR=…"""
    ports = free_port(), free_port()
    words = (f"PORTAL_PORT={ports[0]}", f"MQTT_PORT={ports[1]}", f"DATA_DIR={tmp_path / 'data'}")
    with _made(clone, "up", *words) as (process, out):
        lines = _greeting(process, out)

    assert lines[0].endswith(f":{ports[0]}")
    assert lines[1].endswith(f":{ports[1]}")
    assert (tmp_path / "data" / "deye.db").exists()


def test_whoever_watches_is_answered_on_the_port_he_chose(clone: Path, tmp_path: Path) -> None:
    """As docs/monitoring.md writes it: make up METRICS_PORT=…, then curl and the probe."""
    port = str(free_port())
    with _made(clone, "up", f"METRICS_PORT={port}", f"DATA_DIR={tmp_path / 'data'}") as (process, out):
        _greeting(process, out)
        probed = subprocess.run(
            [".venv/bin/python", "-m", "bridge.probe", "ready"],
            cwd=clone,
            env=BARE | {"METRICS_PORT": port},
            check=False,
            capture_output=True,
            text=True,
        )
        ready = httpx.get(f"http://127.0.0.1:{port}/health/ready")
        figures = httpx.get(f"http://127.0.0.1:{port}/metrics").text

    assert ready.status_code == 200, ready.text
    assert probed.returncode == 0, probed.stdout
    assert "deye_bridge_broker_subscribed 1.0" in figures


def test_an_administrator_is_made_on_the_data_of_this_computer(clone: Path) -> None:
    """After the first ``make up``; the password comes from standard input."""
    made = subprocess.run(
        [".venv/bin/python", "-m", "standalone", "admin", "ada@example.org"],
        cwd=clone,
        env=BARE,
        input="a long enough sentence\n",
        check=False,
        capture_output=True,
        text=True,
    )
    with sqlite3.connect(clone / "data" / "deye.db") as database:
        rows = database.execute("SELECT is_admin FROM account WHERE email = 'ada@example.org'").fetchall()

    assert made.returncode == 0, made.stderr
    assert rows == [(1,)]


def test_secrets_need_no_environment(clone: Path) -> None:
    """Somebody who runs containers has Docker and any Python; nothing is installed for this."""
    environment = clone / ".venv"
    hidden = environment.rename(clone / ".hidden")
    try:
        done = subprocess.run(["make", "secrets"], cwd=clone, env=BARE, check=False, capture_output=True, text=True)
        made_one = environment.exists()
    finally:
        hidden.rename(environment)

    assert done.returncode == 0, done.stderr
    assert not made_one
    assert "TOKEN_KEY=" in (clone / ".env").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("faults", "SEEDS=2", "ONLY=1970"), "FAULT_SEED=1"),
        (("hostile", "ONLY=once_did_harm", "SECONDS_EACH=1"), "passed"),
    ],
    ids=("faults", "hostile"),
)
def test_the_long_forms_of_the_proof_can_be_narrowed(words: tuple[str, ...], said: str) -> None:
    """All of it takes an hour; one name and few seeds are for looking closer."""
    if sys.prefix != str(ROOT / ".venv") or shutil.which("make") is None:
        pytest.skip("make would have to install an environment of its own first")

    done = subprocess.run(["make", *words], cwd=ROOT, check=False, capture_output=True, text=True, timeout=240)

    assert done.returncode == 0, done.stdout + done.stderr
    assert said in done.stdout


def test_the_wheel_builds(clone: Path, tmp_path: Path) -> None:
    """Four packages with their templates, migrations and styles."""
    built = subprocess.run(
        [".venv/bin/python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), "."],
        cwd=clone,
        env=BARE,
        check=False,
        capture_output=True,
        text=True,
    )
    if built.returncode and "hatchling" in built.stderr:
        pytest.skip("hatchling cannot be fetched here")
    wheel = next(tmp_path.glob("deye_hard-*.whl"), None)
    assert wheel is not None, built.stderr
    names = subprocess.run(
        [sys.executable, "-m", "zipfile", "-l", str(wheel)], check=True, capture_output=True, text=True
    ).stdout

    for part in (
        "bridge/app.py",
        "portal/templates/base.html",
        "schema/migrations/versions/0001",
        "standalone/plan.py",
    ):
        assert part in names
    assert "tests/" not in names
