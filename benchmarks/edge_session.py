"""The measured process of ``benchmarks.edges``: a session that settles everything at once, and nothing else in it."""

import asyncio
import sys
import time

from bridge.clock import Clock
from bridge.edges.broker_edges import connect_with
from bridge.edges.connection import Access
from bridge.edges.mqtt import MqttSession
from schema.settings import BrokerEdge


async def receive(edge: BrokerEdge, port: int, secret: str, count: int) -> None:
    """Settle ``count`` messages, print the CPU time of one in microseconds, and go."""
    session = MqttSession(
        Access("127.0.0.1", port, secret, 3600, 1000),
        Clock(),
        connect=connect_with(edge),
        on_subscribed=lambda: print("subscribed", flush=True),
        on_system=lambda *_: None,
        on_marker=lambda: None,
    )
    running = asyncio.create_task(session.run())
    began, batches = time.process_time(), 0
    while session.window.settled < count:
        session.settle([delivery.token for delivery in await session.receive()])
        batches += 1
    cost_us = (time.process_time() - began) / count * 1e6
    print(f"{cost_us:.2f} {count / batches:.1f}", flush=True)
    await session.disconnect()
    running.cancel()


if __name__ == "__main__":
    asyncio.run(receive(BrokerEdge(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
