"""The store is down for an hour while 1,000 readings a second come: time is scaled, the volume is not.

3.6 million messages go through broker and bridge into the spool as fast as they can be taken; memory is looked at on
the way. Then the store comes back, readings go on coming at 1,000 a second, and the spool drains beside them. In the
end each reading of each inverter must have arrived: counted one by one.
"""

import argparse
import asyncio
import re
import sys
import time
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from benchmarks import fleet
from benchmarks.broker import broker
from benchmarks.mqtt_load import Publishers
from benchmarks.processes import Measured, cores, start
from tests.services import free_port

_BRIDGE_SECRET = "the bridge's secret of the benchmark"
_ANSWER = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"
_SETTLED = re.compile(r'^deye_bridge_messages_settled_total\{outcome="(\w+)"\} (\S+)', re.MULTILINE)
# What may be under way between the publishers and the spool: far below the broker's queue, so that it drops nothing.
_MOST_UNDER_WAY = 20_000
_ROUND = 10
_PATIENCE_S = 120.0


class Ledger:
    """Which second of which inverter the store has: one byte for each."""

    def __init__(self, serials: list[str], start_s: int, most_s: int) -> None:
        self._rows = {serial.encode(): bytearray(most_s) for serial in serials}
        self._start_s = start_s
        self.distinct = 0
        self.points = 0
        self.foreign = 0

    def take(self, body: bytes) -> None:
        """The lines of one request."""
        for line in body.splitlines():
            serial = line[15 : line.index(b" ")]
            second = int(line[line.rindex(b" ") + 1 :]) // 1000 - self._start_s
            row = self._rows.get(serial)
            if row is None or not 0 <= second < len(row):
                self.foreign += 1
                continue
            self.points += 1
            if not row[second]:
                row[second] = 1
                self.distinct += 1


class Sink(asyncio.Protocol):
    """A store that takes everything at once and enters it into the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._buffer[:end]).lower()
            mark = head.find(b"content-length:")
            size = int(head[mark + 15 :].split(b"\r\n", 1)[0]) if mark >= 0 else 0
            if len(self._buffer) < end + 4 + size:
                return
            self._ledger.take(bytes(self._buffer[end + 4 : end + 4 + size]))
            del self._buffer[: end + 4 + size]
            assert self._transport is not None
            self._transport.write(_ANSWER)


class Outage:
    """The parts at work, and what was published."""

    def __init__(self, devices: list[fleet.Device], publishers: Publishers, bridge: Measured, folder: Path) -> None:
        self.devices = devices
        self.bridge = bridge
        self._publishers = publishers
        self._folder = folder
        self._rounds = [0] * len(devices)
        self._metrics = ""
        self.start_s = int(time.time()) - 30 * 86_400
        self.published = 0

    def at(self, metrics_port: int) -> Self:
        """Where the bridge tells its numbers."""
        self._metrics = f"http://127.0.0.1:{metrics_port}/metrics"
        return self

    def publish(self, number: int, readings: int) -> None:
        """The next readings of one inverter, a second apart."""
        device, first = self.devices[number], self._rounds[number]
        times = range(self.start_s + first, self.start_s + first + readings)
        self._publishers.publish(device.login, [device.document(at_s * 1000) for at_s in times])
        self._rounds[number] += readings
        self.published += readings

    async def settled(self) -> int:
        """Messages the bridge has ended, and how."""
        with await asyncio.to_thread(urllib.request.urlopen, self._metrics, timeout=10) as answer:
            self.outcomes = {outcome: int(float(count)) for outcome, count in _SETTLED.findall(answer.read().decode())}
        return sum(self.outcomes.values())

    def spool_mb(self) -> float:
        """What the spool's files have on the disk."""
        return sum(path.stat().st_size for path in self._folder.glob("spool.db*")) / 1024**2

    async def fill(self, readings_each: int) -> None:
        """The outage: everything as fast as the bridge takes it, a line of figures at each tenth."""
        began, total, shown = time.monotonic(), readings_each * len(self.devices), 0
        while min(self._rounds) < readings_each:
            for number in range(len(self.devices)):
                self.publish(number, min(_ROUND, readings_each - self._rounds[number]))
                if number % 100 == 99:
                    await asyncio.sleep(0)
            await self._settled_but(_MOST_UNDER_WAY)
            if self.published >= shown + total // 10:
                shown = self.published
                self._say("outage", began)
        await self._settled_but(0)
        self._say("outage, all acknowledged", began)

    async def _settled_but(self, most: int) -> None:
        """Wait until no more than so many messages are under way."""
        deadline = time.monotonic() + _PATIENCE_S
        while (open_ones := self.published - await self.settled()) > most:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{open_ones} messages are not acknowledged after {_PATIENCE_S:.0f} s")
            await asyncio.sleep(0.02)

    def _say(self, what: str, began: float) -> None:
        passed = time.monotonic() - began
        print(
            f"{what}: {self.published:,} messages, {self.published / passed:,.0f} msg/s, "
            f"{self.bridge.memory_mb('VmRSS'):.0f} MB resident, spool {self.spool_mb():,.0f} MB",
            flush=True,
        )

    async def drain(self, ledger: Ledger, live_per_s: int) -> None:
        """The store is back: readings go on at their pace until it has everything."""
        began, kept, live, shown = time.monotonic(), self.published, 0, 0.0
        while ledger.distinct < self.published:
            passed = time.monotonic() - began
            # Live readings end when nine tenths are drained, so that there is an end.
            while live < passed * live_per_s and ledger.distinct < kept * 0.9:
                self.publish(live % len(self.devices), 1)
                live += 1
            if passed >= shown + 10:
                shown = passed
                memory = self.bridge.memory_mb("VmRSS")
                print(
                    f"drain: {ledger.distinct:,} of {self.published:,} after {passed:.0f} s, {memory:.0f} MB",
                    flush=True,
                )
            await asyncio.sleep(0.01)
        passed = time.monotonic() - began
        print(
            f"drained: {kept:,} kept readings in {passed:.1f} s = {kept / passed:,.0f} a second "
            f"beside {live:,} live ones; "
            f"{kept / passed / 1000:.1f} times as fast as 1,000 a second; peak {self.bridge.memory_mb():.0f} MB",
            flush=True,
        )


