"""A client of the broker that is neither bridge nor logger: it tries what it likes and remembers every answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from tests.broker import Broker
from tests.waiting import until

ALICE, BOB, SECRET = "AACE234567", "BBCE234567", "s3cret"


class Guest:
    """An MQTT 5 client that remembers every answer."""

    def __init__(
        self, name: str, secret: str, client_id: str, port: int, *, will: tuple[str, str] | None, lasting: bool
    ) -> None:
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
        if will:
            self.client.will_set(*will, qos=1)
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has no types here
        if lasting:
            properties.SessionExpiryInterval = 3_600
        self.client.connect("127.0.0.1", port, clean_start=not lasting, properties=properties)
        self.client.loop_start()

    def vanish(self) -> None:
        """Be lost: the socket closes without a good-bye."""
        self.client.loop_stop()
        self.client._reset_sockets()
        self.client._sock_close()

    def _connected(self, _: object, __: object, ___: object, code: ReasonCode, ____: Properties | None) -> None:
        self.answers.append(str(code))

    def _published(self, _: object, __: object, ___: int, code: ReasonCode, ____: Properties | None) -> None:
        self.answers.append(str(code))


@asynccontextmanager
async def guest(
    server: Broker,
    name: str,
    secret: str = SECRET,
    *,
    client_id: str = "",
    port: int = 0,
    will: tuple[str, str] | None = None,
    lasting: bool = False,
) -> AsyncIterator[Guest]:
    """Connected, or refused: its first answer says which. ``port`` is another one than the loggers'.

    ``will`` is topic and payload of what the broker is to publish when the guest is lost; a ``lasting`` session is kept
    for an hour.
    """
    one = Guest(name, secret, client_id, port or server.port, will=will, lasting=lasting)
    try:
        await until(lambda: one.answers)
        yield one
    finally:
        one.client.disconnect()
        one.client.loop_stop()
        # Else the garbage collector may find paho's sockets before paho's own finaliser: a warning, which is an error.
        one.client._reset_sockets()
