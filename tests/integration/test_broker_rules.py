"""The broker's own promises, with our configuration on a real Mosquitto: who may enter, write and read."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from paho.mqtt.subscribeoptions import SubscribeOptions

from schema.broker_files import TemplateUnfilled, render
from schema.topics import BRIDGE_USER, MARKER_TOPIC, bridge_client_id
from tests.broker import BRIDGE_PASSWORD, Broker, bridge_listener, broker, connect_as, connect_without_a_name
from tests.broker_guest import ALICE, BOB, SECRET, guest
from tests.services import free_port
from tests.waiting import until

pytestmark = pytest.mark.integration


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


# T4 of the threat list: every form that could match somebody's readings, the broker's log, or one's own.
WILDCARDS = (
    "#",
    "+/#",
    "+/+/#",
    "+/+/+",
    "deye/#",
    "deye/+/#",
    "deye/+/reading",
    f"deye/{ALICE}/#",
    f"deye/{ALICE}/reading",
    f"deye/{BOB}/#",
    "$SYS/#",
    "$SYS/broker/log/#",
    "$share/readers/deye/#",
    "$share/readers/#",
)


async def test_a_login_reads_nothing_not_even_its_own(server: Broker) -> None:
    """Messages ever sent to your inverter: 0, whatever one asks for, while others publish and retain.

    Mosquitto grants the subscriptions; what counts is what is delivered.
    """
    async with guest(server, ALICE) as alice, guest(server, BRIDGE_USER, BRIDGE_PASSWORD) as bridge:
        bridge.client.subscribe("deye/#", qos=1)
        await until(lambda: len(bridge.answers) == 2)
        alice.client.publish(f"deye/{ALICE}/reading", "kept", qos=1, retain=True)
        async with guest(server, BOB) as bob:
            for pattern in WILDCARDS:
                bob.client.subscribe(pattern, qos=1)
            await until(lambda: len(bob.answers) == 1 + len(WILDCARDS))
            for number in range(200):
                alice.client.publish(f"deye/{ALICE}/reading", str(number), qos=1)
            bob.client.publish(f"deye/{BOB}/reading", "mine", qos=1)
            await until(lambda: len(bridge.received) == 202 and len(bob.answers) == 2 + len(WILDCARDS))

            assert bob.received == []


async def test_a_will_is_bound_to_the_login_like_any_message(server: Broker) -> None:
    """T3: the broker publishes it in the name of who left it; a foreign one is not delivered, one's own is."""
    foreign, own = (f"deye/{ALICE}/reading", "forged"), (f"deye/{BOB}/reading", "last words")
    async with guest(server, BRIDGE_USER, BRIDGE_PASSWORD) as bridge, guest(server, ALICE) as alice:
        bridge.client.subscribe("deye/#", qos=1)
        await until(lambda: len(bridge.answers) == 2)
        for will in (foreign, (MARKER_TOPIC, "forged"), own):
            async with guest(server, BOB, will=will) as bob:
                bob.vanish()
        await until(lambda: any(payload == b"last words" for _, payload in bridge.received))
        alice.client.publish(f"deye/{ALICE}/reading", "hers", qos=1)
        await until(lambda: any(payload == b"hers" for _, payload in bridge.received))

        assert [payload for _, payload in bridge.received] == [b"last words", b"hers"]


async def test_a_thousand_connects_with_her_client_id_do_not_drop_alice(server: Broker) -> None:
    """T5: Bob names Alice's client id, or the bridge's, a thousand times."""
    async with guest(server, ALICE) as alice, guest(server, BRIDGE_USER, BRIDGE_PASSWORD) as bridge:
        for number in range(1_000):
            answer = connect_as(server.port, BOB, SECRET, client_id=(ALICE, BRIDGE_USER)[number % 2])
            assert answer[:1] == b"\x20"
            assert answer[3] == 0
        alice.client.publish(f"deye/{ALICE}/reading", "still here", qos=1)
        await until(lambda: len(alice.answers) == 2)

        assert alice.answers == ["Success", "No matching subscribers"]
        assert bridge.answers == ["Success"]
    assert not re.search(rf"Client ({ALICE}|{BRIDGE_USER}) already connected", server.log)


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
    with broker(tmp_path / "broker", extra=bridge_listener(inner)) as server:
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
            await until(lambda: bridge.received or re.search(f"Client {BOB} .*disconnected", server.log))

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
