"""The session with the broker: connected again whenever it is lost, subscribed after every CONNACK, settled in batches.

Nothing is ever discarded here: a full window stops the reading of the socket, because Mosquitto 2.0.11 exceeds the
receive-maximum on a backlog (stack-measurements 1). What a lost connection left is dropped: the broker sends it again.
How bytes become messages is the business of a ``Connection``; this file knows no MQTT library.
"""

import asyncio
import contextlib
import struct
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import structlog

from bridge.clock import Clock
from bridge.edges import broker_log
from bridge.edges.connection import Access, Connect, Connection, ConnectionLost, TakenOver, Wanted
from bridge.edges.packets import Incoming
from bridge.ports import Delivery, Packet
from bridge.seldom import Seldom
from bridge.window import Window
from schema.topics import (
    BRIDGE_USER,
    BROKER_LOG,
    BROKER_LOGS,
    BROKER_NUMBERS,
    MARKER_TOPIC,
    SUBSCRIPTION,
    bridge_client_id,
)

_log = structlog.get_logger(__name__)

_WANTED = (
    Wanted(SUBSCRIPTION, readings=True),
    *(Wanted(topic, readings=False) for topic in (*BROKER_LOGS, *BROKER_NUMBERS)),
)
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 10.0
# A connection that lasts this long was no failure.
_STEADY_S = 5.0
# Behind a long backlog the marker comes late; one that comes twice says nothing new.
_MARKER_AGAIN_S = 30.0


