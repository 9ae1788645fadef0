"""Owners and inverters in a database beside a real store, and the provisioner's parts that look after both."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select, update

from portal.provisioner import erased_rows, saga
from portal.provisioner.backoff import Backoff
from portal.provisioner.embedded_places import EmbeddedPlaces
from portal.provisioner.erasing import Erasing
from portal.provisioner.in_turn import InTurn
from portal.provisioner.influx_places import InfluxPlaces
from portal.provisioner.making import Keeping
from portal.provisioner.placing import Placing, Room
from portal.provisioner.ports import Places
from portal.provisioner.reconciler import Reconciler
from portal.provisioner.remains import NoRemains, Remains
from portal.provisioner.repairs import Repairs
from schema import live
from schema.changes import registry_changed
from schema.database import create_engine_for, reading, sessions_for
from schema.models import (
    Account,
    Base,
    DeadLetterRequest,
    Feed,
    FoundDevice,
    Grant,
    Inverter,
    LiveBase,
    Login,
    Notice,
    NoticeKind,
    Owner,
    OwnerPlacement,
    Placement,
    RequestSource,
    RequestState,
    Role,
    SerialAlias,
)
from schema.sealing import AesSealer
from schema.timeseries.port import Destination, Source
from schema.timeseries.stores import open_eraser
from schema.verifiers import new_login
from tests.databases import bring_up_to_date
from tests.mortality import Mortality
from tests.store_set_ups import DAY, StoreSetUp, encoded
from tests.store_set_ups import reading as measured

KEEPING = Keeping.of(retention_days=730, shard_group_weeks=52)
SEALER = AesSealer("k1k1k1k1k1k1k1k1k1k1k1k1k1k1k1k1k1k1k1k1k1k=")


@dataclass(frozen=True, slots=True)
class Held:
    """An inverter with one login."""

    owner_id: UUID
    inverter_id: UUID
    login: str


class Estate:
    """The database's tables are up to date; ``now`` is everybody's clock and goes on by hand."""

    def __init__(self, folder: Path, database_url: str, store: StoreSetUp) -> None:
        self.store = store
        self.engine = create_engine_for(database_url)
        self.sessions = sessions_for(self.engine)
        self.live_url = f"sqlite:///{folder}/live.db"
        self.now = datetime.now(UTC).replace(microsecond=0)
        self._account = uuid4()

    async def open(self) -> None:
        """Make the tables, and somebody who may be given homes."""
        await bring_up_to_date(self.engine)
        async with self.sessions.begin() as session:
            email = "somebody@example.org"
            session.add(Account(id=self._account, email=email, email_key=email, password_hash="-", created_at=self.now))

    async def owner(self, *, granted: bool = True) -> UUID:
        """A new home, with somebody who may act for it or nobody."""
        owner_id = uuid4()
        async with self.sessions.begin() as session:
            session.add(Owner(id=owner_id, name="Alice", created_at=self.now))
            await session.flush()
            session.add(OwnerPlacement(owner_id=owner_id, updated_at=self.now))
            if granted:
                session.add(Grant(account_id=self._account, owner_id=owner_id, role=Role.OWNER, created_at=self.now))
            await registry_changed(session, owner_id=owner_id)
        return owner_id

    async def inverter(self, owner_id: UUID, *, login: str = "") -> Held:
        """A new inverter of the owner, with what hangs on one; behind ``login`` where that is given."""
        held = Held(owner_id, uuid4(), login or new_login())
        async with self.sessions.begin() as session:
            version = await registry_changed(session, inverter_id=held.inverter_id)
            session.add(
                Inverter(id=held.inverter_id, owner_id=owner_id, name="roof", serial="2711111111", created_at=self.now)
            )
            if not login:
                session.add(
                    Login(
                        name=held.login, owner_id=owner_id, verifier="v", registry_version=version,
                        created_at=self.now, label="my program",
                    )
                )  # fmt: skip
            await session.flush()
            session.add(Placement(inverter_id=held.inverter_id, updated_at=self.now))
            session.add(Feed(login=held.login, inverter_id=held.inverter_id, selector=login and str(held.inverter_id)))
            session.add(SerialAlias(inverter_id=held.inverter_id, serial="ALIAS1", first_seen_at=self.now))
            if not login:
                session.add(FoundDevice(login=held.login, selector="x", first_seen_at=self.now, last_seen_at=self.now))
                session.add(
                    Notice(
                        key=f"flapping:{held.login}", owner_id=owner_id, login=held.login, kind=NoticeKind.FLAPPING,
                        details={}, first_at=self.now, last_at=self.now, count=1,
                    )
                )  # fmt: skip
        return held

    async def settled(self, watts: float = 412.0) -> Held:
        """A new owner with a new inverter that has a place and has written."""
        held = await self.inverter(await self.owner())
        await self.provisioner().turn()
        await self.write(held, watts)
        return held

    async def delete(self, held: Held, *, grace: timedelta = timedelta(0)) -> None:
        """As its owner does: stopped at once, erased after the grace."""
        async with self.sessions.begin() as session:
            await registry_changed(session, inverter_id=held.inverter_id)
            await session.execute(update(Login).where(Login.name == held.login).values(revoked_at=self.now))
            gone = update(Inverter).where(Inverter.id == held.inverter_id)
            await session.execute(gone.values(deleted_at=self.now, erase_after=self.now + grace))

    async def abandon(self, owner_id: UUID) -> None:
        """Nobody may act for the home any more."""
        async with self.sessions.begin() as session:
            await registry_changed(session, owner_id=owner_id)
            for grant in await session.scalars(select(Grant).where(Grant.owner_id == owner_id)):
                await session.delete(grant)

    def provisioner(self, mortality: Mortality | None = None) -> Places:
        """Everything that looks after places, as one process wires it."""
        sessions: Any = mortality.sessions(self.sessions) if mortality else self.sessions
        if self.store.manager is None:
            return InTurn(EmbeddedPlaces(sessions, now=self._clock), self._erasing(sessions, NoRemains(), ()))
        manager: Any = mortality.manager(self.store.manager) if mortality else self.store.manager
        url = self.store.url
        places = InfluxPlaces(
            sessions, manager, SEALER, server=url, keeping=KEEPING, now=self._clock, backoff=self._backoff()
        )
        return InTurn(
            Placing(sessions, [Room(url, 10_000)], now=self._clock),
            places,
            self._erasing(sessions, Remains(manager), None),
            self._erasing(sessions, NoRemains(), (url,)),
        )

    def reconciler(self, mortality: Mortality | None = None, *, every_s: float = 60.0) -> Reconciler:
        """What keeps the store as the rows say; its clock is the estate's."""
        assert self.store.manager is not None
        sessions: Any = mortality.sessions(self.sessions) if mortality else self.sessions
        manager: Any = mortality.manager(self.store.manager) if mortality else self.store.manager
        repairs = Repairs(sessions, manager, SEALER, server=self.store.url, now=self._clock)
        return Reconciler(
            sessions, manager, repairs, server=self.store.url, every_s=every_s, clock=self._seconds,
            dice=lambda: 1.0, now=self._clock, backoff=self._backoff(),
        )  # fmt: skip

    def _erasing(self, sessions: Any, remains: Remains, elsewhere: Sequence[str] | None) -> Erasing:
        here = erased_rows.at(self.store.url) if elsewhere is None else erased_rows.not_at(elsewhere)
        return Erasing(
            sessions,
            remains,
            open_eraser(self.store.path) if self.store.manager is None else None,
            here=here,
            live_url=self.live_url,
            now=self._clock,
            backoff=self._backoff(),
        )

    def _clock(self) -> datetime:
        return self.now

    def _backoff(self) -> Backoff:
        """Its clock is the estate's: retries are due when that has gone on."""
        return Backoff(self._seconds, lambda: 1.0)

    def _seconds(self) -> float:
        return self.now.timestamp()

    async def bridge_drops(self) -> int:
        """As the bridge: what is asked of it about messages set aside is done; how many requests there were."""
        waiting = update(DeadLetterRequest).where(
            DeadLetterRequest.source == RequestSource.SYSTEM, DeadLetterRequest.state == RequestState.WAITING
        )
        async with self.sessions.begin() as session:
            done = await session.execute(
                waiting.values(state=RequestState.DONE, finished_at=self.now).returning(DeadLetterRequest.id)
            )
            return len(done.all())

    async def settle(self, provisioner: Places, *, turns: int = 6) -> None:
        """Let provisioner and bridge go on, a minute at a time."""
        for _ in range(turns):
            await provisioner.turn()
            await self.bridge_drops()
            self.now += timedelta(minutes=1)

    async def rows(self, held: Held) -> tuple[OwnerPlacement | None, Placement | None]:
        """Both rows of places as they stand."""
        async with reading(self.sessions) as session:
            return await session.get(OwnerPlacement, held.owner_id), await session.get(Placement, held.inverter_id)

    async def write(self, held: Held, watts: float) -> None:
        """A reading with the bridge's token, and an extra that nobody else sends."""
        home, place = await self.rows(held)
        assert home is not None
        assert place is not None
        token = ""
        if place.bridge_token_sealed is not None:
            token = SEALER.open(place.bridge_token_sealed, row=saga.write_row(held.inverter_id, "bridge"))
        to = Destination(held.inverter_id, held.owner_id, home.server, home.org_id, place.bucket_id, token)
        await self.store.writer.write(to, encoded(measured(DAY, ac_power=watts, x_canary=watts)))

    async def newest(self, held: Held) -> float | None:
        """The newest power, as the portal reads it."""
        home, place = await self.rows(held)
        if home is None or place is None:
            return None
        token = ""
        if home.read_token_sealed is not None:
            token = SEALER.open(home.read_token_sealed, row=saga.read_row(held.owner_id))
        source = Source(held.owner_id, held.inverter_id, home.server, home.org_id, place.bucket_name, token)
        found = await self.store.reader.latest(source, DAY - timedelta(days=1))
        return found["ac_power"].value if "ac_power" in found else None

    async def in_influx(self, *helds: Held) -> "InInflux":
        """What the store has that bears the names of these inverters and their owners."""
        assert self.store.manager is not None
        names = {saga.organisation_name(one.owner_id) for one in helds}
        organisations = [one for one in await self.store.manager.organisations() if one.name in names]
        buckets = {saga.bucket_name(one.inverter_id) for one in helds}
        texts = {saga.read_description(one.owner_id) for one in helds}
        texts |= {saga.write_description(one.inverter_id, who) for one in helds for who in saga.WRITERS}
        return InInflux(
            sorted(one.id for one in organisations),
            sorted(one.id for one in await self.store.manager.buckets() if one.name in buckets),
            sorted(one.id for one in await self.store.manager.tokens() if one.description in texts),
        )

    async def rows_that_name(self, *texts: str) -> set[str]:
        """Tables of both databases in which one of these can be read."""
        found: set[str] = set()
        live_engine = await live.open_live(self.live_url)
        for engine, metadata in ((self.engine, Base.metadata), (live_engine, LiveBase.metadata)):
            async with engine.connect() as connection:
                for name, table in metadata.tables.items():
                    for row in (await connection.execute(select(table))).all():
                        if any(text in str(tuple(row)) for text in texts):
                            found.add(name)
        await live_engine.dispose()
        return found

    async def close(self) -> None:
        """Give the connections back."""
        await self.engine.dispose()


@dataclass(frozen=True, slots=True)
class InInflux:
    """Ids of what there is."""

    organisations: list[str]
    buckets: list[str]
    tokens: list[str]


@asynccontextmanager
async def estate(folder: Path, database_url: str, store: StoreSetUp) -> AsyncIterator[Estate]:
    """One with nobody in it yet."""
    one = Estate(folder, database_url, store)
    await one.open()
    try:
        yield one
    finally:
        await one.close()
