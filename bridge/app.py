"""Wires the bridge: builds the edges, owns every task, stops in order: receive, flush, settle, disconnect."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import structlog

from bridge.broker_watch import BrokerWatch
from bridge.claims import Claims
from bridge.clock import Clock
from bridge.counters import Counters
from bridge.edges.broker_edges import connect_with
from bridge.edges.broker_news import BrokerNews
from bridge.edges.connection import Access
from bridge.edges.dead_letters import DeadLetterCopy
from bridge.edges.lease import Lease
from bridge.edges.letter_requests import LetterRequests
from bridge.edges.live import LiveRows
from bridge.edges.mqtt import MqttSession
from bridge.edges.outages import Outages
from bridge.edges.registry import SqlRegistry
from bridge.edges.remarks import EdgeRemarks
from bridge.edges.self_check import Entrance, SelfCheck
from bridge.edges.snapshot import SnapshotFile
from bridge.edges.spool import SqliteSpool
from bridge.edges.watch import Watch, Watched
from bridge.gate import Gate
from bridge.keeper import Keeper
from bridge.lanes import Limits
from bridge.letter_replays import LetterReplays
from bridge.observed import Role
from bridge.pipeline import Pipeline
from bridge.quotas import Quota, Quotas
from bridge.receiver import Receiver
from bridge.writer import Writer
from schema.database import create_engine_for, sessions_for
from schema.sealing import AesSealer
from schema.settings import BridgeSettings
from schema.timeseries.port import PointWriter
from schema.timeseries.stores import open_writer

_log = structlog.get_logger(__name__)

REPORT_EVERY_S = 60.0
_FAREWELL_S = 1.0
_LOOK_EVERY_S = 0.005
_DATABASE_PATIENCE_S = 5.0


class StoreNotDurable(Exception):
    """The store answers before it has written durably: nothing could ever be acknowledged on its word."""


class Bridge:
    """All parts of one running bridge."""

    def __init__(
        self,
        settings: BridgeSettings,
        clock: Clock,
        counters: Counters,
        stopping: asyncio.Event,
        watch: Watch | None = None,
        *,
        lease: Lease | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.counters = counters
        self.stopping = stopping
        self.watch = watch or Watch(settings, counters, clock)
        self.lease = lease

    @asynccontextmanager
    async def open(self, store: PointWriter | None = None) -> AsyncIterator[None]:
        """Build every part and close it again; ``store`` takes the place of the one the settings name."""
        settings, clock, counters = self.settings, self.clock, self.counters
        await asyncio.to_thread(settings.data_dir.mkdir, parents=True, exist_ok=True)
        async with AsyncExitStack() as stack:
            self.store = store or open_writer(
                settings.store, path=settings.readings_path, timeout_s=settings.store_timeout_s
            )
            self.store = self.watch.store(self.store)
            stack.push_async_callback(self.store.close)
            if not self.store.durable:
                raise StoreNotDurable(type(self.store).__name__)
            engine = create_engine_for(settings.database_url, patience_s=_DATABASE_PATIENCE_S, pooled=False)
            stack.push_async_callback(engine.dispose)
            sessions = sessions_for(engine)
            self.spool = await SqliteSpool.opened(
                settings.spool_path,
                max_bytes=settings.spool_max_bytes,
                counters=counters,
                floor_bytes=settings.disk_floor_bytes,
            )
            stack.callback(self.spool.close)
            self.registry = SqlRegistry(
                sessions=sessions,
                url=settings.database_url,
                sealer=AesSealer(*settings.token_keys),
                snapshot=SnapshotFile(settings.snapshot_path),
                clock=clock,
            )
            self.live = LiveRows(settings.live_url, clock, counters)
            stack.push_async_callback(self.live.close)
            self.remarks = EdgeRemarks(
                settings, sessions=sessions, registry=self.registry, live=self.live, clock=clock, counters=counters
            )
            self.letters = DeadLetterCopy(self.spool, sessions, settings.database_url, clock, counters)
            self._connect_parts()
            self.requests = LetterRequests(
                spool=self.spool,
                copy=self.letters,
                sessions=sessions,
                url=settings.database_url,
                registry=self.registry,
                replays=self.replays,
                clock=clock,
                counters=counters,
                keep=timedelta(days=settings.dead_letter_days),
            )
            self.watch.attach(
                Watched(self.session, self.writer, self.spool, self.registry, sessions, self.broker, self.check)
            )
            await self.registry.start()
            await self.live.start()
            await self.writer.start()
            stack.callback(self.outages.close)
            await self.outages.start()
            yield

    def _connect_parts(self) -> None:
        """The parts that decide and act, from the edges that are open by now."""
        settings, clock, counters = self.settings, self.clock, self.counters
        password = settings.bridge_mqtt_password.get_secret_value()
        self.broker = BrokerWatch(
            queue_limit=settings.broker_queue_messages, queue_limit_bytes=settings.broker_queue_bytes
        )
        self.check = SelfCheck(
            Entrance(settings.mqtt_host, settings.mqtt_logger_port, settings.mqtt_port, password), clock
        )
        news = BrokerNews(self.registry, self.live, self.remarks, self.broker, counters, clock)
        self.outages = Outages(
            settings,
            self.spool,
            counters,
            clock,
            connected_at=lambda: self.session.connected_at,
            packet_of=lambda token: self.session.packet(token),  # noqa: PLW0108  # it is made below
        )
        self.session = MqttSession(
            Access(
                host=settings.mqtt_host,
                port=settings.mqtt_port,
                password=password,
                session_expiry_s=settings.session_expiry_s,
                receive_maximum=settings.receive_maximum,
                keepalive_s=settings.mqtt_keepalive_s,
            ),
            clock,
            connect=connect_with(settings.broker_edge),
            on_subscribed=self._subscribed,
            on_system=news.told,
            on_marker=self.outages.marker,
            may_connect=self.lease.may_connect if self.lease else None,
        )
        self.keeper = Keeper(self.spool, self.session, counters, clock)
        self.writer = Writer(
            store=self.store,
            registry=self.registry,
            keeper=self.keeper,
            spool=self.spool,
            live=self.live,
            counters=counters,
            clock=clock,
            limits=Limits(settings.hold_s, settings.probe_s, settings.writes_in_flight, settings.spool_share_bytes),
        )
        self.claims = Claims(
            registry=self.registry,
            writer=self.writer,
            keeper=self.keeper,
            counters=counters,
            clock=clock,
            remarks=self.remarks,
        )
        pipeline = Pipeline(
            directory=lambda: self.registry.directory,
            live=self.live,
            counters=counters,
            reading_max_bytes=settings.reading_max_bytes,
            monotonic=clock.monotonic,
            backlog=self.outages.backlog,
            remarks=self.remarks,
        )
        news.accepted, news.heard = pipeline.login_connected, self.outages.backlog.heard
        per_s, burst = settings.quota_messages_per_s, settings.quota_burst_messages
        quota = Quota(per_s, burst, settings.quota_patience_s, settings.quarantine_s)
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
            gate=Gate(
                Quotas(quota), self.writer.beyond, lambda: self.registry.directory, clock, self.remarks.logins.spoke
            ),
            spreading=self.outages.connect(
                keeper=self.keeper, pipeline=pipeline, registry=self.registry, writer=self.writer
            ),
        )
        self.replays = LetterReplays(
            directory=lambda: self.registry.directory,
            live=self.live,
            reading_max_bytes=settings.reading_max_bytes,
            writer=self.writer,
            keeper=self.keeper,
            claims=self.claims,
            clock=clock,
            backlog=self.receiver.take,
        )

    def _subscribed(self) -> None:
        """The broker is there, perhaps another one than before."""
        _log.info("bridge.ready")
        self.check.asked()

    async def serve(self) -> None:
        """Run until ``stopping`` is set, then stop in order. Raises what a task could not go on with."""
        loops = {
            "mqtt": self.session.run,
            "receiver": self.receiver.run,
            "cycles": self.receiver.tick,
            **self.outages.loops(),
            "raws": self.receiver.replay_raws,
            "keeper": self.keeper.run,
            "claims": lambda: self.claims.run(self.receiver.take),
            "sweep": self.writer.sweep,
            "registry": self.registry.run,
            "live": self.live.run,
            **self.remarks.loops(),
            "dead_letters": self.letters.run,
            "letter_requests": self.requests.run,
            "report": self._report,
            "watch": self.watch.run,
            "self_check": self.check.run,
            "writer": self.writer.work,
            **({"lease": self.lease.run} if self.lease else {}),
        }
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(loop(), name=f"bridge.{name}") for name, loop in loops.items()]
            self.watch.active(tasks)
            await self.stopping.wait()
            await self._stop()
            for task in tasks:
                task.cancel()

    async def _stop(self) -> None:
        """Receive no more, let everything find its end, acknowledge it, say good-bye; the rest comes again."""
        _log.info("bridge.stopping")
        self.watch.role = Role.STOPPING
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
                await self.remarks.flush()
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
