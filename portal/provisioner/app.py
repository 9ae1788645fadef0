"""Wires the provisioner's parts and its three named tasks. Only this module knows clock and dice."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from portal.provisioner import erased_rows
from portal.provisioner.backoff import Backoff
from portal.provisioner.broker_folder import BrokerFolder
from portal.provisioner.embedded_places import EmbeddedPlaces
from portal.provisioner.erased_rows import Here
from portal.provisioner.erasing import Erasing
from portal.provisioner.figures import Figures, ServerRows
from portal.provisioner.generations import Generations
from portal.provisioner.in_turn import InTurn
from portal.provisioner.influx_places import InfluxPlaces
from portal.provisioner.making import Keeping, Making
from portal.provisioner.moving import Moving
from portal.provisioner.placing import Placing, Room
from portal.provisioner.ports import Places
from portal.provisioner.reconciler import Reconciler
from portal.provisioner.remains import NoRemains, Remains
from portal.provisioner.repairs import Repairs
from portal.provisioner.same_server import same_server
from schema.changes import Changes, Channel
from schema.database import Sessions, create_engine_for, sessions_for
from schema.sealing import AesSealer
from schema.settings import ProvisionerSettings
from schema.timeseries import stores
from schema.timeseries.kinds import StoreKind
from schema.timeseries.management import ReadingsCopier, StoreManager

_log = structlog.get_logger(__name__)

CONFIRM_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Provisioner:
    """The parts of one process. ``places`` are taken care of each by itself, in their order where it is done once."""

    database_url: str
    generations: Generations
    places: Mapping[str, Places]
    backoff: Backoff

    async def once(self) -> None:
        """One full pass. Raises what keeps the password file from being written; places note their own trouble."""
        await self.generations.refresh()
        await self.generations.confirm()
        for places in self.places.values():
            await places.turn()

    async def run(self) -> None:
        """Follow the registry, the broker and the store until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow("passwords", self._refresh), name="provisioner.passwords")
            for what, places in self.places.items():
                group.create_task(self._follow(what, places.turn), name=f"provisioner.{what}")
            group.create_task(self._confirm(), name="provisioner.confirm")

    async def _refresh(self) -> None:
        await self.generations.refresh()

    async def _follow(self, what: str, turn: Callable[[], Awaitable[float | None]]) -> None:
        """Take a turn after each change of the registry, and when a retry is due."""
        async with Changes(self.database_url, Channel.REGISTRY) as changes:
            change = asyncio.create_task(changes.wait(), name=f"provisioner.{what}.change")
            try:
                while True:
                    retry_s = await self._turn(what, turn)
                    await asyncio.wait({change}, timeout=retry_s)
                    if change.done():
                        change.result()
                        change = asyncio.create_task(changes.wait(), name=f"provisioner.{what}.change")
            finally:
                change.cancel()

    async def _turn(self, what: str, turn: Callable[[], Awaitable[float | None]]) -> float | None:
        """One guarded turn: trouble is logged and waited out, the other tasks go on."""
        if not self.backoff.is_due(what):
            return self.backoff.due_in_s(what)
        try:
            retry_s = await turn()
        except Exception as error:  # noqa: BLE001  # one turn of a loop that must outlive a database or disk that is away
            again_s = self.backoff.failed(what)
            _log.error(
                "turn.failed", of=what, error=f"{type(error).__name__}: {error}"[:300], again_in_s=round(again_s, 1)
            )
            return again_s
        self.backoff.succeeded(what)
        return retry_s

    async def _confirm(self) -> None:
        """The broker's keeper answers with a file: look at it often, ask the database only when it has changed."""
        while True:
            await self._turn("confirm", self.generations.confirm)
            await asyncio.sleep(CONFIRM_POLL_S)


