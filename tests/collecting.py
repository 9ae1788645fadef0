"""Outside collectors at a portal with InfluxDB: identities, programs that ask, and inverters to be asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
from sqlalchemy import insert, select, update

from portal import audit
from portal.credentials import identities
from portal.credentials.identities import Made, Wish
from portal.keys import KeyUse, derived
from schema.models import (
    AuditEntry,
    ClaimState,
    Collector,
    Feed,
    Inverter,
    Login,
    OwnerPlacement,
    Placement,
    PlacementState,
)
from tests.people import Cast
from tests.portal_app import RunningPortal

SERIAL = "2711111111"
SERVER = "http://influx.example.org:8086"
INFLUX: dict[str, Any] = {"influx_url": SERVER}
AT_HOME = "192.0.2.7"


@dataclass
class Program:
    """A collector that asks with its key; every answer closes the door behind itself, no cookie is kept."""

    id: UUID
    http: httpx.AsyncClient
    headers: dict[str, str]

    async def ask(self, serial: str = SERIAL) -> httpx.Response:
        """The original's address."""
        return await self.http.get("/influx_token", params={"serial": serial}, headers=self.headers)

    async def ask_quietly(self, serial: str = SERIAL) -> httpx.Response:
        """Its twin, with the serial in the body."""
        return await self.http.post("/api/influx_token", json={"serial": serial}, headers=self.headers)

    async def tell(self, serial: str = SERIAL, **metadata: object) -> httpx.Response:
        """What a device is."""
        return await self.http.post(f"/inverter_metadata/{serial}", json=metadata, headers=self.headers)


async def identity(
    portal: RunningPortal, name: str = "fleet", *, networks: str = "", days: int = 30, fleet: bool = False
) -> Made:
    """A service identity, made by the portal's own rules."""
    async with portal.parts.sessions.begin() as session:
        wish = Wish(name, networks, days, fleet=fleet)
        return await identities.make(session, wish, by=audit.COMMAND, key=key_of(portal), now=portal.clock())


def key_of(portal: RunningPortal) -> str:
    """What collectors' keys are hashed with."""
    return derived(portal.parts.settings.auth_secret.get_secret_value(), KeyUse.COLLECTOR_KEYS)


def program(portal: RunningPortal, made: Made, *, at: str = AT_HOME) -> Program:
    """The collector at work; its client holds nothing that would have to be closed."""
    return Program(made.id, portal.browser_at(at), bearing(made.key))


def bearing(key: str) -> dict[str, str]:
    """The header that shows a key."""
    return {"Authorization": f"Bearer {key}"}


async def row_of(portal: RunningPortal, collector_id: UUID) -> Collector:
    """The identity as the database has it."""
    async with portal.parts.sessions() as session:
        return await session.get_one(Collector, collector_id)


async def entries(portal: RunningPortal, action: str) -> Sequence[AuditEntry]:
    """What the audit log has of this act, the oldest first."""
    async with portal.parts.sessions() as session:
        statement = select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.id)
        return (await session.scalars(statement)).all()


async def prove(cast: Cast) -> None:
    """What the bridge does at the first authenticated reading of Alice's roof."""
    async with cast.portal.parts.sessions.begin() as session:
        await session.execute(update(Inverter).where(Inverter.id == cast.roof).values(active_serial=SERIAL))
        await session.execute(update(Feed).where(Feed.inverter_id == cast.roof).values(claim_state=ClaimState.ACTIVE))


async def provision(cast: Cast) -> None:
    """What the provisioner does when organisation, bucket and tokens are made."""
    sealed = cast.portal.parts.sealer.seal("external write token", row=f"placement:{cast.roof}:external")
    ready: dict[str, Any] = {"state": PlacementState.READY}
    async with cast.portal.parts.sessions.begin() as session:
        inverter = await session.get_one(Inverter, cast.roof)
        await session.execute(
            update(Placement)
            .where(Placement.inverter_id == cast.roof)
            .values(**ready, bucket_id="b" * 16, bucket_name=f"inverter-{cast.roof}", external_token_sealed=sealed)
        )
        await session.execute(
            update(OwnerPlacement)
            .where(OwnerPlacement.owner_id == inverter.owner_id)
            .values(**ready, org_id="0" * 16, server=SERVER)
        )


async def working(cast: Cast) -> None:
    """Alice's roof has proved its serial and has a bucket."""
    await prove(cast)
    await provision(cast)


async def roofs(cast: Cast, how_many: int) -> list[str]:
    """Serials of so many more inverters of Alice's that are proved and have buckets."""
    parts, now = cast.portal.parts, cast.portal.clock()
    ids = [uuid4() for _ in range(how_many)]
    serials = [f"30{number:08d}" for number in range(how_many)]
    async with parts.sessions.begin() as session:
        owner_id = (await session.get_one(Inverter, cast.roof)).owner_id
        login = (await session.scalars(select(Login.name).limit(1))).one()
        rows = [
            {"id": id_, "owner_id": owner_id, "name": serial, "serial": serial, "active_serial": serial}
            for id_, serial in zip(ids, serials, strict=True)
        ]
        await session.execute(insert(Inverter).values(created_at=now), rows)
        feeds = [{"id": uuid4(), "login": login, "selector": str(id_), "inverter_id": id_} for id_ in ids]
        await session.execute(insert(Feed).values(claim_state=ClaimState.ACTIVE), feeds)
        places = [
            {"inverter_id": id_, "external_token_sealed": parts.sealer.seal("t", row=f"placement:{id_}:external")}
            for id_ in ids
        ]
        ready = insert(Placement).values(state=PlacementState.READY, bucket_id="b" * 16, updated_at=now)
        await session.execute(ready, places)
    return serials
