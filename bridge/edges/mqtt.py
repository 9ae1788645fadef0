"""The session with the broker: connected again whenever it is lost, subscribed after every CONNACK, settled in batches.

Nothing is ever discarded here: a full window stops the reading of the socket, because Mosquitto 2.0.11 exceeds the
receive-maximum on a backlog (stack-measurements 1). What a lost connection left is dropped: the broker sends it again.
"""

import asyncio
import contextlib
import struct
from collections.abc import Callable, Sequence
from datetime import datetime

import aiomqtt
import structlog
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from bridge.clock import Clock
from bridge.edges.broker_client import Access, BrokerClient, Incoming
from bridge.ports import Delivery
from bridge.window import Window
from schema.topics import MARKER_TOPIC, SUBSCRIPTION

_log = structlog.get_logger(__name__)

SESSION_TAKEN_OVER = 0x8E
_LOG_SUBSCRIPTION = "$SYS/broker/log/N"
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 10.0
# A connection that lasts this long was no failure.
_STEADY_S = 5.0


class TakenOver(Exception):
    """Another bridge has connected with our client id: stop, for two would throw each other out for ever."""


class MqttSession:
    """A ``BrokerSession``. ``run`` keeps it connected; the rest may be called at any time."""

    def __init__(
        self,
        access: Access,
        clock: Clock,
        *,
        on_subscribed: Callable[[], None],
        on_broker_log: Callable[[str, datetime], None],
    ) -> None:
        self._access = access
        self._clock = clock
        self._on_subscribed = on_subscribed
        self._on_broker_log = on_broker_log
        self.window = Window()
        self._inbox: list[Delivery] = []
        self._arrived = asyncio.Event()
        self._client: BrokerClient | None = None
        self._stopped = False
        self.backlog = True
        self._marker = b""
        self.subscribed = False

    async def receive(self) -> list[Delivery]:
        """Everything since the last call; copies whose connection was lost meanwhile are dropped."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            inbox, self._inbox = self._inbox, []
            alive = [delivery for delivery in inbox if self.window.alive(delivery.token)]
            if alive:
                return alive

    def settle(self, tokens: Sequence[int]) -> int:
        """Acknowledge with one write for all; read on when there is room again."""
        before = self.window.settled
        packet_ids = self.window.settle(tokens)
        if self._client is not None and packet_ids:
            self._client.acknowledge(packet_ids)
        if self._client is not None and len(self.window) < self._access.receive_maximum * 3 // 4:
            self._client.read_on()
        return self.window.settled - before

    def alive(self, token: int) -> bool:
        """Whether the message came on the present connection and waits still."""
        return self.window.alive(token)

    def stop_receiving(self) -> None:
        """Take nothing in any more; acknowledging goes on."""
        self._stopped = True
        if self._client is not None:
            self._client.pause()

    async def run(self) -> None:
        """Connect, stay connected, connect again, until cancelled. Raises ``TakenOver``."""
        failures = 0
        while not self._stopped:
            started = self._clock.monotonic()
            try:
                await self._connection()
            except aiomqtt.MqttError as fault:
                failures = 0 if self._clock.monotonic() - started > _STEADY_S else failures + 1
                if not self._stopped:
                    _log.warning("broker.away", detail=str(fault), failures=failures)
            self._client = None
            self.subscribed = False
            steady = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(failures, 10))
            await self._clock.sleep(steady * (0.5 + self._clock.dice() / 2))

    async def disconnect(self) -> None:
        """Send what is acknowledged and say good-bye; the broker keeps the session."""
        client, self._client = self._client, None
        self._stopped = True
        if client is not None:
            with contextlib.suppress(aiomqtt.MqttError):
                await client.__aexit__(None, None, None)

    async def _connection(self) -> None:
        """One connection, from CONNECT to its loss, which is always an exception."""
        client = BrokerClient(self._access, self._opened, self._received, self._may_read)
        try:
            await client.__aenter__()
            subscribing = asyncio.create_task(self._subscribe(client), name="mqtt.subscribe")
            try:
                await asyncio.wait({subscribing, client.lost}, return_when=asyncio.FIRST_COMPLETED)
                if not client.lost.done():
                    await subscribing
                    await asyncio.wait({client.lost})
            finally:
                subscribing.cancel()
                await asyncio.gather(subscribing, return_exceptions=True)
        finally:
            client.close()
        if client.ended_with == SESSION_TAKEN_OVER:
            raise TakenOver("another bridge has taken this session over")
        fault = client.lost.exception()
        raise aiomqtt.MqttError(f"the connection was lost: {fault}")

    async def _subscribe(self, client: BrokerClient) -> None:
        """After every CONNACK: a session the broker has lost comes without its subscriptions.

        No time limit: behind a long backlog the answers come late; a lost connection ends the waiting.
        """
        readings = SubscribeOptions(qos=1, retainAsPublished=False, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
        codes = await client.subscribe(SUBSCRIPTION, options=readings, timeout=float("inf"))
        if any(code.value >= 0x80 for code in codes if isinstance(code, ReasonCode)):
            raise aiomqtt.MqttError(f"the broker refused the subscription: {codes}")
        await client.subscribe(_LOG_SUBSCRIPTION, options=SubscribeOptions(qos=0), timeout=float("inf"))
        # Whatever comes before our own marker had been queued (DESIGN 4.4, Backlog).
        await client.publish(MARKER_TOPIC, self._marker, qos=1, timeout=float("inf"))
        self.subscribed = True
        _log.info("broker.subscribed", session_present=client.session_present)
        self._on_subscribed()

    def _opened(self, client: BrokerClient) -> None:
        """A CONNACK: what the connection before left is the broker's again."""
        dropped = len(self.window)
        self.window.connection_opened()
        self._inbox.clear()
        self._client = client
        self.subscribed = False
        self.backlog = True
        self._marker = struct.pack("!Qd", self.window.received, self._clock.monotonic())
        _log.info("broker.connected", session_present=client.session_present, dropped=dropped)

    def _may_read(self) -> bool:
        return not self._stopped and len(self.window) < self._access.receive_maximum

    def _received(self, message: Incoming) -> None:
        now = self._clock.now()
        try:
            topic = message.topic.decode()
        except UnicodeDecodeError:
            topic = ""
        if topic.startswith("$SYS/"):
            self._on_broker_log(message.payload.decode(errors="replace"), now)
            return
        if topic == MARKER_TOPIC:
            self.backlog = self.backlog and message.payload != self._marker
            if self._client is not None and message.packet_id:
                self._client.acknowledge([message.packet_id])
            return
        token = self.window.admit(message.packet_id)
        if token is None:
            return
        self._inbox.append(Delivery(token, topic, message.payload, now, message.retained, self.backlog))
        self._arrived.set()
