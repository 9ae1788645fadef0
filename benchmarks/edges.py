"""What receiving and settling a message costs over each edge, nothing else: ``python -m benchmarks.edges``.

A real Mosquitto, a session that settles everything at once, no decoding, no store. Load and broker have one core, the
session the other. "live" is read as it is published, "backlog" was queued while nobody was connected.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from uuid import uuid4

from benchmarks.broker import broker
from benchmarks.fleet import Device
from benchmarks.mqtt_load import Publication, Publishers
from benchmarks.processes import Measured, cores, start
from schema.settings import BrokerEdge
from schema.verifiers import new_login, new_secret

_DEVICES = 100
_BURST = 40


def _session(edge: BrokerEdge, port: int, secret: str, count: int) -> Measured:
    command = [sys.executable, "-m", "benchmarks.edge_session", edge, str(port), secret, str(count)]
    return start(command, on=cores()[1])


async def _figures(session: Measured) -> tuple[float, float]:
    """CPU time of a message in microseconds and messages handed over at once; lines of its log are left out."""
    while True:
        words = (await _line(session)).split()
        if len(words) == 2 and all(word.replace(".", "").isdigit() for word in words):
            return float(words[0]), float(words[1])


async def _line(session: Measured) -> str:
    line = await asyncio.to_thread(session.first_line)
    if not line and session.process.poll() is not None:
        raise SystemExit("the session ended early")
    return line


async def _publish(publishers: Publishers, bursts: list[tuple[str, list[Publication]]]) -> None:
    for login, burst in bursts:
        publishers.publish(login, burst)
        await publishers.acknowledged(login)


def _bursts(devices: list[Device], kind: str, count: int) -> list[tuple[str, list[Publication]]]:
    """``count`` messages, or a few more, in bursts of one inverter each."""
    bursts = []
    for number in range(-(-count // _BURST)):
        device = devices[number % len(devices)]
        messages = device.cycle() if kind == "scalars" else [device.document(number)] * _BURST
        bursts.append((device.login, messages[:_BURST]))
    return bursts


async def _measure(edge: BrokerEdge, kind: str, count: int) -> None:
    """One line: live and backlog."""
    loaded, _ = cores()
    os.sched_setaffinity(0, loaded)
    secret = new_secret()
    devices = [Device(new_login(), new_secret(), f"27{number:08d}", uuid4()) for number in range(_DEVICES)]
    with tempfile.TemporaryDirectory() as folder:
        async with broker(Path(folder) / "broker", devices, secret, on=loaded) as port:
            publishers = Publishers("127.0.0.1", port)
            await publishers.connect({device.login: device.secret for device in devices})
            bursts = _bursts(devices, kind, count)
            total = sum(len(burst) for _, burst in bursts)

            live = _session(edge, port, secret, total)
            while await _line(live) != "subscribed":
                pass
            began = time.perf_counter()
            await _publish(publishers, bursts)
            live_us, live_batch = await _figures(live)
            rate = total / (time.perf_counter() - began)
            memory_mb = live.memory_mb()
            live.process.wait(20)

            await _publish(publishers, bursts)
            backlog = _session(edge, port, secret, total)
            backlog_us, backlog_batch = await _figures(backlog)
            backlog.process.wait(20)
            publishers.close()
    print(
        f"{edge:8s} {kind:10s} live {live_us:6.2f} us CPU/msg, {live_batch:4.0f} at once, {rate:7,.0f} msg/s   "
        f"backlog {backlog_us:6.2f} us CPU/msg, {backlog_batch:4.0f} at once   {memory_mb:4.0f} MB peak",
        flush=True,
    )


def main() -> None:
    """Prints one line per edge and kind of message."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.edges")
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--edge", choices=list(BrokerEdge), type=BrokerEdge, action="append", help="default: both")
    chosen = parser.parse_args()
    for kind in ("scalars", "documents"):
        for edge in chosen.edge or list(BrokerEdge):
            asyncio.run(_measure(edge, kind, chosen.messages))


if __name__ == "__main__":
    main()
