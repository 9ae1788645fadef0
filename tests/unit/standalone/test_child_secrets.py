"""Each process on one computer is told its own secrets and nobody else's (T30)."""

from pathlib import Path

import pytest

from standalone.broker_setup import BrokerUser
from standalone.plan import Plan, environment
from standalone.supervisor import commands

pytestmark = pytest.mark.unit

SECRETS = {name: f"the {name}" for name in ("AUTH_SECRET", "TOKEN_KEY", "TOKEN_KEY_OLD", "BRIDGE_MQTT_PASSWORD")}
OUTSIDE = {
    "PATH": "/bin",
    "INFLUX_URL": "http://localhost:8086",
    "INFLUX_OPERATOR_TOKEN": "the INFLUX_OPERATOR_TOKEN",
    "INFLUX_SERVERS": "the INFLUX_SERVERS",
    "INFLUX_SERVERS_FILE": "the INFLUX_SERVERS_FILE",
    "SMTP_PASSWORD": "the SMTP_PASSWORD",
}


def test_only_the_provisioner_is_told_the_operator_token() -> None:
    """Whoever breaks into the web process or the bridge finds no key to everybody's readings."""
    plan = Plan(Path("data"), portal_port=8000, mqtt_port=1883, bridge_port=1884, host="localhost")
    everything = environment(plan, SECRETS, OUTSIDE)

    children = commands(everything, "mosquitto", Path("mosquitto.conf"), BrokerUser("mosquitto", None))
    told = {
        child.name: {name for name, value in child.environment.items() if value == f"the {name}"} for child in children
    }

    assert told == {
        "broker": set(),
        "bridge": {"TOKEN_KEY", "TOKEN_KEY_OLD", "BRIDGE_MQTT_PASSWORD"},
        "provisioner": {
            *("TOKEN_KEY", "TOKEN_KEY_OLD", "BRIDGE_MQTT_PASSWORD"),
            *("INFLUX_OPERATOR_TOKEN", "INFLUX_SERVERS", "INFLUX_SERVERS_FILE"),
        },
        "portal": {"TOKEN_KEY", "TOKEN_KEY_OLD", "AUTH_SECRET", "SMTP_PASSWORD"},
    }
    assert all(child.environment["INFLUX_URL"] for child in children if child.name != "broker")
