"""What a message costs the bridge, and how soon it can be queried: ``python -m benchmarks.bridge``.

Every message takes the whole path: a real Mosquitto, reception, decoding, encoding, a write, the acknowledgement. Load
and broker have one core, the bridge the other. Figures are single runs beside whatever else the machine does: compare
the rows of one run, quote ratios.
"""

import argparse
import asyncio
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.broker import broker
from benchmarks.fleet import Device, build, environment
from benchmarks.mqtt_load import Publication, Publishers
from benchmarks.processes import Measured, cores, start
from benchmarks.sinks import EmbeddedStore, InertSink, InfluxStore, Sink
from schema.verifiers import new_secret

_PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Work:
    """What one row of the table does: ``bursts(devices)`` are the messages of each device, sent in this order.

    ``assembled`` says that the messages of a burst make one point together.
    """

    name: str
    devices: int
    assembled: bool
    bursts: Callable[[list[Device]], list[tuple[str, list[Publication]]]]


def _rounds(devices: list[Device], rounds: int) -> list[tuple[str, list[Publication]]]:
    """Round after round of one document per device: no two that wait together are of one inverter."""
    now_ms = int(time.time() * 1000)
    return [(device.login, [device.document(now_ms + turn)]) for turn in range(rounds) for device in devices]


def _bursts(devices: list[Device], size: int) -> list[tuple[str, list[Publication]]]:
    """``size`` documents of one inverter at once, then the next inverter's."""
    now_ms = int(time.time() * 1000)
    return [(device.login, [device.document(now_ms + turn) for turn in range(size)]) for device in devices]


WORKS = (
    Work("JSON documents, inverters in turn", 2000, False, lambda devices: _rounds(devices, 6)),
    Work("JSON documents, ten at once", 2000, False, lambda devices: _bursts(devices, 10)),
    Work("scalars, 40 topics per reading", 500, True, lambda devices: [(one.login, one.cycle()) for one in devices]),
)


async def _until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not everything arrived within {_PATIENCE_S:.0f} s")
        await asyncio.sleep(0.01)


async def _ready(bridge: Measured, log: Path) -> None:
    def subscribed() -> bool:
        if bridge.process.poll() is not None:
            raise SystemExit(f"the bridge ended:\n{log.read_text()[-2000:]}")
        return "bridge.ready" in log.read_text()

    await _until(subscribed)


async def _throughput(work: Work, store: Sink, bridge: Measured, publishers: Publishers, devices: list[Device]) -> None:
    bursts = work.bursts(devices[: work.devices])
    messages = sum(len(burst) for _, burst in bursts)
    expected = len(bursts) if work.assembled else messages
    points, requests, cpu_s = store.points(), store.requests(), bridge.cpu_s
    began = time.perf_counter()
    for login, burst in bursts:
        publishers.publish(login, burst)
        if len(burst) > 1:
            # Mosquitto takes one packet of each ready connection in turn: without this the bursts would mix.
            await publishers.acknowledged(login)

    def everything_stored() -> bool:
        return store.points() >= points + expected

    await _until(everything_stored)
    wall_s = time.perf_counter() - began
    await asyncio.sleep(1.0)  # what the bridge still does for these messages belongs to them
    cost_us = (bridge.cpu_s - cpu_s) / messages * 1e6
    asked = store.requests() - requests
    shape = f"{expected / asked:.1f} points per request" if asked else ""
    print(
        f"{work.name:38s} {store.name:15s} {messages / wall_s:9,.0f} msg/s  {cost_us:6.0f} us CPU/msg "
        f"= {1e6 / cost_us:7,.0f} msg/s per core  {bridge.memory_mb():5.0f} MB peak  {shape}",
        flush=True,
    )


async def _latency(store: EmbeddedStore, publishers: Publishers, devices: list[Device], *, rate: int, s: int) -> None:
    """At a steady rate, how long from the publish until the reading can be queried."""
    waits_ms: list[float] = []
    base_ms = int(time.time() * 1000) + 1_000
    watching: tuple[int, float] | None = None
    began, sent = time.perf_counter(), 0
    while sent < rate * s:
        now = time.perf_counter()
        due = min(int((now - began) * rate), rate * s)
        for number in range(sent, due):
            device, at_ms = devices[number % len(devices)], base_ms + number
            publishers.publish(device.login, [device.document(at_ms)])
            if watching is None:
                watching = (at_ms, time.perf_counter())
        sent = due
        if watching and store.has(watching[0]):
            waits_ms.append((time.perf_counter() - watching[1]) * 1000)
            watching = None
        await asyncio.sleep(0.002)
    p99 = statistics.quantiles(waits_ms, n=100)[98]
    print(
        f"publish -> queryable at {rate} msg/s: p50 {statistics.median(waits_ms):.0f} ms, p99 {p99:.0f} ms "
        f"({len(waits_ms)} probes, {store.name})"
    )


async def _measure(folder: Path, store: Sink, size: int, *, latency_s: int) -> None:
    loaded, measured = cores()
    os.sched_setaffinity(0, loaded)
    secret = new_secret()
    devices = await build(f"sqlite:///{folder}/deye.db", size, server=store.server, ready=not store.provisioned)
    async with broker(folder / "broker", devices, secret, on=loaded) as port:
        log = folder / "bridge.log"
        settings = environment(folder, mqtt_port=port, server=store.server, bridge_secret=secret)
        if isinstance(store, InfluxStore):
            store.provision(settings)
        bridge = start([sys.executable, "-m", "bridge"], on=measured, log=log, env=settings)
        publishers = Publishers("127.0.0.1", port)
        try:
            await _ready(bridge, log)
            print(f"idle with {size:,} inverters registered: {bridge.memory_mb('VmRSS'):.0f} MB", flush=True)
            await publishers.connect({device.login: device.secret for device in devices})
            # The first reading of each inverter activates its claim, a database transaction that later ones do not pay.
            for login, burst in _rounds(devices, 1):
                publishers.publish(login, burst)

            def claimed() -> bool:
                return store.points() >= size

            await _until(claimed)
            for work in WORKS:
                await _throughput(work, store, bridge, publishers, devices)
            if isinstance(store, EmbeddedStore):
                await _latency(store, publishers, devices, rate=500, s=latency_s)
        finally:
            publishers.close()
            bridge.stop()


def _sink(kind: str, folder: Path) -> Sink:
    """The store of one part of the table, running."""
    if kind == "inert":
        return InertSink(cores()[0])
    return EmbeddedStore(folder) if kind == "embedded" else InfluxStore(folder, cores()[0])


def main() -> None:
    """Prints one line per kind of work and store."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bridge")
    parser.add_argument("--inverters", type=int, default=1000)
    parser.add_argument("--latency-s", type=int, default=10, help="how long the latency is watched")
    chosen = parser.parse_args()
    kinds = {"inert": chosen.inverters, "embedded": chosen.inverters}
    if shutil.which("influxd"):
        kinds["influx"] = min(chosen.inverters, 200)  # 17 descriptors and 1.5 MB each, 30 ms to provision
    for kind, size in kinds.items():
        with tempfile.TemporaryDirectory() as name:
            store = _sink(kind, Path(name))
            try:
                asyncio.run(_measure(Path(name), store, size, latency_s=chosen.latency_s))
            finally:
                store.stop()


if __name__ == "__main__":
    main()
