"""An owner's inverters for programs, with a bearer token. HTTP only."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from litestar import get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from portal.auth import VisitorRequest
from portal.inverters import service
from portal.parts import parts_of
from schema import live
from schema.database import reading
from schema.models import Inverter, LiveRow


@dataclass(frozen=True, slots=True)
class InverterAnswer:
    """One inverter. ``values`` are the newest of each quantity, in the units of the catalogue; times are UTC.

    ``reading_at`` is the newest reading's time, ``seen_at`` the arrival of its last message of any kind.
    """

    id: UUID
    name: str
    serial: str
    sw_version: str | None
    rated_power_w: int | None
    number_of_mppts: int | None
    created_at: datetime
    reading_at: datetime | None
    seen_at: datetime | None
    values: dict[str, float]


@get("/api/inverters", tags=["Inverters"], summary="All inverters that you may see")
async def listed(request: VisitorRequest) -> list[InverterAnswer]:
    """All inverters the token's account may see."""
    parts = parts_of(request)
    async with reading(parts.sessions) as session:
        found = await service.visible(session, request.user.account_id, parts.now())
    rows = await live.of(parts.live_engine, [inverter.id for inverter in found])
    return [_answer(inverter, rows.get(inverter.id)) for inverter in found]


@get("/api/inverters/{inverter_id:uuid}", tags=["Inverters"], summary="One inverter and its newest values")
async def one(request: VisitorRequest, inverter_id: FromPath[UUID]) -> InverterAnswer:
    """One inverter; 404 for one the account may not see."""
    parts = parts_of(request)
    async with reading(parts.sessions) as session:
        inverter = await service.get(session, request.user.account_id, inverter_id, parts.now())
    if inverter is None:
        raise NotFoundException("No such inverter.")
    rows = await live.of(parts.live_engine, [inverter_id])
    return _answer(inverter, rows.get(inverter_id))


def _answer(inverter: Inverter, row: LiveRow | None) -> InverterAnswer:
    return InverterAnswer(
        id=inverter.id,
        name=inverter.name,
        serial=inverter.serial,
        sw_version=inverter.sw_version,
        rated_power_w=inverter.rated_power_w,
        number_of_mppts=inverter.number_of_mppts,
        created_at=inverter.created_at,
        reading_at=row.reading_at if row else None,
        seen_at=row.seen_at if row else None,
        values=dict(row.values) if row else {},
    )


HANDLERS = [listed, one]
