"""What one broken tenant among many does to the others: ``python -m benchmarks.neighbours``.

Healthy and broken stretches take turns in one run, so that both meet the same machine; the figure is what becomes of
the others' publish → written p99. The store's own write time is known here: it is the sink's delay.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.broker import broker
from benchmarks.fleet import Device, build, environment
from benchmarks.mqtt_load import Publishers
from benchmarks.processes import Measured, cores, start
from benchmarks.watching_sink import TROUBLES, WatchingSink
from schema.verifiers import new_secret

_PATIENCE_S = 120.0
_STORE_S = 0.002


class Fleet:
    """Publishes at a steady rate and gathers how long the readings of healthy tenants were on their way."""

    def __init__(self, devices: list[Device], publishers: Publishers, sink: WatchingSink) -> None:
        self._devices = devices
        self._publishers = publishers
        self._sink = sink
        self._next_ms = int(time.time() * 1000)
        self._turn = 0
        self._troubled: set[int] = set()

    async def stretch(self, *, rate: int, seconds: float) -> list[float]:
        """Milliseconds from publish to written, of every tenant but the first."""
        sent: dict[int, float] = {}
        began, count = time.perf_counter(), 0
        while count < rate * seconds:
            due = int((time.perf_counter() - began) * rate)
            for _ in range(count, min(due, int(rate * seconds))):
                self._publish(sent)
            count = max(count, due)
            await asyncio.sleep(0.002)

        def all_written() -> bool:
            return sent.keys() <= self._sink.written.keys()

        await until(all_written)
        return [(self._sink.written.pop(at_ms) - at) * 1000 for at_ms, at in sent.items()]

    async def recovered(self) -> None:
        """The first tenant, too, has everything that was kept for it meanwhile."""

        def all_written() -> bool:
            return self._troubled <= self._sink.written.keys()

        await until(all_written)

    def _publish(self, sent: dict[int, float]) -> None:
        device = self._devices[self._turn % len(self._devices)]
        self._turn += 1
        self._next_ms += 1
        if device is self._devices[0]:
            self._troubled.add(self._next_ms)
        else:
            sent[self._next_ms] = time.perf_counter()
        self._publishers.publish(device.login, [device.document(self._next_ms)])


async def until(done: Callable[[], bool]) -> None:
    """Wait for ``done``. Raises ``TimeoutError``."""
    deadline = time.monotonic() + _PATIENCE_S
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not everything arrived within {_PATIENCE_S:.0f} s")
        await asyncio.sleep(0.005)


def _p99(waits_ms: list[float]) -> float:
    return statistics.quantiles(waits_ms, n=100)[98]


async def _compare(fleet: Fleet, sink: WatchingSink, *, rate: int, seconds: float, turns: int) -> None:
    own_ms = _STORE_S * 1000
    for name, trouble in TROUBLES.items():
        healthy: list[float] = []
        broken: list[float] = []
        for _ in range(turns):
            healthy += await fleet.stretch(rate=rate, seconds=seconds)
            healthily, sink.trouble = sink.trouble, trouble
            broken += await fleet.stretch(rate=rate, seconds=seconds)
            sink.trouble = healthily
        await fleet.recovered()
        assert sink.refused, "the broken tenant was not even tried"
        sink.refused = 0
        change = _p99(broken) / _p99(healthy) - 1
        print(
            f"one tenant {name:14s} at {rate} msg/s: others' p99 {_p99(broken):5.1f} ms, "
            f"beside {_p99(healthy):5.1f} ms with all healthy ({change:+.0%}); "
            f"p50 {statistics.median(broken):.1f} and {statistics.median(healthy):.1f} ms, "
            f"the store's own {own_ms:.0f} ms",
            flush=True,
        )


async def _measure(folder: Path, *, tenants: int, rate: int, seconds: float, turns: int) -> None:
    loaded, measured = cores()
    os.sched_setaffinity(0, loaded)
    secret = new_secret()
    async with WatchingSink(delay_s=_STORE_S) as sink:
        devices = await build(f"sqlite:///{folder}/deye.db", tenants, server=sink.url, ready=True)
        sink.broken_bucket = f"{0:016x}"
        async with broker(folder / "broker", devices, secret, on=loaded) as port:
            log = folder / "bridge.log"
            settings = environment(folder, mqtt_port=port, server=sink.url, bridge_secret=secret)
            bridge = start([sys.executable, "-m", "bridge"], on=measured, log=log, env=settings)
            publishers = Publishers("127.0.0.1", port)
            try:
                await until(lambda: _running(bridge, log))
                await publishers.connect({device.login: device.secret for device in devices})
                fleet = Fleet(devices, publishers, sink)
                # The first reading of each activates its claim, which later ones do not pay.
                await fleet.stretch(rate=rate, seconds=(tenants + 1) / rate)
                await _compare(fleet, sink, rate=rate, seconds=seconds, turns=turns)
            finally:
                publishers.close()
                bridge.stop()


def _running(bridge: Measured, log: Path) -> bool:
    if bridge.process.poll() is not None:
        raise SystemExit(f"the bridge ended:\n{log.read_text()[-2000:]}")
    return "bridge.ready" in log.read_text()


def main() -> None:
    """Prints one line per kind of trouble."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.neighbours")
    parser.add_argument("--tenants", type=int, default=1000)
    parser.add_argument("--rate", type=int, default=500, help="messages per second")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each stretch")
    parser.add_argument("--turns", type=int, default=3, help="stretches of each kind")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(
            _measure(Path(name), tenants=chosen.tenants, rate=chosen.rate, seconds=chosen.seconds, turns=chosen.turns)
        )


if __name__ == "__main__":
    main()
