"""Wires the bridge: builds the edges, owns every task, stops in order: receive, flush, settle, disconnect."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime

import structlog

from bridge.claims import Claims
from bridge.clock import Clock
from bridge.counters import Counters
from bridge.edges import broker_log
from bridge.edges.broker_client import Access
from bridge.edges.dead_letters import DeadLetterCopy
from bridge.edges.live import LiveRows
from bridge.edges.lock import only_bridge
from bridge.edges.mqtt import MqttSession, TakenOver
from bridge.edges.registry import SqlRegistry
from bridge.edges.snapshot import SnapshotFile
from bridge.edges.spool import SqliteSpool
from bridge.keeper import Keeper
from bridge.lanes import Limits
from bridge.pipeline import Pipeline
from bridge.receiver import Receiver
from bridge.refusals import Reason, sentence
from bridge.writer import Writer
from schema.database import create_engine_for, sessions_for
from schema.sealing import AesSealer
from schema.settings import BridgeSettings
from schema.timeseries.port import PointWriter
from schema.timeseries.stores import open_writer

_log = structlog.get_logger(__name__)

REPORT_EVERY_S = 60.0
EXIT_TAKEN_OVER = 3
_FAREWELL_S = 1.0
_LOOK_EVERY_S = 0.005


class StoreNotDurable(Exception):
    """The store answers before it has written durably: nothing could ever be acknowledged on its word."""


class Bridge:
    """All parts of one running bridge."""

    def __init__(self, settings: BridgeSettings, clock: Clock, counters: Counters, stopping: asyncio.Event) -> None:
        self.settings = settings
        self.clock = clock
        self.counters = counters
        self.stopping = stopping

    @asynccontextmanager
    async def open(self, store: PointWriter | None = None) -> AsyncIterator[None]:
        """Build every part and close it again; ``store`` takes the place of the one the settings name."""
        settings, clock, counters = self.settings, self.clock, self.counters
        await asyncio.to_thread(settings.data_dir.mkdir, parents=True, exist_ok=True)
        async with AsyncExitStack() as stack:
            self.store = store or open_writer(
                settings.store, path=settings.readings_path, timeout_s=settings.store_timeout_s
            )
            stack.push_async_callback(self.store.close)
            if not self.store.durable:
                raise StoreNotDurable(type(self.store).__name__)
            engine = create_engine_for(settings.database_url)
            stack.push_async_callback(engine.dispose)
            sessions = sessions_for(engine)
            self.spool = SqliteSpool(settings.spool_path, max_bytes=settings.spool_max_bytes, counters=counters)
            stack.callback(self.spool.close)
            self.registry = SqlRegistry(
                sessions=sessions,
                url=settings.database_url,
                sealer=AesSealer(settings.token_key.get_secret_value()),
                snapshot=SnapshotFile(settings.snapshot_path),
                clock=clock,
            )
            self.live = LiveRows(settings.live_url, clock, counters)
            stack.push_async_callback(self.live.close)
            self.letters = DeadLetterCopy(self.spool, sessions, settings.database_url, clock, counters)
            self._connect_parts()
            await self.registry.start()
            await self.live.start()
            await self.writer.start()
            yield

    def _connect_parts(self) -> None:
        """The parts that decide and act, from the edges that are open by now."""
        settings, clock, counters = self.settings, self.clock, self.counters
        self.session = MqttSession(
            Access(
                host=settings.mqtt_host,
                port=settings.mqtt_port,
                password=settings.bridge_mqtt_password.get_secret_value(),
                session_expiry_s=settings.session_expiry_s,
                receive_maximum=settings.receive_maximum,
            ),
            clock,
            on_subscribed=lambda: _log.info("bridge.ready"),
            on_broker_log=self._broker_said,
        )
        self.keeper = Keeper(self.spool, self.session, counters, clock)
        self.writer = Writer(
            store=self.store,
            registry=self.registry,
            keeper=self.keeper,
            spool=self.spool,
            counters=counters,
            clock=clock,
            limits=Limits(settings.hold_s, settings.probe_s, settings.writes_in_flight),
        )
        self.claims = Claims(
            registry=self.registry, writer=self.writer, keeper=self.keeper, counters=counters, clock=clock
        )
        pipeline = Pipeline(
            directory=lambda: self.registry.directory,
            live=self.live,
            counters=counters,
            reading_max_bytes=settings.reading_max_bytes,
            monotonic=clock.monotonic,
        )
        self.receiver = Receiver(
            session=self.session,
            pipeline=pipeline,
            writer=self.writer,
            keeper=self.keeper,
            claims=self.claims,
            spool=self.spool,
            counters=counters,
            clock=clock,
            receive_maximum=settings.receive_maximum,
        )

    def _broker_said(self, line: str, at: datetime) -> None:
        """What the broker's log tells about a login moves its inverters up the ladder."""
        heard = broker_log.read(line)
        entry = self.registry.directory.login(heard[0]) if heard else None
        if heard is None or entry is None:
            return
        inverter_ids = [route.inverter_id for route in entry.routes.values()]
        if heard[1] is broker_log.BrokerEvent.ACCEPTED:
            self.live.login_accepted(inverter_ids)
            return
        self.live.broker_reached(inverter_ids)
        if heard[1] is broker_log.BrokerEvent.TOO_LARGE:
            detail = sentence(Reason.TOO_LARGE, "more than 65536")
            for inverter_id in inverter_ids:
                self.live.refused(inverter_id, Reason.TOO_LARGE, detail, at)

    async def serve(self) -> None:
        """Run until ``stopping`` is set, then stop in order. Raises what a task could not go on with."""
        loops = {
            "mqtt": self.session.run,
            "receiver": self.receiver.run,
            "cycles": self.receiver.tick,
            "raws": self.receiver.replay_raws,
            "keeper": self.keeper.run,
            "claims": lambda: self.claims.run(self.receiver.take),
            "sweep": self.writer.sweep,
            "registry": self.registry.run,
            "live": self.live.run,
            "dead_letters": self.letters.run,
            "report": self._report,
            **{f"writer.{number}": self.writer.work for number in range(self.settings.writes_in_flight)},
        }
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(loop(), name=f"bridge.{name}") for name, loop in loops.items()]
            await self.stopping.wait()
            await self._stop()
            for task in tasks:
                task.cancel()

    async def _stop(self) -> None:
        """Receive no more, let everything find its end, acknowledge it, say good-bye; the rest comes again."""
        _log.info("bridge.stopping")
        deadline = self.clock.monotonic() + self.settings.stop_timeout_s
        self.session.stop_receiving()
        self.receiver.flush()
        half = self.clock.monotonic() + self.settings.stop_timeout_s / 2
        await self._until(lambda: not (self.claims.pending or self.writer.pending), half)
        self.writer.keep_all()
        await self._until(lambda: not self.keeper.pending, deadline - _FAREWELL_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL_S):
                await self.session.disconnect()
                await self.live.flush(everything=True)
        self._log_counters("bridge.stopped")

    async def _until(self, reached: Callable[[], bool], deadline: float) -> None:
        while not reached() and self.clock.monotonic() < deadline:  # several parts, once in a life
            await self.clock.sleep(_LOOK_EVERY_S)

    async def _report(self) -> None:
        while True:
            await self.clock.sleep(REPORT_EVERY_S)
            self._log_counters("bridge.counted")

    def _log_counters(self, event: str) -> None:
        window = self.session.window
        _log.info(
            event,
            received=window.received,
            settled=window.settled,
            in_window=len(window),
            dropped=window.dropped,
            **self.counters.as_fields(),
        )


async def run(settings: BridgeSettings) -> int:
    """One bridge from lock to farewell; the process's exit status."""
    clock, stopping = Clock(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with only_bridge(settings.data_dir, clock, stopping) as alone:
        if not alone:
            return 0
        bridge = Bridge(settings, clock, Counters(), stopping)
        try:
            async with bridge.open():
                await bridge.serve()
        except* TakenOver as fault:
            _log.error("bridge.taken_over", detail=str(fault.exceptions[0]))  # its place says nothing
            return_code = EXIT_TAKEN_OVER
        else:
            return_code = 0
    return return_code
