"""How the session comes back to a broker that cannot be reached; the rest of its contract is tested on a real one."""

import asyncio
from typing import Any, cast

import pytest
import structlog

from bridge.edges.connection import Access, Connection, ConnectionLost
from bridge.edges.mqtt import MqttSession
from tests.fakes import FakeTime
from tests.waiting import until

pytestmark = pytest.mark.unit


class _BlackHole:
    """Nobody answers there: each attempt lasts as long as the wait for an answer, and never gets anywhere."""

    def __init__(self, time: FakeTime) -> None:
        self._time = time
        self.tried = 0

    def __call__(self, *_: Any) -> Connection:
        self.tried += 1
        return cast("Connection", self)

    async def open(self) -> None:
        self._time.seconds += 10.0
        raise ConnectionLost("no answer")

    def close(self) -> None:
        """Nothing was opened."""


async def test_attempts_that_time_out_are_failures_with_growing_pauses_and_one_line_a_minute() -> None:
    """Though each of them lasts longer than a connection that counts as steady."""
    time = FakeTime()
    hole = _BlackHole(time)
    session = MqttSession(
        Access("192.0.2.1", 1883, "secret", 3600, 10),
        time.clock(),
        connect=hole,
        on_subscribed=lambda: None,
        on_system=lambda *_: None,
        on_marker=lambda: None,
    )
    with structlog.testing.capture_logs() as lines:
        running = asyncio.create_task(session.run())
        await until(lambda: hole.tried >= 12)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    assert time.slept[:3] == [pytest.approx(0.3), pytest.approx(0.6), pytest.approx(1.2)]
    assert max(time.slept) == pytest.approx(7.5)
    assert len([line for line in lines if line["event"] == "broker.away"]) <= 4
