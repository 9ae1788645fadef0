"""compose.yaml: pinned, checked, started in the right order, without a secret, and fit for what our code reads."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from sqlalchemy import make_url

from schema.bridge_role import ROLE
from schema.settings import BridgeSettings, CommonSettings, PortalSettings, ProvisionerSettings
from standalone import secrets_file
from tests.compose_file import PATH, filled, services

pytestmark = pytest.mark.integration
OURS = ("migrate", "provisioner", "bridge", "portal")
SETTINGS: dict[str, type[CommonSettings]] = {
    "provisioner": ProvisionerSettings,
    "bridge": BridgeSettings,
    "portal": PortalSettings,
}
SECRETS = {name: make() for name, make in secrets_file.COMPOSE.items()}


def test_every_image_is_pinned_to_a_version_or_built_here() -> None:
    """No "latest", no bare name: two starts a year apart run the same software."""
    images = {name: service["image"] for name, service in services().items() if "build" not in service}

    assert set(images) == {"mosquitto", "postgres", "influxdb", "mailpit"}
    for name, image in images.items():
        assert re.fullmatch(r"[a-z/-]+:v?\d+\.\d+(\.\d+)?(-[a-z]+)?", image), (name, image)
    assert images["mosquitto"].startswith("eclipse-mosquitto:2.1.")
    assert images["influxdb"] == "influxdb:2.9.1"


def test_everything_that_runs_on_is_checked_and_starts_again() -> None:
    """Each has a question to answer."""
    for name, service in services().items():
        if name == "migrate":
            assert service["restart"] == "no"
            continue
        assert service["restart"] == "unless-stopped", name
        assert "healthcheck" in service, name


def test_nothing_starts_before_what_it_stands_on() -> None:
    """Migrations before everybody, the password file before the broker, the broker before the bridge."""
    waits = {name: service.get("depends_on", {}) for name, service in services().items()}

    for name in ("provisioner", "bridge", "portal"):
        assert waits[name]["migrate"] == {"condition": "service_completed_successfully"}
    assert waits["migrate"] == {"postgres": {"condition": "service_healthy"}}
    assert waits["mosquitto"] == {"provisioner": {"condition": "service_healthy"}}
    assert waits["bridge"]["mosquitto"] == {"condition": "service_healthy"}


def test_nobody_waits_for_influxdb() -> None:
    """Sign-in, pairing and spooling work while it is away."""
    assert [name for name, service in services().items() if "influxdb" in service.get("depends_on", {})] == []


def test_volumes_are_named_and_used() -> None:
    """Data outlives containers; no volume is declared in vain, none is used undeclared."""
    declared = set(yaml.safe_load(PATH.read_text())["volumes"])
    mounts = [mount.split(":") for service in services().values() for mount in service.get("volumes", [])]
    used = {source for source, *_ in mounts if not source.startswith(".")}

    assert used == declared
    assert {source for source, *_ in mounts if source.startswith(".")} == {"./mosquitto"}


def test_only_the_provisioner_holds_the_operator_token() -> None:
    """And the database's password, the session key and the token key reach only who needs them."""
    holders = {
        secret: {name for name, service in services().items() if secret in json.dumps(service.get("environment", {}))}
        for secret in secrets_file.COMPOSE
    }

    assert holders["INFLUX_OPERATOR_TOKEN"] == {"provisioner"}
    assert holders["BRIDGE_MQTT_PASSWORD"] == {"provisioner", "bridge"}
    assert holders["AUTH_SECRET"] == {"portal"}
    assert holders["POSTGRES_PASSWORD"] == {"postgres", *OURS} - {"bridge"}
    assert holders["BRIDGE_DATABASE_PASSWORD"] == {"migrate", "bridge"}
    assert holders["TOKEN_KEY"] == set(OURS)


def test_nobody_outside_reaches_the_stores() -> None:
    """T21, T29: a write token can delete, and every token reads buckets by their ids: InfluxDB has no port outside, and
    its scripts reach no address inside. Nor has the database, nor the broker's listener for the bridge.
    """
    published = {name: service["ports"] for name, service in services().items() if "ports" in service}

    assert set(published) == {"mosquitto", "mailpit", "portal"}
    assert published["mosquitto"] == ["${MQTT_PORT:-1883}:1883"]
    assert published["mailpit"][0].startswith("127.0.0.1:")
    assert services()["influxdb"]["environment"]["INFLUXD_HARDENING_ENABLED"] == "true"


def test_the_bridge_reaches_the_database_as_itself() -> None:
    """T34: by the role that the migration makes, and nobody else does."""
    users = {
        name: make_url(filled(str(service["environment"]["DATABASE_URL"]), SECRETS)).username
        for name, service in services().items()
        if "DATABASE_URL" in service.get("environment", {})
    }

    assert users == {"migrate": "deye", "provisioner": "deye", "portal": "deye", "bridge": ROLE}


def test_our_containers_run_without_root_and_without_rights() -> None:
    """A user of their own, no capabilities, no writable root."""
    dockerfile = (PATH.parent / "Dockerfile").read_text()

    assert re.search(r"^USER 10001:10001$", dockerfile, re.MULTILINE)
    assert "--require-hashes" in dockerfile
    for name in OURS:
        service = services()[name]
        assert service["cap_drop"] == ["ALL"], name
        assert service["read_only"] is True, name
    assert services()["provisioner"]["user"] == services()["mosquitto"]["user"] == "1883:1883"


@pytest.mark.parametrize("name", SETTINGS)
def test_our_settings_accept_what_the_file_gives_them(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the secrets of ``make secrets`` each process's settings load, and no variable is misspelt."""
    given = {key: filled(str(value), SECRETS) for key, value in services()[name]["environment"].items()}
    for key in [key for key in os.environ if key.lower() in SETTINGS[name].model_fields]:
        monkeypatch.delenv(key)
    for key, value in given.items():
        monkeypatch.setenv(key, value)

    settings = SETTINGS[name]()

    assert {key.lower() for key in given} <= set(SETTINGS[name].model_fields)
    assert settings.store.value == "influx2"


def test_without_secrets_the_file_says_which_command_to_run() -> None:
    """Nobody starts with an empty password."""
    with pytest.raises(KeyError, match="run make secrets first"):
        filled(str(services()["portal"]["environment"]["AUTH_SECRET"]), {})


def test_make_secrets_writes_once_and_keeps_what_is_there(tmp_path: Path) -> None:
    """Mode 0600, every secret the file asks for, and a second run changes nothing."""
    command = [sys.executable, "-m", "standalone", "secrets"]
    environment = os.environ | {"PYTHONPATH": str(PATH.parent)}

    def run() -> str:
        done = subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
        return done.stdout

    first = run()
    text = (tmp_path / ".env").read_text()
    second = run()
    asked = set(re.findall(r"\$\{([A-Z_]+):\?", PATH.read_text()))

    assert asked == set(secrets_file.read(tmp_path / ".env"))
    assert (tmp_path / ".env").read_text() == text
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert "made" in first
    assert "nothing was changed" in second
    assert [value for value in secrets_file.read(tmp_path / ".env").values() if value in first + second] == []


def test_compose_itself_accepts_the_file() -> None:
    """Where Docker's plugin is installed: its own schema and its own interpolation."""
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], check=False, capture_output=True).returncode:
        pytest.skip("docker compose is not installed here")

    checked = subprocess.run(
        [docker, "compose", "-f", str(PATH), "config", "--quiet"],
        env=os.environ | SECRETS,
        check=False,
        capture_output=True,
        text=True,
    )

    assert checked.returncode == 0, checked.stderr