@asynccontextmanager
async def open_provisioner(
    settings: ProvisionerSettings, folder: BrokerFolder, *, accept_vanished: bool = False
) -> AsyncIterator[Provisioner]:
    """The wired parts; connections are closed at the end. ``folder`` must be held by the caller."""
    engine = create_engine_for(settings.database_url)
    sessions = sessions_for(engine)
    backoff = _backoff()
    generations = Generations(
        sessions, folder, settings.bridge_mqtt_password.get_secret_value(), accept_vanished=accept_vanished
    )
    try:
        async with AsyncExitStack() as opened:
            managers = {}
            for one in settings.servers:
                manager = stores.open_manager(one.url, one.operator_token.get_secret_value())
                opened.push_async_callback(manager.close)
                managers[one.url] = same_server(sessions, manager, server=one.url, clock=time.monotonic)
            copier = stores.open_copier() if managers else None
            if copier:
                opened.push_async_callback(copier.close)
            places = _places(settings, sessions, managers, copier)
            yield Provisioner(settings.database_url, generations, places, backoff)
    finally:
        await engine.dispose()


def _places(
    settings: ProvisionerSettings,
    sessions: Sessions,
    managers: Mapping[str, StoreManager],
    copier: ReadingsCopier | None,
) -> Mapping[str, Places]:
    """Places of the store the settings name: in InfluxDB first the choice of a server, then each server by itself."""

    def erasing(here: Here, remains: Remains) -> Erasing:
        # An installation that has come to InfluxDB later still has its older readings in the file.
        file = settings.store is StoreKind.EMBEDDED or settings.readings_path.exists()
        eraser = stores.open_eraser(settings.readings_path) if file else None
        return Erasing(sessions, remains, eraser, here=here, live_url=settings.live_url, now=_now, backoff=_backoff())

    elsewhere = erasing(erased_rows.not_at(list(managers)), NoRemains())
    if settings.store is StoreKind.EMBEDDED:
        return {"places": EmbeddedPlaces(sessions, now=_now), "erasing": elsewhere}
    rooms = [Room(one.url, one.capacity_buckets, one.open) for one in settings.servers]
    sealer = AesSealer(*settings.token_keys)
    keeping = Keeping.of(retention_days=settings.retention_days, shard_group_weeks=settings.shard_group_weeks)
    here = {
        f"places {url}": InTurn(
            InfluxPlaces(sessions, manager, sealer, server=url, keeping=keeping, now=_now, backoff=_backoff()),
            erasing(erased_rows.at(url), Remains(manager)),
            Reconciler(
                sessions,
                manager,
                Repairs(sessions, manager, sealer, server=url, now=_now),
                server=url,
                every_s=settings.reconcile_s,
                clock=time.monotonic,
                dice=random.random,
                now=_now,
                backoff=_backoff(),
            ),
        )
        for url, manager in managers.items()
    }
    figures = {
        f"figures {url}": Figures(sessions, url, stores.open_figures(url), clock=time.monotonic, now=_now)
        for url in managers
    }
    rows: dict[str, Places] = {"servers": ServerRows(sessions, settings.servers)}
    placing = Placing(sessions, rooms, now=_now)
    moving: dict[str, Places] = {"moving": _moving(sessions, managers, copier, sealer, keeping)} if copier else {}
    return rows | {"placing": placing} | here | moving | {"erasing": elsewhere} | figures


def _moving(
    sessions: Sessions,
    managers: Mapping[str, StoreManager],
    copier: ReadingsCopier,
    sealer: AesSealer,
    keeping: Keeping,
) -> Moving:
    return Moving(
        sessions,
        {url: Making(manager, sealer, keeping) for url, manager in managers.items()},
        {url: Remains(manager) for url, manager in managers.items()},
        copier,
        sealer,
        retention_s=keeping.retention_s,
        now=_now,
        backoff=_backoff(),
    )


def _backoff() -> Backoff:
    return Backoff(time.monotonic, random.random)


def _now() -> datetime:
    return datetime.now(UTC)
