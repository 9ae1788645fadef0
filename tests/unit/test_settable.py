"""Every variable that our processes read can be set by who runs them, in either way of running, or has a reason not to.

A setting that nobody can set is a switch that is always off, however well it is tested.
"""

import re
from pathlib import Path

import pytest

from schema.settings import BridgeSettings, CommonSettings, PortalSettings, ProvisionerSettings
from standalone import secrets_file
from standalone.plan import Plan, environment
from tests.compose_file import services

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
SETTINGS: dict[str, type[CommonSettings]] = {
    "bridge": BridgeSettings,
    "portal": PortalSettings,
    "provisioner": ProvisionerSettings,
}
PLAN = Plan(Path("data"), portal_port=8000, mqtt_port=1883, bridge_port=1884, host="192.0.2.7")

MEASURED = "chosen by measurements that stand in docs/decisions.md; tests shorten it"
MADE_HERE = "a place inside this way of running, where its other parts expect it"
MADE_ONCE = "made by the first start and kept in secrets.env"

_MEASURED = {
    *("RECEIVE_MAXIMUM", "SESSION_EXPIRY_S", "HOLD_S", "PROBE_S", "STORE_TIMEOUT_S", "STOP_TIMEOUT_S"),
    *("READING_MAX_BYTES", "QUOTA_PATIENCE_S", "QUARANTINE_S"),
}
FIXED_AT_HOME = {
    **dict.fromkeys(_MEASURED, MEASURED),
    **dict.fromkeys(
        ("DATA_DIR", "BROKER_DIR", "MQTT_HOST", "MQTT_PORT", "MQTT_LOGGERS_PORT", "PORTAL_HOST", "PORTAL_PORT"),
        MADE_HERE,
    ),
    **dict.fromkeys(("MQTT_PUBLIC_HOST", "MQTT_PUBLIC_PORT"), "PUBLIC_HOST and MQTT_PORT are the names of these"),
    **dict.fromkeys(("AUTH_SECRET", "TOKEN_KEY", "BRIDGE_MQTT_PASSWORD"), MADE_ONCE),
    "TOKEN_KEY_OLD": "beside TOKEN_KEY in secrets.env",
    "LOG_FORMAT": "the console of the supervisor reads it",
}
FIXED_IN_CONTAINERS = {
    **dict.fromkeys(_MEASURED, MEASURED),
    **dict.fromkeys(
        (
            *("DATABASE_URL", "INFLUX_URL", "DATA_DIR", "BROKER_DIR", "MQTT_HOST", "MQTT_PORT", "MQTT_LOGGERS_PORT"),
            *("PORTAL_HOST", "PORTAL_PORT", "METRICS_HOST", "METRICS_PORT"),
        ),
        MADE_HERE,
    ),
    "MQTT_PUBLIC_PORT": "MQTT_PORT is the name of it",
    "LOG_FORMAT": "what collects containers' logs reads it",
    "LIVE_DATABASE_URL": "beside the other tables on PostgreSQL",
    "WEB_DEV_TESTING": "there is an InfluxDB; the original's switch is for working without one",
    "INFLUX_SERVERS_FILE": "INFLUX_SERVERS says the same without a file to mount",
}


def names(settings: type[CommonSettings]) -> set[str]:
    """The variables that a process reads."""
    return {field.upper() for field in settings.model_fields}


def all_names() -> set[str]:
    """Those of all three processes."""
    return {name for settings in SETTINGS.values() for name in names(settings)}


def settable_at_home() -> set[str]:
    """What ``make up`` hands on as it was given."""
    given = {name: f"the {name}" for name in all_names()}
    found = environment(PLAN, {}, given)
    return {name for name in given if found.get(name) == given[name]}


def settable_in_containers(service: str) -> set[str]:
    """What ``.env`` may say, under its own name, and reaches this service."""
    given: dict[str, object] = services()[service]["environment"]
    return {name for name, value in given.items() if re.search(rf"\$\{{{name}[:}}]", str(value))}


def documented() -> set[str]:
    """The variables of the table in docs/running.md."""
    text = (ROOT / "docs" / "running.md").read_text()
    table = text.partition("### Variables")[2].partition("###")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([A-Z0-9_]+)`", row)}


def test_make_up_hands_every_setting_on_or_has_a_reason() -> None:
    """And no reason stands here for what can be set after all."""
    assert all_names() - settable_at_home() == set(FIXED_AT_HOME)


@pytest.mark.parametrize("service", SETTINGS)
def test_compose_hands_every_setting_on_or_has_a_reason(service: str) -> None:
    """To the very service that reads it."""
    missing = names(SETTINGS[service]) - settable_in_containers(service)

    assert missing - set(FIXED_IN_CONTAINERS) == set()
    assert {name for name in settable_in_containers(service) if name in FIXED_IN_CONTAINERS} == set()


def test_every_reason_is_about_a_setting_there_is() -> None:
    """A variable that is gone takes its reason along."""
    assert set(FIXED_AT_HOME) | set(FIXED_IN_CONTAINERS) <= all_names()
    assert set(secrets_file.COMPOSE) - {"POSTGRES_PASSWORD", "BRIDGE_DATABASE_PASSWORD"} <= all_names()


def test_what_the_document_says_can_be_set_can_be_set() -> None:
    """Its table is about one computer; containers take the same but for what the document names."""
    text = (ROOT / "docs" / "running.md").read_text()
    paragraph = text.partition("## With containers")[2].partition("```")[0]
    excepted = set(re.findall(r"`([A-Z0-9_]+)`", paragraph.partition("but for")[2].partition(".")[0]))
    # Those that the supervisor itself reads.
    own = {"PORTAL_PORT", "MQTT_PORT", "DATA_DIR", "PUBLIC_HOST", "VERBOSE"}
    in_containers = {name for service in SETTINGS for name in settable_in_containers(service)}

    assert documented() - own - settable_at_home() == set()
    assert documented() - excepted - in_containers - {"PORTAL_PORT", "MQTT_PORT"} == set()
    assert settable_at_home() - documented() == {"LIVE_DATABASE_URL", "WEB_DEV_TESTING"}
