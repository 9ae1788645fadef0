"""An owner on his way from one InfluxDB server to another, and what each of the two has of him."""

import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from sqlalchemy import select, update

from portal import audit
from portal.provisioner import erased_rows, saga
from portal.provisioner.backoff import Backoff
from portal.provisioner.erasing import Erasing
from portal.provisioner.making import Making
from portal.provisioner.moving import Moving
from portal.provisioner.remains import Remains
from schema.database import reading
from schema.models import InverterMove, MoveState, MoveWish, Notice, NoticeKind, OwnerMove
from schema.timeseries.port import Destination, Source
from schema.timeseries.stores import open_copier
from tests.estate import KEEPING, SEALER, Estate, Held, InInflux, estate
from tests.mortality import Mortality
from tests.store_set_ups import DAY, StoreSetUp, encoded, opened
from tests.store_set_ups import reading as measured

Row = Any


class Movers:
    """An estate on the first server, and a second server that its owners may move to."""

    def __init__(self, place: Estate, other: StoreSetUp) -> None:
        self.place = place
        self.other = other
        self.copier = open_copier()
        self.written: dict[UUID, dict[datetime, float]] = {}

    async def settled(self, *, days: int = 3) -> Held:
        """An owner with an inverter and some days of readings, the first of them a while ago."""
        held = await self.place.inverter(await self.place.owner())
        await self.place.provisioner().turn()
        for day in range(days):
            await self.write(held, DAY - timedelta(days=day * 20), 100.0 + day)
        return held

    async def write(self, held: Held, at: datetime, watts: float) -> None:
        """As the bridge: with what the rows say now; it must be there in the end."""
        await self.write_to(await self.destination(held), at, watts)
        self.written.setdefault(held.inverter_id, {})[at] = watts

    async def write_to(self, to: Destination, at: datetime, watts: float) -> None:
        """A reading with a state and an extra in it."""
        lines = encoded(measured(at, ac_power=watts, status=2.0, x_canary=watts))
        await self.place.store.writer.write(to, lines)

    async def destination(self, held: Held, who: str = "bridge") -> Destination:
        """Where the bridge, or an outsider, writes now."""
        home, box = await self.place.rows(held)
        assert home is not None
        assert box is not None
        sealed = getattr(box, f"{who}_token_sealed")
        token = SEALER.open(sealed, row=saga.write_row(held.inverter_id, who))
        return Destination(held.inverter_id, held.owner_id, home.server, home.org_id, box.bucket_id, token)

    async def ask(self, owner_id: UUID) -> None:
        """To the other server, please."""
        now = self.place.now
        async with self.place.sessions.begin() as session:
            await session.merge(
                OwnerMove(
                    owner_id=owner_id, server=self.other.url, state=MoveState.PREPARING, wish=MoveWish.NONE,
                    started_at=now, updated_at=now,
                )
            )  # fmt: skip

    async def token_read(self, held: Held) -> None:
        """An outside program has asked for the inverter's write token."""
        async with self.place.sessions.begin() as session:
            await audit.record(
                session, audit.Action.TOKEN_READ, subject=audit.inverter(held.inverter_id), actor=audit.SYSTEM,
                owner_id=held.owner_id, now=self.place.now,
            )  # fmt: skip

    async def told_of_moves(self) -> list[UUID | None]:
        """The inverters whose owners read that programs need another token."""
        async with reading(self.place.sessions) as session:
            told = select(Notice.inverter_id).where(Notice.kind == NoticeKind.STORE_MOVED)
            return list((await session.scalars(told)).all())

    async def wish(self, owner_id: UUID, wish: MoveWish) -> None:
        """As the command writes it."""
        async with self.place.sessions.begin() as session:
            await session.execute(update(OwnerMove).where(OwnerMove.owner_id == owner_id).values(wish=wish))

    async def settle(self, turns: int = 2) -> None:
        """Let the provisioner go on, some minutes at a time."""
        for _ in range(turns):
            await self.moving().turn()
            self.place.now += timedelta(minutes=2)

    def moving(self, mortality: Mortality | None = None) -> Moving:
        """What moves owners, as one process wires it."""
        assert self.place.store.manager is not None
        assert self.other.manager is not None
        managers: dict[str, Any] = {self.place.store.url: self.place.store.manager, self.other.url: self.other.manager}
        sessions: Any = self.place.sessions
        copier: Any = self.copier
        if mortality:
            managers = {url: mortality.manager(manager) for url, manager in managers.items()}
            sessions, copier = mortality.sessions(sessions), mortality.manager(copier)
        return Moving(
            sessions,
            {url: Making(manager, SEALER, KEEPING) for url, manager in managers.items()},
            {url: Remains(manager) for url, manager in managers.items()},
            copier,
            SEALER,
            retention_s=KEEPING.retention_s,
            now=lambda: self.place.now,
            backoff=Backoff(self._seconds, lambda: 1.0),
        )

    def erasing_there(self) -> Erasing:
        """What erases at the other server."""
        assert self.other.manager is not None
        return Erasing(
            self.place.sessions,
            Remains(self.other.manager),
            None,
            here=erased_rows.at(self.other.url),
            live_url=self.place.live_url,
            now=lambda: self.place.now,
            backoff=Backoff(self._seconds, lambda: 1.0),
        )

    def _seconds(self) -> float:
        return self.place.now.timestamp()

    async def row(self, owner_id: UUID) -> Row:
        """The move as it stands."""
        async with reading(self.place.sessions) as session:
            return await session.get(OwnerMove, owner_id)

    async def second(self, held: Held) -> Row:
        """The inverter's second place as it stands."""
        async with reading(self.place.sessions) as session:
            return await session.get(InverterMove, held.inverter_id)

    async def shown(self, held: Held) -> dict[datetime, float]:
        """What the portal reads of the inverter: minute to power."""
        home, box = await self.place.rows(held)
        assert home is not None
        assert box is not None
        return await self.held_by(held, home, box.bucket_name)

    async def beside(self, held: Held) -> dict[datetime, float]:
        """What lies in the second place."""
        row, second = await self.row(held.owner_id), await self.second(held)
        return await self.held_by(held, row, second.bucket_name)

    async def held_by(self, held: Held, place: Any, bucket_name: str) -> dict[datetime, float]:
        """What lies in a bucket, read with its owner's token."""
        token = SEALER.open(place.read_token_sealed, row=saga.read_row(held.owner_id))
        source = Source(held.owner_id, held.inverter_id, place.server, place.org_id, bucket_name, token)
        span = DAY - timedelta(days=100), DAY + timedelta(days=1)
        found = await self.place.store.reader.windows(source, ["ac_power"], *span, 60)
        return {window.start: window.means["ac_power"] for window in found}

    async def all_of(self, held: Held, place: Any, bucket_name: str) -> list[dict[str, str]]:
        """Every value in a bucket with its type, as the server itself tells it, in a fixed order."""
        token = SEALER.open(place.read_token_sealed, row=saga.read_row(held.owner_id))
        script = f'from(bucket: "{bucket_name}") |> range(start: 2000-01-01T00:00:00Z, stop: 2100-01-01T00:00:00Z)'
        asked = {"query": script, "dialect": {"annotations": ["datatype"], "header": True}}
        async with aiohttp.ClientSession(headers={"Authorization": f"Token {token}"}) as http:
            url = f"{place.server}/api/v2/query?orgID={place.org_id}"
            async with http.post(url, json=asked) as answer:
                assert answer.status == 200
                rows = list(csv.reader(io.StringIO(await answer.text(), newline="")))
        told: list[dict[str, str]] = []
        kinds: list[str] = []
        names: list[str] = []
        for cells in rows:
            if cells and cells[0] == "#datatype":
                kinds, names = cells, []
            elif cells and not names:
                names = cells
            elif cells:
                row = dict(zip(names, cells, strict=True)) | {"#kind": kinds[names.index("_value")]}
                row["_time"] = datetime.fromisoformat(row["_time"]).isoformat()
                told.append({name: text for name, text in row.items() if name not in ("table", "_start", "_stop")})
        return sorted(told, key=lambda row: sorted(row.items()))

    async def at_the_other(self, *helds: Held) -> InInflux:
        """What the second server has that bears their names."""
        here, self.place.store = self.place.store, self.other
        try:
            return await self.place.in_influx(*helds)
        finally:
            self.place.store = here

    async def close(self) -> None:
        """Give the connections back."""
        await self.copier.close()


@asynccontextmanager
async def movers(
    name: str, request: pytest.FixtureRequest, folder: Path, database_url: str = ""
) -> AsyncIterator[Movers]:
    """From a fake server to another one, or from or to a real one."""
    first, second = {
        "fake to fake": ("fake influx", "fake influx"),
        "real to fake": ("real influx", "fake influx"),
        "fake to real": ("fake influx", "real influx"),
    }[name]
    async with (
        opened(first, request, folder) as here,
        opened(second, request, folder) as there,
        estate(folder, database_url or f"sqlite:///{folder}/deye.db", here) as place,
    ):
        made = Movers(place, there)
        try:
            yield made
        finally:
            await made.close()
