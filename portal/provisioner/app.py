"""Wires the provisioner's parts and its three named tasks. Only this module knows clock and dice."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from portal.provisioner.backoff import Backoff
from portal.provisioner.broker_folder import BrokerFolder
from portal.provisioner.embedded_places import EmbeddedPlaces
from portal.provisioner.generations import Generations
from portal.provisioner.influx_places import InfluxPlaces, Keeping
from portal.provisioner.ports import Places
from schema.changes import Changes, Channel
from schema.database import Sessions, create_engine_for, sessions_for
from schema.sealing import AesSealer
from schema.settings import ProvisionerSettings
from schema.timeseries import stores
from schema.timeseries.kinds import StoreKind

_log = structlog.get_logger(__name__)

CONFIRM_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Provisioner:
    """The parts of one process."""

    database_url: str
    generations: Generations
    places: Places
    backoff: Backoff

    async def once(self) -> None:
        """One full pass. Raises what keeps the password file from being written; places note their own trouble."""
        await self.generations.refresh()
        await self.generations.confirm()
        await self.places.turn()

    async def run(self) -> None:
        """Follow the registry, the broker and the store until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow("passwords", self._refresh), name="provisioner.passwords")
            group.create_task(self._follow("places", self.places.turn), name="provisioner.places")
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
            return self.backoff.next_due_s()
        try:
            retry_s = await turn()
        except Exception as error:  # noqa: BLE001  # one turn of a loop that must outlive a database or disk that is away
            again_s = self.backoff.failed(what)
            _log.error(f"{what}.failed", error=f"{type(error).__name__}: {error}"[:300], again_in_s=round(again_s, 1))
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
    backoff = Backoff(time.monotonic, random.random)
    generations = Generations(
        sessions, folder, settings.bridge_mqtt_password.get_secret_value(), accept_vanished=accept_vanished
    )
    try:
        async with _places(settings, sessions) as places:
            yield Provisioner(settings.database_url, generations, places, backoff)
    finally:
        await engine.dispose()


@asynccontextmanager
async def _places(settings: ProvisionerSettings, sessions: Sessions) -> AsyncIterator[Places]:
    """Places of the store the settings name."""
    if settings.store is StoreKind.EMBEDDED:
        yield EmbeddedPlaces(sessions, now=_now)
        return
    manager = stores.open_manager(settings.influx_url, settings.influx_operator_token.get_secret_value())
    try:
        yield InfluxPlaces(
            sessions,
            manager,
            AesSealer(settings.token_key.get_secret_value()),
            server=settings.influx_url,
            keeping=Keeping.of(retention_days=settings.retention_days, shard_group_weeks=settings.shard_group_weeks),
            now=_now,
            backoff=Backoff(time.monotonic, random.random),
        )
    finally:
        await manager.close()


def _now() -> datetime:
    return datetime.now(UTC)
