"""compose.yaml without containers: the very same commands and variables, as processes on this machine.

PostgreSQL and InfluxDB are real where they are installed (InfluxDB: else a skip); the broker is the local Mosquitto,
started by the entry point of the container.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from sqlalchemy import make_url

from schema.bridge_role import ROLE
from standalone import secrets_file
from tests.compose_file import PATH, OnThisMachine, services
from tests.influx import influx
from tests.services import Postgres, found, free_port
from tests.visitor import Visitor, wait_for

pytestmark = pytest.mark.end_to_end


@dataclass(slots=True)
class Compose:
    """The services as processes; ``log`` of each is a file."""

    folder: Path
    here: OnThisMachine
    variables: Mapping[str, str]
    more: Mapping[str, Mapping[str, str]]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """Start a service as compose.yaml says."""
        command = self.here.command(name)
        environment = self.here.environment(name, self.variables) | dict(self.more.get(name, {}))
        with (self.folder / f"{name}.log").open("ab") as output:
            process = subprocess.Popen(
                [sys.executable if command[0] == "python" else command[0], *command[1:]],
                cwd=PATH.parent,
                env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"} | environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.running[name] = process
        return process

    def log(self, name: str) -> str:
        """What the service has said."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def stop(self, name: str) -> int:
        """TERM, as Compose does, and the status."""
        process = self.running.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(20)

    def stop_all(self) -> None:
        """Whatever still runs; the broker last."""
        for name in sorted(self.running, key=lambda one: one == "mosquitto"):
            if self.running[name].poll() is None:
                self.stop(name)


@contextmanager
def _influxdb(folder: Path) -> Iterator[str]:
    """A fresh influxd that nobody has set up: that is the provisioner's work."""
    folder.mkdir()
    if os.environ.get("INFLUX_URL"):
        pytest.skip("INFLUX_URL names a server that is set up already; this test wants a fresh one")
    with influx(folder) as server:
        yield server.url


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory, postgres_server: Postgres) -> Iterator[Compose]:
    """Everything of compose.yaml but the mailbox, started in its order."""
    folder = tmp_path_factory.mktemp("compose")
    broker = folder / "broker"
    broker.mkdir()
    mqtt_port, bridge_port, portal_port = free_port(), free_port(), free_port()
    with ExitStack() as stack:
        influx_url = stack.enter_context(_influxdb(folder / "influx"))
        database = postgres_server.fresh("compose")
        here = OnThisMachine(
            {
                "/deye/entrypoint.sh": str(PATH.parent / "mosquitto" / "entrypoint.sh"),
                "/broker": str(broker),
                "/data": str(folder / "data"),
                "http://influxdb:8086": influx_url,
            }
        )
        secrets = secrets_file.complete(folder / ".env", secrets_file.COMPOSE)
        variables = secrets | {"BASE_URL": f"http://127.0.0.1:{portal_port}", "MQTT_PORT": str(mqtt_port)}
        variables |= {"MQTT_PUBLIC_HOST": "127.0.0.1", "SMTP_HOST": "mailpit"}
        at = {"DATABASE_URL": database}
        more: dict[str, dict[str, str]] = {
            "mosquitto": {
                "MQTT_PORT": str(mqtt_port),
                "BRIDGE_PORT": str(bridge_port),
                "MOSQUITTO": found("mosquitto", Path("/usr/sbin"), Path("/usr/local/sbin")),
            },
            "migrate": at,
            "provisioner": at,
            "bridge": {"DATABASE_URL": make_url(database).set(username=ROLE).render_as_string()}
            | {"MQTT_HOST": "127.0.0.1", "MQTT_PORT": str(bridge_port), "MQTT_LOGGERS_PORT": str(mqtt_port)}
            | {"METRICS_PORT": str(free_port())},
            # Without a mail server the portal keeps mails as files, which this test can read.
            "portal": at | {"PORTAL_PORT": str(portal_port), "SMTP_HOST": "", "DATA_DIR": str(folder / "data")},
        }
        running = Compose(folder, here, variables, more)
        stack.callback(running.stop_all)
        broker_process = running.start("mosquitto")
        assert running.start("migrate").wait(60) == 0, running.log("migrate")
        running.running.pop("migrate")
        assert broker_process.poll() is None, "the broker waits for its password file"
        running.start("provisioner")
        wait_for((broker / "generation").exists, seconds=30, what="the password file")
        running.start("bridge")
        running.start("portal")
        wait_for(lambda: _answers(portal_port), seconds=60, what="the portal's health")
        yield running


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthcheck").status_code == 200
    except httpx.TransportError:
        return False


