"""``python -m standalone simulate``: the demo's three inverters publish with their own logins until stopped."""

import asyncio
import contextlib
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import aiomqtt

from portal.dashboard.sun import place_of
from standalone import demo_file, publishers
from standalone.demo_file import Demo, DemoInverter
from standalone.devices import Surroundings, advance
from standalone.sun import Sky

LIVE_EVERY_S = 5.0
HISTORY_EVERY = timedelta(minutes=5)
RECONNECT_S = 3.0


def main(data_dir: Path, host: str, port: int) -> int:
    """Until SIGTERM or SIGINT."""
    demo = demo_file.load(data_dir)
    if demo is None:
        print("There is no demo in this data folder.")
        return 1
    asyncio.run(_run(demo, data_dir, host, port))
    return 0


async def _run(demo: Demo, data_dir: Path, host: str, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as group:
        for inverter in demo.inverters:
            program = _Program(inverter, demo, data_dir, stop)
            group.create_task(program.run(host, port), name=f"simulate.{inverter.kind}")


@dataclass(frozen=True, slots=True)
class _Program:
    """What reads one inverter and publishes. It ends between two messages: a connection cut in one lingers."""

    inverter: DemoInverter
    demo: Demo
    data_dir: Path
    stop: asyncio.Event

    async def run(self, host: str, port: int) -> None:
        """Publish until stopped; when the broker is away, come back later and send what happened meanwhile."""
        login = self.inverter.login
        while not self.stop.is_set():
            with contextlib.suppress(aiomqtt.MqttError):
                async with aiomqtt.Client(
                    host, port, username=login, password=self.inverter.secret, identifier=login
                ) as client:
                    await self._publish(client)
            await self._pause(RECONNECT_S)

    async def _publish(self, client: aiomqtt.Client) -> None:
        login, kind = self.inverter.login, self.inverter.kind
        state = demo_file.load_state(self.data_dir, login, self.demo.since)
        around = _surroundings(self.demo, self.inverter)
        while not self.stop.is_set() and state.at + HISTORY_EVERY < datetime.now(UTC):
            at = state.at + HISTORY_EVERY
            values = advance(kind, state, at, around)
            if values:
                await self._send(client, [publishers.document(login, values, at)])
                demo_file.save_state(self.data_dir, login, state)
        while not self.stop.is_set():
            values = advance(kind, state, datetime.now(UTC), around)
            await self._send(client, publishers.live(kind, login, values))
            demo_file.save_state(self.data_dir, login, state)
            await self._pause(LIVE_EVERY_S)

    async def _send(self, client: aiomqtt.Client, messages: Sequence[tuple[str, str]]) -> None:
        for topic, payload in messages:
            await client.publish(topic, payload, qos=1)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), seconds)


def _surroundings(demo: Demo, inverter: DemoInverter) -> Surroundings:
    place = place_of(demo.zone)
    if place is None:
        raise ValueError(f"the zone {demo.zone} has no place on earth")
    return Surroundings(Sky(place, inverter.serial[:2] + demo.zone).light, ZoneInfo(demo.zone))