class MqttSession:
    """A ``BrokerSession`` and the ``Listener`` of its connections. ``run`` keeps it connected."""

    def __init__(
        self,
        access: Access,
        clock: Clock,
        *,
        connect: Connect,
        on_subscribed: Callable[[], None],
        on_system: Callable[[str, bytes, datetime], None],
        on_marker: Callable[[], None],
        may_connect: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """``may_connect`` is awaited before each connection. ``on_system`` gets each ``$SYS`` message: topic, payload,
        arrival. ``on_marker`` is called out of ``receive`` when everything the broker had kept has been handed over by
        earlier calls. Neither of these may raise.
        """
        self._access = access
        self._clock = clock
        self._trouble = Seldom(clock.monotonic)
        self._connect = connect
        self._on_subscribed = on_subscribed
        self._on_system = on_system
        self._on_marker = on_marker
        self._may_connect = may_connect
        self.window = Window()
        self._inbox: list[Delivery] = []
        self._arrived = asyncio.Event()
        self._connection: Connection | None = None
        self._stopped = False
        self.backlog = True
        self._marker = b""
        # How many in the inbox came before the marker; None where there is nothing to announce.
        self._before_marker: int | None = None
        # A listener with use_username_as_clientid makes our client id the user name.
        self._client_ids = (BRIDGE_USER, bridge_client_id(access.password))
        self._taken_over = False
        self.subscribed = False
        self.connected_at: datetime | None = None
        self.session_present = False

    async def receive(self) -> list[Delivery]:
        """Everything since the last call, at most up to the marker; what a lost connection left is not among it."""
        while True:
            await self._arrived.wait()
            if batch := self._next_batch():
                return batch

    def _next_batch(self) -> list[Delivery]:
        """Take the inbox, or only what came before the marker; announce the marker once nothing of that is left."""
        end = self._before_marker
        if end == 0:
            self._before_marker = end = None
            self._on_marker()
        if end is None:
            self._arrived.clear()
            batch, self._inbox = self._inbox, []
        else:
            self._before_marker = 0
            batch, self._inbox = self._inbox[:end], self._inbox[end:]
        return batch

    def settle(self, tokens: Sequence[int]) -> int:
        """Acknowledge with one write for all; read on when there is room again."""
        before = self.window.settled
        packet_ids = self.window.settle(tokens)
        if self._connection is not None:
            if packet_ids:
                self._connection.acknowledge(packet_ids)
            if len(self.window) < max(1, self._access.receive_maximum * 3 // 4):
                self._connection.read_on()
        return self.window.settled - before

    def packet(self, token: int) -> Packet:
        """What a message that waits came in."""
        return self.window.packet(token)

    def alive(self, token: int) -> bool:
        """Whether the message came on the present connection and waits still."""
        return self.window.alive(token)

    def stop_receiving(self) -> None:
        """Take nothing in any more; acknowledging goes on."""
        self._stopped = True
        if self._connection is not None:
            self._connection.pause()

    async def run(self) -> None:
        """Connect, stay connected, connect again, until cancelled. Raises ``TakenOver``."""
        failures = 0
        while not self._stopped:
            if self._may_connect is not None:
                await self._may_connect()
            started, before = self._clock.monotonic(), self.connected_at
            try:
                await self._one_connection()
            except ConnectionLost as fault:
                if self._taken_over:
                    raise TakenOver("the broker's log says that another bridge has taken this session over") from fault
                # An attempt that takes long and never gets there is no connection.
                connected = self.connected_at is not before
                steady = connected and self._clock.monotonic() - started > _STEADY_S
                failures = 0 if steady else failures + 1
                if not failures:
                    self._trouble.over()
                if not self._stopped and self._trouble.due():
                    _log.warning("broker.away", detail=str(fault), failures=failures)
            self._connection = None
            self.subscribed = False
            pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(failures, 10))
            await self._clock.sleep(pause_s * (0.5 + self._clock.dice() / 2))

    async def disconnect(self) -> None:
        """Send what is acknowledged and say good-bye; the broker keeps the session."""
        connection, self._connection = self._connection, None
        self._stopped = True
        if connection is not None:
            with contextlib.suppress(ConnectionLost):
                await connection.leave()

    async def _one_connection(self) -> None:
        """One connection, from CONNECT to its loss, which is always an exception."""
        connection = self._connect(self._access, self)
        again: asyncio.Future[None] | None = None
        try:
            await connection.open()
            await self._subscribe(connection)
            again = asyncio.create_task(self._repeat_marker(connection), name="mqtt.marker")
            await connection.ended()
        finally:
            connection.close()
            if again is not None:
                again.cancel()
                await asyncio.gather(again, return_exceptions=True)

    async def _repeat_marker(self, connection: Connection) -> None:
        """Publish the marker until it comes: a broker whose queue is full drops it too, with an answer of success."""
        while True:
            await self._clock.sleep(_MARKER_AGAIN_S)
            if self._stopped or not self.backlog:
                return
            await connection.publish(MARKER_TOPIC, self._marker)

    async def _subscribe(self, connection: Connection) -> None:
        """After every CONNACK: a session the broker has lost comes without its subscriptions."""
        refused = await connection.subscribe(_WANTED)
        if SUBSCRIPTION in refused:
            raise ConnectionLost("the broker refused the subscription")
        if refused:
            _log.warning("broker.silent_about_itself", topics=refused)
        # Whatever comes before our own marker had been queued (DESIGN 4.4, Backlog).
        await connection.publish(MARKER_TOPIC, self._marker)
        self.subscribed = True
        _log.info("broker.subscribed", session_present=self.session_present)
        self._on_subscribed()

    def opened(self, connection: Connection, *, session_present: bool) -> None:
        """A CONNACK: what the connection before left is the broker's again."""
        dropped = len(self.window)
        self.window.connection_opened()
        self._inbox.clear()
        self._before_marker = None
        self._taken_over = False
        self._connection = connection
        self.connected_at = self._clock.now()
        self.session_present = session_present
        self.subscribed = False
        self.backlog = True
        self._marker = struct.pack("!Qd", self.window.received, self._clock.monotonic())
        _log.info("broker.connected", session_present=session_present, dropped=dropped)

    def room(self) -> int:
        """How many messages the window still takes."""
        return 0 if self._stopped else self._access.receive_maximum - len(self.window)

    def received(self, messages: Sequence[Incoming]) -> None:
        """Messages of one reading of the socket: they share their time of arrival."""
        now, backlog, admit, inbox = self._clock.now(), self.backlog, self.window.admit, self._inbox
        for topic, payload, packet_id, retained, again in messages:
            if topic.startswith("$"):
                self._system_came(topic, payload, now)
            elif topic == MARKER_TOPIC:
                self._marker_came(payload, packet_id)
                backlog = self.backlog
            else:
                inbox.append(Delivery(admit(packet_id, again), topic, payload, now, retained, backlog))
        if inbox:
            self._arrived.set()

    def _system_came(self, topic: str, payload: bytes, now: datetime) -> None:
        """What the broker publishes of itself; the end it announces comes by itself, see ``run``."""
        if topic.startswith(BROKER_LOG) and broker_log.taken_over(payload.decode(errors="replace"), self._client_ids):
            self._taken_over = True
        self._on_system(topic, payload, now)

    def _marker_came(self, payload: bytes, packet_id: int) -> None:
        """The end of the backlog, if it is this connection's marker; one of an earlier connection says nothing."""
        if self.backlog and payload == self._marker:
            self.backlog = False
            self._before_marker = len(self._inbox)
            self._arrived.set()
        if self._connection is not None and packet_id:
            self._connection.acknowledge([packet_id])
