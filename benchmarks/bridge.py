"""What a message costs the bridge, and how soon it can be queried: ``python -m benchmarks.bridge``.

Every message takes the whole path: a real Mosquitto, reception, decoding, encoding, a write, the acknowledgement. Load
and broker have one core, the bridge the other. Figures are single runs beside whatever else the machine does: compare
the rows of one run, quote ratios. A ``telegraf`` on PATH does the same work in the same run.
"""

import argparse
import asyncio
import contextlib
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.broker import broker
from benchmarks.fleet import Device, build, environment
from benchmarks.mqtt_load import Publication, Publishers
from benchmarks.processes import Measured, cores, start
from benchmarks.sinks import EmbeddedStore, InertSink, InfluxStore, Sink
from benchmarks.telegraf import DOCUMENTS, SCALARS, start_telegraf
from bridge.repeats import BURST
from schema.verifiers import new_secret

_PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Work:
    """What one row of the table does: ``bursts(devices)`` are the messages of each device, sent in this order.

    ``assembled`` says that the messages of a burst make one point together; ``form`` is how a peer reads them.
    """

    name: str
    devices: int
    assembled: bool
    form: str
    bursts: Callable[[list[Device]], list[tuple[str, list[Publication]]]]


def _rounds(devices: list[Device], rounds: int) -> list[tuple[str, list[Publication]]]:
    """Round after round of one document per device: no two that wait together are of one inverter."""
    now_ms = int(time.time() * 1000)
    return [(device.login, [device.document(now_ms + turn)]) for turn in range(rounds) for device in devices]


def _bursts(devices: list[Device], size: int) -> list[tuple[str, list[Publication]]]:
    """``size`` documents of one inverter at once, then the next inverter's, three times round."""
    now_ms = int(time.time() * 1000)
    return [
        (device.login, [device.document(now_ms + base + turn) for turn in range(size)])
        for base in range(0, 3 * size, size)
        for device in devices
    ]


WORKS = (
    Work("JSON documents, inverters in turn", 2000, False, DOCUMENTS, lambda devices: _rounds(devices, 20)),
    Work("JSON documents, ten at once", 2000, False, DOCUMENTS, lambda devices: _bursts(devices, 10)),
    Work(
        "scalars, 40 topics per reading",
        500,
        True,
        SCALARS,
        lambda devices: [(one.login, one.cycle()) for _ in range(4) for one in devices],
    ),
)


async def until(done: Callable[[], bool], *, patience_s: float = _PATIENCE_S) -> None:
    """Wait for it, patiently. Raises ``TimeoutError``."""
    deadline = time.monotonic() + patience_s
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not everything arrived within {patience_s:.0f} s")
        await asyncio.sleep(0.01)


async def ready(measured: Measured, log: Path, word: str) -> None:
    """Wait until its log has a word in it. Ends the benchmark where the process ends."""

    def subscribed() -> bool:
        if measured.process.poll() is not None:
            raise SystemExit(f"it ended:\n{log.read_text()[-2000:]}")
        return word in log.read_text()

    await until(subscribed)


@dataclass(frozen=True, slots=True)
class Subject:
    """A process under measurement; ``assembles`` says that it makes one point of a cycle."""

    name: str
    process: Measured
    assembles: bool


async def _throughput(work: Work, store: Sink, subject: Subject, publishers: Publishers, devices: list[Device]) -> None:
    bridge = subject.process
    bursts = work.bursts(devices[: work.devices])
    messages = sum(len(burst) for _, burst in bursts)
    expected = len(bursts) if work.assembled and subject.assembles else messages
    points, requests, cpu_s = store.points(), store.requests(), bridge.cpu_s
    began = time.perf_counter()
    for login, burst in bursts:
        publishers.publish(login, burst)
        if len(burst) > 1:
            # Mosquitto takes one packet of each ready connection in turn: without this the bursts would mix.
            await publishers.acknowledged(login)

    def everything_stored() -> bool:
        return store.points() >= points + expected

    await until(everything_stored)
    wall_s = time.perf_counter() - began
    await asyncio.sleep(1.0)  # what it still does for these messages belongs to them
    cost_us = (bridge.cpu_s - cpu_s) / messages * 1e6
    asked = store.requests() - requests
    shape = f"{expected / asked:.1f} points per request" if asked else ""
    print(
        f"{subject.name:9s} {work.name:34s} {store.name:15s} {messages / wall_s:9,.0f} msg/s {cost_us:6.1f} us CPU/msg "
        f"= {1e6 / cost_us:7,.0f} msg/s per core  {bridge.memory_mb():5.0f} MB peak  {shape}",
        flush=True,
    )


async def _latency(store: EmbeddedStore, publishers: Publishers, devices: list[Device], *, rate: int, s: int) -> None:
    """At a steady rate, from the publish until the reading can be queried, beside what the store takes alone."""
    own_ms = await store.own_write_ms()
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
        f"({len(waits_ms)} probes, {store.name}, whose own write takes {own_ms:.1f} ms)"
    )


