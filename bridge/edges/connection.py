"""One connection to the broker as the session sees it: a port with two implementations, chosen by a setting.

``aiomqtt_connection`` and ``mqtt5_connection`` are named after what they stand on; this file knows no library.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from bridge.edges.packets import Incoming

CONNECT_TIMEOUT_S = 10.0
SESSION_TAKEN_OVER = 0x8E


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach the broker. ``session_expiry_s`` is how long it keeps our queue while we are away.

    A connection on which nothing comes any more is given up after at most one and a half times ``keepalive_s``.
    """

    host: str
    port: int
    password: str
    session_expiry_s: int
    receive_maximum: int
    keepalive_s: int = 60


class Wanted(NamedTuple):
    """A subscription: readings with QoS 1 and without what is retained, else QoS 0."""

    topic: str
    readings: bool


class ConnectionLost(Exception):
    """There is no connection, or none any more: connect again after a pause."""


class TakenOver(Exception):
    """Another bridge has connected with our client id: stop, for two would throw each other out for ever."""


class Listener(Protocol):
    """What a connection tells its session; nothing is told after ``Connection.close``."""

    def opened(self, connection: "Connection", *, session_present: bool) -> None:
        """The CONNACK came; nothing else that comes on the connection is told before."""

    def room(self) -> int:
        """How many messages may be handed over now; at 0 the connection stops reading until ``read_on``."""

    def received(self, messages: Sequence[Incoming]) -> None:
        """Messages in the order they came, at most ``room()``."""


class Connection(Protocol):
    """From CONNECT to its loss. Waiting for an answer has no time limit: behind a long backlog it comes late, and the
    loss of the connection ends it.
    """

    async def open(self) -> None:
        """Connect and wait for the CONNACK. Raises ``ConnectionLost``."""

    async def subscribe(self, wanted: Sequence[Wanted]) -> list[str]:
        """Subscribe to all; the topics the broker refused. Raises ``ConnectionLost``."""

    async def publish(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 1 and wait for the answer. Raises ``ConnectionLost``."""

    async def ended(self) -> None:
        """Wait for the end, which is always an exception: ``ConnectionLost`` or ``TakenOver``."""

    def acknowledge(self, packet_ids: Sequence[int]) -> None:
        """Send all PUBACKs in one piece."""

    def pause(self) -> None:
        """Stop reading the socket; the broker's data stays in the kernel and then with the broker."""

    def read_on(self) -> None:
        """Read again after a pause, if there is room."""

    async def leave(self) -> None:
        """Send what is to be sent and say good-bye."""

    def close(self) -> None:
        """Close the socket, if it is open still; nothing is sent or told any more."""


Connect = Callable[[Access, Listener], Connection]
