"""An inverter with a past: seven sunny days in the store, and a live row that is 18 seconds fresh."""

from datetime import timedelta
from uuid import UUID

import httpx
from sqlalchemy import update

from portal.dashboard import stations
from schema import live
from schema.models import Owner, Placement, PlacementState
from schema.timeseries.line_protocol import encode
from schema.timeseries.port import Destination
from schema.timeseries.stores import open_writer
from tests.people import Cast, Person
from tests.watts import afternoon_zone, live_row, sunny_days


async def owner_of(cast: Cast, inverter_id: UUID) -> UUID:
    """The owner of an inverter of Alice's, whose place is ready from now on."""
    async with cast.portal.parts.sessions.begin() as session:
        placement = await session.get(Placement, inverter_id)
        assert placement is not None
        placement.state = PlacementState.READY
        mine = await stations.one_visible(
            session, cast.alice.account_id, inverter_id, cast.portal.clock(), cast.portal.parts.sealer
        )
        assert mine is not None
        assert mine.source is not None
        return mine.source.owner_id


async def shine(cast: Cast, inverter_id: UUID) -> None:
    """Let it be afternoon where the owner lives, after seven days of sun."""
    parts, now = cast.portal.parts, cast.portal.clock()
    owner_id, zone = await owner_of(cast, inverter_id), afternoon_zone(now)
    async with parts.sessions.begin() as session:
        await session.execute(update(Owner).where(Owner.id == owner_id).values(time_zone=zone))
    readings = sunny_days(7, peak_w=5000.0, now=now, zone=zone)
    writer = open_writer(parts.settings.store, path=parts.settings.readings_path)
    await writer.write(Destination(inverter_id, owner_id), [encode(reading, serial="S") for reading in readings])
    await writer.close()
    values = dict(readings[-1].values) | {"ac_power": 1412.0, "dc_pv1_power": 812.0}
    await live.put(parts.live_engine, [live_row(inverter_id, values, version=1, at=now - timedelta(seconds=18))])


async def asks(person: Person, path: str, **headers: str) -> httpx.Response:
    """A program of theirs asks."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await person.http.get(path, headers=await person.bearer() | named)
