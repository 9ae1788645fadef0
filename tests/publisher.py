"""A logger for tests: MQTT by paho's own thread, as most real ones, so it is no relative of the bridge's client."""

import json
from collections.abc import Callable, Mapping
from typing import Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.broker import Broker
from tests.waiting import until

SECRET = "secret-of-the-tests"


class Publisher:
    """A logger: MQTT 3.1.1 by paho's own thread, as most real ones, so it is no relative of the bridge's client."""

    def __init__(
        self,
        broker: Broker,
        login: str,
        *,
        secret: str = SECRET,
        protocol: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv311,
    ) -> None:
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=login, protocol=protocol)
        self._client.username_pw_set(login, secret)
        self._client.on_publish = lambda _, __, packet_id, ___, ____: self._answered.add(packet_id)
        self._answered: set[int] = set()
        self._port = broker.port

    async def __aenter__(self) -> Self:
        self._client.connect_async("127.0.0.1", self._port)
        self._client.loop_start()
        await until(self._client.is_connected)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        # Else the garbage collector may find paho's sockets before paho's own finaliser: a warning, which is an error.
        self._client._reset_sockets()

    async def send(self, topic: str, payload: object, *, qos: int = 1, retain: bool = False) -> None:
        """Publish and wait for the broker's answer; mappings go as JSON."""
        await until(self.throw(topic, payload, qos=qos, retain=retain))

    def throw(self, topic: str, payload: object, *, qos: int = 1, retain: bool = False) -> Callable[[], bool]:
        """Publish without waiting; the answer says whether the broker has acknowledged (QoS 0: whether it was sent).

        While there is no connection QoS 1 waits for the next one.
        """
        body = json.dumps(payload) if isinstance(payload, Mapping) else payload
        packet_id = self._client.publish(topic, body, qos=qos, retain=retain).mid  # type: ignore[arg-type]  # any body
        return lambda: packet_id in self._answered
