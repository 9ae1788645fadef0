"""aiomqtt asks for a socket to be watched a turn of the loop later: by then its number may be another socket's."""

import asyncio
import contextlib
import gc
import selectors
import socket
from collections.abc import Sequence

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from bridge.edges.broker_client import BrokerClient
from bridge.edges.connection import Access, Connection
from bridge.edges.packets import Incoming

pytestmark = pytest.mark.unit


class _Nobody:
    def opened(self, connection: Connection, *, session_present: bool) -> None: ...

    def room(self) -> int:
        return 1

    def received(self, messages: Sequence[Incoming]) -> None: ...


@pytest.mark.parametrize("asked", ["_on_socket_open", "_on_socket_register_write"])
async def test_a_socket_closed_meanwhile_is_not_watched_and_neither_is_its_successor(asked: str) -> None:
    """The new socket gets the old one's number: nobody must read or write it in the name of the lost connection."""
    loop = asyncio.get_running_loop()
    faults: list[object] = []
    loop.set_exception_handler(lambda _, context: faults.append(context))
    client = BrokerClient(Access("127.0.0.1", 1, "x", 60, 10), lambda **_: None, _Nobody())
    old, other = socket.socketpair()
    number = old.fileno()

    getattr(client, asked)(None, None, old)
    old.close()
    successor = socket.socket()
    assert successor.fileno() == number
    for _ in range(3):
        await asyncio.sleep(0)

    selector: selectors.BaseSelector = loop._selector  # type: ignore[attr-defined]  # what the loop watches
    watched = number in selector.get_map()
    other.close()
    successor.close()
    if client._misc_task is not None:
        client._misc_task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await client._misc_task
    assert not watched
    assert faults == []


async def test_a_loss_that_nobody_asks_about_is_no_error_in_the_log() -> None:
    """The session may be gone by then."""
    loop = asyncio.get_running_loop()
    faults: list[object] = []
    loop.set_exception_handler(lambda _, context: faults.append(context))
    client = BrokerClient(Access("127.0.0.1", 1, "x", 60, 10), lambda **_: None, _Nobody())

    client._on_disconnect(client._client, None, None, ReasonCode(PacketTypes.DISCONNECT, "Unspecified error"))
    client._disconnected = loop.create_future()
    gc.collect()
    await asyncio.sleep(0)

    assert faults == []


async def test_a_connection_that_comes_after_the_giving_up_is_closed() -> None:
    """Connecting runs in a thread that cannot be cancelled: its socket would be left over, and so would its number."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = BrokerClient(Access("127.0.0.1", server.getsockname()[1], "x", 60, 10), lambda **_: None, _Nobody())
        client.close()

        await asyncio.to_thread(client._client_connect)

        accepted, _ = server.accept()
        accepted.settimeout(5)
        heard = b"".join(iter(lambda: accepted.recv(1024), b""))
        accepted.close()
    for _ in range(3):
        await asyncio.sleep(0)
    assert client._client.socket() is None
    assert len(heard) < 1024
