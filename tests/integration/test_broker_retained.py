"""Clearing what a hostile login has retained: with the broker stopped, and nothing else of its state touched."""

import sqlite3
from pathlib import Path

import pytest

from portal.provisioner import clear_retained
from portal.provisioner.clear_retained import STATE, BrokerRuns, clear
from schema.broker_files import PERSISTENCE_2_1
from schema.topics import BRIDGE_USER
from tests.broker import BRIDGE_PASSWORD, Broker
from tests.broker_guest import ALICE, SECRET, guest
from tests.waiting import until

pytestmark = pytest.mark.integration


async def test_retained_messages_go_and_those_that_wait_stay(tmp_path: Path) -> None:
    """One of them is both: it waits for the bridge and was retained."""
    server = Broker(tmp_path / "broker", changed={"use_username_as_clientid true": "use_username_as_clientid false"})
    if server.persistence.template != PERSISTENCE_2_1:
        pytest.skip("Mosquitto 2.0 keeps a snapshot; MOSQUITTO may name a 2.1 whose SQLite plugin is found")
    server.start()
    try:
        server.allow({ALICE: SECRET})
        # A lasting session that nobody reads at present.
        async with guest(server, BRIDGE_USER, BRIDGE_PASSWORD, client_id="lasting", lasting=True) as bridge:
            bridge.client.subscribe("deye/#", qos=1)
            await until(lambda: len(bridge.answers) == 2)
        async with guest(server, ALICE) as alice:
            for number in range(50):
                alice.client.publish(f"deye/{ALICE}/{number}", "kept", qos=1, retain=True)
            await until(lambda: len(alice.answers) == 51)
        state = server.folder / STATE
        with pytest.raises(BrokerRuns):
            clear(state)
        server.stop()

        gone = clear(state)

        server.start()
        async with guest(server, BRIDGE_USER, BRIDGE_PASSWORD, client_id="lasting", lasting=True) as bridge:
            await until(lambda: len(bridge.received) == 50)
        async with guest(server, BRIDGE_USER, BRIDGE_PASSWORD, client_id="another") as other:
            other.client.subscribe([("deye/#", 1), ("$SYS/broker/version", 0)])
            await until(lambda: other.received)
            retained = [topic for topic, _ in other.received if topic.startswith("deye/")]
    finally:
        server.kill()

    assert gone == 50
    assert retained == []


def test_the_program_says_why_it_did_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No SQLite file, one that is in use, and then success."""
    for name, value in {"TOKEN_KEY": "A" * 43 + "=", "BRIDGE_MQTT_PASSWORD": "x", "BROKER_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("INFLUX_URL", raising=False)
    without = clear_retained.main()
    file = sqlite3.connect(tmp_path / STATE, isolation_level=None)
    file.execute("CREATE TABLE retains (topic, store_id)")
    file.execute("CREATE TABLE base_msgs (store_id)")
    file.execute("CREATE TABLE client_msgs (store_id)")
    file.execute("INSERT INTO retains VALUES ('deye/x', 1)")
    file.execute("BEGIN IMMEDIATE")
    in_use = clear_retained.main()
    file.close()
    done = clear_retained.main()
    said = capsys.readouterr()

    assert (without, in_use, done) == (1, 1, 0)
    assert "no SQLite file" in said.err
    assert "stop it first" in said.err
    assert "1 retained messages" in said.out
