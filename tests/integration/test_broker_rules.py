"""The broker's own promises, with our configuration on a real Mosquitto: who may enter, write and read."""

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from schema.broker_files import BRIDGE_LISTENER, TemplateUnfilled, render
from schema.topics import BRIDGE_USER, MARKER_TOPIC, bridge_client_id
from tests.broker import BRIDGE_PASSWORD, TEMPLATES, Broker, broker, connect_without_a_name
from tests.services import free_port
from tests.waiting import until

pytestmark = pytest.mark.integration

ALICE, BOB, SECRET = "AACE234567", "BBCE234567", "s3cret"


class Guest:
    """An MQTT 5 client that remembers every answer."""

    def __init__(self, name: str, secret: str, client_id: str, port: int) -> None:
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id or name, protocol=MQTTProtocolVersion.MQTTv5
        )
        self.client.username_pw_set(name, secret)
        self.received: list[tuple[str, bytes]] = []
        self.answers: list[str] = []
        self.client.on_connect = self._connected
        self.client.on_message = lambda _, __, message: self.received.append((message.topic, bytes(message.payload)))
        self.client.on_publish = self._published
        self.client.on_subscribe = lambda _, __, ___, codes, ____: self.answers.extend(str(code) for code in codes)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def _connected(self, _: object, __: object, ___: object, code: ReasonCode, ____: Properties | None) -> None:
        self.answers.append(str(code))

    def _published(self, _: object, __: object, ___: int, code: ReasonCode, ____: Properties | None) -> None:
        self.answers.append(str(code))


@asynccontextmanager
async def guest(
    server: Broker, name: str, secret: str = SECRET, *, client_id: str = "", port: int = 0
) -> AsyncIterator[Guest]:
    """Connected, or refused: its first answer says which. ``port`` is another one than the loggers'."""
    one = Guest(name, secret, client_id, port or server.port)
    try:
        await until(lambda: one.answers)
        yield one
    finally:
        one.client.disconnect()
        one.client.loop_stop()
        # Else the garbage collector may find paho's sockets before paho's own finaliser: a warning, which is an error.
        one.client._reset_sockets()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Broker]:
    """A broker that knows Alice's and Bob's logins."""
    with broker(tmp_path / "broker") as running:
        running.allow({ALICE: SECRET, BOB: SECRET})
        yield running


@pytest.mark.parametrize(("name", "secret"), [(ALICE, "wrong"), ("ZZZZZZZZZZ", SECRET), (BRIDGE_USER, SECRET)])
async def test_nobody_enters_without_the_right_secret(server: Broker, name: str, secret: str) -> None:
    """Wrong secret, unknown login, the bridge's name: refused alike."""
    async with guest(server, name, secret) as stranger:
        assert stranger.answers[0] == "Not authorized"


async def test_a_login_reads_nothing_not_even_its_own(server: Broker) -> None:
    """Messages ever sent to your inverter: 0. Wildcards included."""
    async with guest(server, ALICE) as alice, guest(server, BOB) as bob:
        for pattern in ("#", "deye/#", f"deye/{ALICE}/#", f"deye/{BOB}/reading", "$SYS/#", "+/+/+"):
            bob.client.subscribe(pattern, qos=1)
        await until(lambda: len(bob.answers) == 7)
        alice.client.publish(f"deye/{ALICE}/reading", "1", qos=1)
        bob.client.publish(f"deye/{BOB}/reading", "2", qos=1)
        await until(lambda: len(alice.answers) == 2 and len(bob.answers) == 8)

        assert bob.received == []


async def test_a_login_writes_below_its_own_name_and_nowhere_else(server: Broker) -> None:
    """The proof on which all of the bridge's identification rests."""
    topics = [
        f"deye/{BOB}/reading",
        f"deye/{ALICE}/reading",
        "deye/reading",
        MARKER_TOPIC,
        "$SYS/broker/log/N",
        f"deye/{BOB}x/reading",
        f"/deye/{BOB}/reading",
    ]
    async with guest(server, BRIDGE_USER, BRIDGE_PASSWORD) as bridge, guest(server, BOB) as bob:
        bridge.client.subscribe([("#", SubscribeOptions(qos=1)), ("$SYS/broker/log/N", SubscribeOptions(qos=0))])
        await until(lambda: len(bridge.answers) == 3)
        for topic in topics:
            bob.client.publish(topic, "from bob", qos=1)
        await until(lambda: len(bob.answers) == 1 + len(topics))
        await until(lambda: any(payload == b"from bob" for _, payload in bridge.received))

        assert [topic for topic, payload in bridge.received if payload == b"from bob"] == [f"deye/{BOB}/reading"]
        assert bob.answers[1:].count("Not authorized") == len(topics) - 1


async def test_the_bridges_client_id_is_of_no_use_to_a_login(server: Broker) -> None:
    """use_username_as_clientid: a logger cannot throw the bridge out or take its queue."""
    async with guest(server, BRIDGE_USER, BRIDGE_PASSWORD) as bridge:
        bridge.client.subscribe("deye/#", qos=1)
        await until(lambda: len(bridge.answers) == 2)
        async with guest(server, BOB, client_id=BRIDGE_USER) as bob:
            bob.client.publish(f"deye/{BOB}/reading", "2", qos=1)
            await until(lambda: bridge.received)

            assert bridge.client.is_connected()


