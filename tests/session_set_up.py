"""A session with a real broker, over either edge, and a road to it that can break."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime

from bridge.clock import Clock
from bridge.edges.broker_edges import connect_with
from bridge.edges.connection import Access, Connection
from bridge.edges.mqtt import MqttSession
from bridge.ports import Delivery
from schema.settings import BrokerEdge
from schema.topics import BROKER_LOG
from tests.broker import BRIDGE_PASSWORD, Broker
from tests.publisher import Publisher
from tests.waiting import until

LOGIN = "AACE234567"
TOPIC = f"deye/{LOGIN}/x"
# The shortest that both edges can keep.
KEEPALIVE_S = 4


Way = Callable[[Connection], Connection]


class Session:
    """A session at work, and everything it has handed over."""

    def __init__(
        self, port: int, edge: BrokerEdge, receive_maximum: int, clock: Clock | None = None, way: Way | None = None
    ) -> None:
        """``way`` puts something between the session and each of its connections."""
        self.log: list[str] = []
        self.markers: list[int] = []
        self.numbers: dict[str, bytes] = {}
        self.subscriptions = 0
        access = Access("127.0.0.1", port, BRIDGE_PASSWORD, 3600, receive_maximum, KEEPALIVE_S)
        connect = connect_with(edge)
        self.edge = MqttSession(
            access,
            clock or Clock(),
            connect=(lambda access, listener: way(connect(access, listener))) if way else connect,
            on_subscribed=self._subscribed,
            on_system=self._heard,
            on_marker=lambda: self.markers.append(len(self.deliveries)),
        )
        self.deliveries: list[Delivery] = []
        self.batches: list[int] = []
        self.running: asyncio.Task[None] | None = None
        self._collecting: asyncio.Task[None] | None = None

    def _subscribed(self) -> None:
        self.subscriptions += 1

    def _heard(self, topic: str, payload: bytes, _: datetime) -> None:
        if topic.startswith(BROKER_LOG):
            self.log.append(payload.decode())
        else:
            self.numbers[topic] = payload

    def start(self) -> None:
        """Connect and collect."""
        self.running = asyncio.create_task(self.edge.run())
        self._collecting = asyncio.create_task(self._collect())

    async def _collect(self) -> None:
        while True:
            batch = await self.edge.receive()
            self.batches.append(len(batch))
            self.deliveries.extend(batch)

    async def crash(self) -> None:
        """Be gone without a word, as a killed process is."""
        tasks = [task for task in (self.running, self._collecting) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def leave(self) -> None:
        """Disconnect in order."""
        await self.edge.disconnect()
        await self.crash()

    def settle_all(self) -> list[int]:
        """Settle whatever was handed over since the last time; the numbers it carried."""
        held, self.deliveries = self.deliveries, []
        self.edge.settle([delivery.token for delivery in held])
        return [int(delivery.payload) for delivery in held]

    @property
    def payloads(self) -> list[int]:
        """The numbers the messages carried."""
        return [int(delivery.payload) for delivery in self.deliveries]


@asynccontextmanager
async def session(
    port: int, edge: BrokerEdge, *, receive_maximum: int = 1000, subscribed: bool = True
) -> AsyncIterator[Session]:
    """A session that ends with its test; its SUBACK may come behind a backlog, so waiting for it can be left out."""
    one = Session(port, edge, receive_maximum)
    one.start()
    try:
        if subscribed:
            await until(lambda: one.edge.subscribed)
        yield one
    finally:
        await one.crash()


async def publish(server: Broker, numbers: range, *, qos: int = 1) -> None:
    """Send these numbers; returns when the broker has them."""
    async with Publisher(server, LOGIN) as logger:
        published = [logger.throw(TOPIC, str(number), qos=qos) for number in numbers]
        await until(lambda: all(done() for done in published))


class Road:
    """A TCP proxy between a session and its broker."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.port = 0
        self.dead = False
        self.hang_ups = 0
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0

    async def serve(self, inward: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        """One connection of the session's."""
        self.connections += 1
        if self.connections <= self.hang_ups:
            await inward.read(1)
            answers.transport.abort()
            return
        outward, onward = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers += [answers, onward]
        for reader, writer in ((inward, onward), (outward, answers)):
            task = asyncio.create_task(self._carry(reader, writer))
            self._tasks.add(task)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                if not self.dead:
                    writer.write(data)
        if not self.dead:
            writer.close()

    def inject(self, data: bytes) -> None:
        """Say this to the session as if the broker had said it."""
        self._writers[-2].write(data)

    async def close(self) -> None:
        """Hang up on everybody."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        # The transports tell the loop in its next turn.
        await asyncio.sleep(0)


@asynccontextmanager
async def road(port: int) -> AsyncIterator[Road]:
    """A proxy before ``port``; set ``dead`` and nothing passes any more, though all sockets stay open. The first
    ``hang_ups`` connections end when their CONNECT comes.
    """
    one = Road(port)
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.port = server.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        server.close()
        await one.close()