def _publish(compose: Compose, login: str, secret: str, payload: str) -> int:
    port = compose.more["mosquitto"]["MQTT_PORT"]
    command = ["mosquitto_pub", "-h", "127.0.0.1", "-p", port, "-u", login, "-P", secret, "-q", "1"]
    command += ["-t", f"deye/{login}/reading", "-m", payload]
    return subprocess.run(command, check=False, capture_output=True, timeout=20).returncode


@pytest.mark.skipif(shutil.which("mosquitto_pub") is None, reason="mosquitto_pub is not installed")
def test_an_owner_sees_watts_that_went_through_broker_bridge_and_influxdb(compose: Compose) -> None:
    """Sign-up, a new login that reaches the running broker by SIGHUP, a reading, and watts on the page."""
    port = compose.more["portal"]["PORTAL_PORT"]
    with Visitor(f"http://127.0.0.1:{port}") as alice:
        alice.sign_up("alice@example.org", "a long enough sentence", compose.folder / "data" / "outbox")
        pairing = alice.add_inverter("South roof", "2711111111")
        wait_for(
            lambda: _publish(compose, pairing.login, pairing.secret, '{"ac_power": 412.5}') == 0,
            seconds=20,
            what="the broker to know the login",
        )
        page = wait_for(lambda: _with_watts(alice), seconds=20, what="413 W on the overview")

    log = wait_for(lambda: _both_places(compose), seconds=20, what="organisation and bucket")

    assert "South roof" in page
    assert log.count("influxdb.set_up") == 1
    assert "error" not in log


def _both_places(compose: Compose) -> str | None:
    log = compose.log("provisioner")
    return log if log.count("placement.ready") == 2 else None


def _with_watts(visitor: Visitor) -> str | None:
    page = visitor.http.get("/").text
    return page if "413" in page or "412" in page else None


def test_the_broker_reloads_and_says_what_it_has_loaded(compose: Compose) -> None:
    """``applied`` follows ``generation``; the database's row follows that."""
    broker = compose.folder / "broker"

    def applied() -> bool:
        return (broker / "applied").exists() and (broker / "applied").read_text() == (broker / "generation").read_text()

    wait_for(applied, seconds=20, what="applied to equal generation")
    assert (broker / "passwords").stat().st_mode & 0o007 == 0


def test_the_bridges_health_check_tells_whether_it_is_ready(compose: Compose) -> None:
    """The very command of the container; without an answer it fails, as a container's check has to."""
    command = services()["bridge"]["healthcheck"]["test"][1:]
    environment = {**compose.here.environment("bridge", compose.variables), **compose.more["bridge"]}

    def probed(**changed: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *command[1:]],
            cwd=PATH.parent,
            env={"PATH": os.environ["PATH"]} | environment | changed,
            check=False,
            capture_output=True,
            text=True,
        )

    wait_for(lambda: probed().returncode == 0, seconds=20, what="the bridge to be ready")
    well, nobody = probed(), probed(METRICS_PORT=str(free_port()))

    assert json.loads(well.stdout)["parts"]["broker"]["state"] == "ok"
    assert nobody.returncode == 1


def test_each_service_ends_at_once_when_compose_stops_it(compose: Compose) -> None:
    """TERM and status 0 for each of ours and for the broker behind its entry point."""
    order = ("portal", "bridge", "provisioner", "mosquitto")

    statuses = {name: compose.stop(name) for name in order}

    assert statuses == dict.fromkeys(order, 0), {name: compose.log(name)[-500:] for name in order if statuses[name]}
    assert not (compose.folder / "broker" / ".log").exists()
