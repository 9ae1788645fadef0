"""``python -m standalone simulate``: the demo's three inverters publish with their own logins until stopped."""

import asyncio
import contextlib
import signal
from collections.abc import Sequence
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
    tasks = [
        asyncio.create_task(_for_ever(inverter, demo, data_dir, host, port), name=f"simulate.{inverter.kind}")
        for inverter in demo.inverters
    ]
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    stopping = asyncio.create_task(stop.wait(), name="simulate.stop")
    await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise result


async def _for_ever(inverter: DemoInverter, demo: Demo, data_dir: Path, host: str, port: int) -> None:
    """Publish; when the broker is away, come back later and send what happened meanwhile."""
    while True:
        with contextlib.suppress(aiomqtt.MqttError):
            async with aiomqtt.Client(
                host, port, username=inverter.login, password=inverter.secret, identifier=inverter.login
            ) as client:
                await _publish(client, inverter, demo, data_dir)
        await asyncio.sleep(RECONNECT_S)


async def _publish(client: aiomqtt.Client, inverter: DemoInverter, demo: Demo, data_dir: Path) -> None:
    state = demo_file.load_state(data_dir, inverter.login, demo.since)
    place = place_of(demo.zone)
    if place is None:
        raise ValueError(f"the zone {demo.zone} has no place on earth")
    around = Surroundings(Sky(place, inverter.serial[:2] + demo.zone).light, ZoneInfo(demo.zone))
    while state.at + HISTORY_EVERY < datetime.now(UTC):
        at = state.at + HISTORY_EVERY
        values = advance(inverter.kind, state, at, around)
        if values:
            await _send(client, [publishers.document(inverter.login, values, at)])
            demo_file.save_state(data_dir, inverter.login, state)
    while True:
        values = advance(inverter.kind, state, datetime.now(UTC), around)
        await _send(client, publishers.live(inverter.kind, inverter.login, values))
        demo_file.save_state(data_dir, inverter.login, state)
        await asyncio.sleep(LIVE_EVERY_S)


async def _send(client: aiomqtt.Client, messages: Sequence[tuple[str, str]]) -> None:
    for topic, payload in messages:
        await client.publish(topic, payload, qos=1)