@contextlib.asynccontextmanager
async def fleet(
    folder: Path, store: Sink, size: int, *, on: set[int]
) -> AsyncIterator[tuple[list[Device], int, str, Publishers]]:
    """Devices, a broker that knows them, its port and the bridge's secret there, and publishers for them."""
    secret = new_secret()
    devices = await build(f"sqlite:///{folder}/deye.db", size, server=store.server, ready=not store.provisioned)
    async with broker(folder / "broker", devices, secret, on=on) as port:
        publishers = Publishers("127.0.0.1", port)
        try:
            yield devices, port, secret, publishers
        finally:
            publishers.close()


async def _measure(
    folder: Path, store: Sink, size: int, edge: str, works: Sequence[Work], *, latency_s: int, profile: Path | None
) -> None:
    """Our bridge."""
    loaded, measured = cores()
    os.sched_setaffinity(0, loaded)
    async with fleet(folder, store, size, on=loaded) as (devices, port, secret, publishers):
        log = folder / "bridge.log"
        settings = environment(folder, mqtt_port=port, server=store.server, bridge_secret=secret)
        settings |= {"BROKER_EDGE": edge}
        if isinstance(store, InfluxStore):
            store.provision(settings)
        profiled = ["-m", "cProfile", "-o", str(profile)] if profile else []
        bridge = start([sys.executable, *profiled, "-m", "bridge"], on=measured, log=log, env=settings)
        subject = Subject(edge, bridge, assembles=True)
        try:
            await ready(bridge, log, "bridge.ready")
            print(f"idle with {size:,} inverters registered: {bridge.memory_mb('VmRSS'):.0f} MB", flush=True)
            await publishers.connect({device.login: device.secret for device in devices})
            # The first reading of each inverter activates its claim, a database transaction that later ones do not pay.
            for login, burst in _rounds(devices, 1):
                publishers.publish(login, burst)

            def claimed() -> bool:
                return store.points() >= size

            await until(claimed)
            # Equal values right after a login has connected would be taken for a home bridge's repetitions.
            await asyncio.sleep(BURST.total_seconds())
            for work in works:
                await _throughput(work, store, subject, publishers, devices)
            if isinstance(store, EmbeddedStore):
                await _latency(store, publishers, devices, rate=500, s=latency_s)
        finally:
            bridge.stop()


async def _measure_peer(program: str, folder: Path, store: Sink, size: int, works: Sequence[Work]) -> None:
    """Telegraf, once for each form of message."""
    loaded, measured = cores()
    os.sched_setaffinity(0, loaded)
    for form in (DOCUMENTS, SCALARS):
        place = folder / ("documents" if form is DOCUMENTS else "scalars")
        place.mkdir()
        async with fleet(place, store, size, on=loaded) as (devices, port, secret, publishers):
            peer = start_telegraf(program, place, form, port=port, server=store.server, password=secret, on=measured)
            try:
                await ready(peer, place / "telegraf.log", "Connected")
                await publishers.connect({device.login: device.secret for device in devices})
                for work in works:
                    if work.form is form:
                        await _throughput(work, store, Subject("telegraf", peer, False), publishers, devices)
            finally:
                peer.stop()


def _sink(kind: str, folder: Path) -> Sink:
    """The store of one part of the table, running."""
    if kind == "inert":
        return InertSink(cores()[0])
    return EmbeddedStore(folder) if kind == "embedded" else InfluxStore(folder, cores()[0])


def _run(kind: str, measure: Callable[[Path, Sink], Coroutine[Any, Any, None]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        store = _sink(kind, Path(name))
        try:
            asyncio.run(measure(Path(name), store))
        finally:
            store.stop()


def main() -> None:
    """Prints one line per kind of work, edge and store."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bridge")
    parser.add_argument("--inverters", type=int, default=1000)
    parser.add_argument("--latency-s", type=int, default=10, help="how long the latency is watched")
    parser.add_argument("--edge", choices=("aiomqtt", "mqtt5"), action="append", help="default: both, with each store")
    parser.add_argument("--store", choices=("inert", "embedded", "influx"), action="append", help="default: all")
    parser.add_argument("--work", default="", help="only rows whose name has this in it")
    parser.add_argument("--profile", type=Path, help="where cProfile's figures of the bridge go")
    chosen = parser.parse_args()
    works = [work for work in WORKS if chosen.work in work.name]
    sizes = {"inert": chosen.inverters, "embedded": chosen.inverters}
    if shutil.which("influxd"):
        sizes["influx"] = min(chosen.inverters, 200)  # 17 descriptors and 1.5 MB each, 30 ms to provision
    for kind in chosen.store or sizes:
        for edge in chosen.edge or ("aiomqtt", "mqtt5"):
            _run(
                kind,
                lambda folder, store, size=sizes[kind], edge=edge: _measure(  # type: ignore[misc]  # bound now
                    folder, store, size, edge, works, latency_s=chosen.latency_s, profile=chosen.profile
                ),
            )
        if kind == "inert" and (program := shutil.which("telegraf")):
            _run(
                kind,
                lambda folder, store, program=program: _measure_peer(program, folder, store, chosen.inverters, works),  # type: ignore[misc]  # bound now
            )


if __name__ == "__main__":
    main()