async def test_a_stranger_who_names_a_clients_id_does_not_end_the_broker(tmp_path: Path) -> None:
    """Without a user name, then a reload: up to 2.0.12 that killed it wherever the bridge's client id was known."""
    inner = free_port()
    way_in = (TEMPLATES / BRIDGE_LISTENER).read_text().replace("@BRIDGE_LISTENER@", f"{inner} 127.0.0.1")
    with broker(tmp_path / "broker", extra=way_in) as server:
        server.allow({ALICE: SECRET})
        secret_id = bridge_client_id(BRIDGE_PASSWORD)
        async with (
            guest(server, BRIDGE_USER, BRIDGE_PASSWORD, client_id=secret_id, port=inner) as bridge,
            guest(server, ALICE) as alice,
        ):
            bridge.client.subscribe([("deye/#", 1), ("$SYS/broker/log/#", 1)])
            await until(lambda: len(bridge.answers) == 3)
            answers = [connect_without_a_name(server.port, name) for name in (BRIDGE_USER, ALICE, "")]
            answers += [connect_without_a_name(inner, name) for name in (BRIDGE_USER, "anybody", "")]
            server.reload()
            alice.client.publish(f"deye/{ALICE}/reading", "still here", qos=1)
            await until(lambda: any(payload == b"still here" for _, payload in bridge.received) or not server.running)

            assert all(answer[:1] == b"\x20" and answer[3] == 0x87 for answer in answers)
            assert server.running
            assert bridge.client.is_connected()


def test_the_bridges_client_id_is_lasting_and_tells_nothing() -> None:
    """Another password is another id; the session of the same one is found again."""
    ours = bridge_client_id(BRIDGE_PASSWORD)

    assert ours == bridge_client_id(BRIDGE_PASSWORD) != bridge_client_id("another")
    assert BRIDGE_PASSWORD not in ours
    assert ours != BRIDGE_USER


async def test_the_bridge_writes_nothing_but_its_marker(server: Broker) -> None:
    """Who has taken the bridge over still commands no device and speaks for nobody."""
    async with guest(server, BRIDGE_USER, BRIDGE_PASSWORD) as bridge:
        for topic in (
            MARKER_TOPIC,
            f"deye/{ALICE}/reading",
            f"deye/{ALICE}/command",
            "$SYS/broker/version",
            "anything",
        ):
            bridge.client.publish(topic, "x", qos=1)
        await until(lambda: len(bridge.answers) == 6)

        assert bridge.answers[1:].count("Not authorized") == 4


def field(text: str) -> bytes:
    """A text as MQTT packets hold it."""
    return len(text).to_bytes(2, "big") + text.encode()


@pytest.mark.parametrize(("payload_bytes", "delivered"), [(65_000, True), (66_000, False)])
async def test_a_packet_that_is_nobodys_reading_does_not_pass(
    server: Broker, payload_bytes: int, *, delivered: bool
) -> None:
    """64 KiB are the limit; whoever sends more is thrown out. MQTT 3.1.1, where no client is told the limit."""
    login = b"\x00\x04MQTT\x04\xc2\x00\x1e" + field("") + field(BOB) + field(SECRET)
    reading = field(f"deye/{BOB}/reading") + b"x" * payload_bytes
    length = len(reading)
    coded = bytes([length & 0x7F | 0x80, length >> 7 & 0x7F | 0x80, length >> 14])
    async with guest(server, BRIDGE_USER, BRIDGE_PASSWORD) as bridge:
        bridge.client.subscribe("deye/#", qos=1)
        await until(lambda: len(bridge.answers) == 2)
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as bob:
            bob.sendall(bytes([0x10, len(login)]) + login)
            accepted = bob.recv(4)
            bob.sendall(b"\x30" + coded + reading)
            await until(lambda: bridge.received or f"Client {BOB} disconnected" in server.log)

    assert accepted == b"\x20\x02\x00\x00"
    assert bool(bridge.received) is delivered


async def test_a_withdrawn_login_is_thrown_out_at_the_reload(server: Broker) -> None:
    """And comes in no more."""
    async with guest(server, BOB) as bob:
        server.withdraw(BOB)
        await until(lambda: not bob.client.is_connected())
        await until(lambda: "Not authorized" in bob.answers)


def test_a_value_cannot_break_out_of_its_line() -> None:
    """A folder's name must not become a line of configuration."""
    template = "listener @LISTENER@\nuser @USER@\npassword_file @FOLDER@/passwords\n"

    with pytest.raises(TemplateUnfilled):
        render(template, port=1883, folder="/data\nallow_anonymous true", user="mosquitto")
    with pytest.raises(TemplateUnfilled):
        render("listener 1883\n", port=1883, folder="/data", user="mosquitto")