async def _run(folder: Path, *, inverters: int, seconds: int, live_per_s: int, edge: str) -> bool:
    near, far = cores()
    store_port, metrics_port = free_port(), free_port()
    server = f"http://127.0.0.1:{store_port}"
    devices = await fleet.build(f"sqlite:///{folder}/deye.db", inverters, server=server, ready=True)
    loop = asyncio.get_running_loop()
    async with broker(folder / "broker", devices, _BRIDGE_SECRET, on=near) as port:
        environment = fleet.environment(folder, mqtt_port=port, server=server, bridge_secret=_BRIDGE_SECRET) | {
            "METRICS_PORT": str(metrics_port),
            "BROKER_EDGE": edge,
            # Time is scaled: what a login sends here in a second it would send in a minute.
            "QUOTA_MESSAGES_PER_S": "1000000",
        }
        log = folder / "bridge.log"
        bridge = start([sys.executable, "-m", "bridge"], on=far, log=log, env=environment)
        publishers = Publishers("127.0.0.1", port)
        try:
            while "bridge.ready" not in log.read_text():
                if bridge.process.poll() is not None:
                    raise SystemExit(log.read_text()[-2000:])
                await asyncio.sleep(0.05)
            await publishers.connect({one.login: one.secret for one in devices})
            outage = Outage(devices, publishers, bridge, folder).at(metrics_port)
            await outage.fill(seconds)
            ledger = Ledger([one.serial for one in devices], outage.start_s, seconds + 100_000)
            listening = await loop.create_server(lambda: Sink(ledger), "127.0.0.1", store_port)
            await outage.drain(ledger, live_per_s)
            await asyncio.sleep(2.0)  # a reading too many would come now
            settled = await outage.settled()
            listening.close()
        finally:
            publishers.close()
            bridge.stop()
    # A connection that was lost brings messages again: each copy is settled, and writes its point once more.
    again = settled - outage.published
    exact = ledger.distinct == outage.published and ledger.points == settled and not ledger.foreign
    lost = [line for line in log.read_text().splitlines() if '"broker.away"' in line]
    print("\n".join(lost[:5]) or "the connection to the broker was never lost")
    print(
        f"published {outage.published:,}, settled {settled:,} ({again:,} delivered again) {outage.outcomes}, "
        f"in the store {ledger.distinct:,} distinct "
        f"of {ledger.points:,} written, foreign {ledger.foreign}: {'exact' if exact else 'NOT EXACT'}"
    )
    return exact


def main() -> None:
    """Run it and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.outage", description="an outage of the store, its volume unscaled"
    )
    parser.add_argument("--inverters", type=int, default=1_000)
    parser.add_argument("--seconds", type=int, default=3_600, help="of outage; each inverter sends one reading in each")
    parser.add_argument("--live", type=int, default=1_000, help="readings a second while the spool drains")
    parser.add_argument("--edge", default="aiomqtt", choices=("aiomqtt", "mqtt5"))
    chosen = parser.parse_args()
    with TemporaryDirectory() as folder:
        run = _run(
            Path(folder), inverters=chosen.inverters, seconds=chosen.seconds, live_per_s=chosen.live, edge=chosen.edge
        )
        raise SystemExit(0 if asyncio.run(run) else 1)


if __name__ == "__main__":
    main()
