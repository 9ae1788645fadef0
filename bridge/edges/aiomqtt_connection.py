"""A ``Connection`` on aiomqtt: its words translated, its waiting ended by the loss of the connection."""

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any, TypeVar

import aiomqtt
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from bridge.edges.broker_client import BrokerClient
from bridge.edges.connection import SESSION_TAKEN_OVER, Access, ConnectionLost, Listener, TakenOver, Wanted

AnswerT = TypeVar("AnswerT")


class AiomqttConnection:
    """A ``Connection`` on aiomqtt."""

    def __init__(self, access: Access, listener: Listener) -> None:
        self._listener = listener
        self._client = BrokerClient(access, self._opened, listener)

    def _opened(self, *, session_present: bool) -> None:
        self._listener.opened(self, session_present=session_present)

    async def open(self) -> None:
        """Connect and wait for the CONNACK. Raises ``ConnectionLost``."""
        with _translated():
            await self._client.__aenter__()

    async def subscribe(self, wanted: Sequence[Wanted]) -> list[str]:
        """Subscribe to all; the topics the broker refused. Raises ``ConnectionLost``."""
        readings = SubscribeOptions(qos=1, retainAsPublished=False, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
        others = SubscribeOptions(qos=0)
        filters = [(topic, readings if qos_1 else others) for topic, qos_1 in wanted]
        codes = await self._answer(self._client.subscribe(filters, timeout=float("inf")))
        return [
            topic
            for (topic, _), code in zip(wanted, codes, strict=True)
            if not isinstance(code, ReasonCode) or code.is_failure
        ]

    async def publish(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 1 and wait for the answer. Raises ``ConnectionLost``."""
        await self._answer(self._client.publish(topic, payload, qos=1, timeout=float("inf")))

    async def ended(self) -> None:
        """Wait for the end, which is always an exception: ``ConnectionLost`` or ``TakenOver``."""
        await asyncio.wait({self._client.lost})
        if self._client.ended_with == SESSION_TAKEN_OVER:
            raise TakenOver("another bridge has taken this session over")
        raise ConnectionLost(f"the connection was lost: {self._client.lost.exception()}")

    def acknowledge(self, packet_ids: Sequence[int]) -> None:
        """Send all PUBACKs in one piece."""
        self._client.acknowledge(packet_ids)

    def pause(self) -> None:
        """Stop reading the socket."""
        self._client.pause()

    def read_on(self) -> None:
        """Read again after a pause, if there is room."""
        self._client.read_on()

    async def leave(self) -> None:
        """Send what is to be sent, say good-bye and wait until the broker hangs up."""
        self._client.say_goodbye()
        await asyncio.wait({self._client.lost})

    def close(self) -> None:
        """Close the socket, if it is open still."""
        self._client.close()

    async def _answer(self, asking: Coroutine[Any, Any, AnswerT]) -> AnswerT:
        """The answer, or the end of the connection where that comes first."""
        task = asyncio.create_task(asking, name="mqtt.asking")
        try:
            either: set[asyncio.Future[Any]] = {task, self._client.lost}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if self._client.lost.done():
                await self.ended()
            with _translated():
                return await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except aiomqtt.MqttError as fault:
        raise ConnectionLost(str(fault)) from fault
