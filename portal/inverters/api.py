"""An owner's inverters for programs. HTTP only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Response, get
from litestar.exceptions import NotFoundException, TooManyRequestsException
from litestar.params import FromPath, QueryParameter
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from portal import limits
from portal.auth import VisitorRequest
from portal.inverters import metadata, service
from portal.parts import parts_of
from portal.programs.etags import UNCHANGED, tagged
from portal.programs.paging import address, next_link
from portal.programs.strict import refused
from portal.serials.service import Former, former_by_inverter
from schema import live
from schema.database import reading
from schema.models import Inverter, LiveRow, MetadataSource, ToldBy

ToldByName = Literal["owner", "collector"]
SerialEndName = Literal["replaced", "corrected", "given_away", "silent"]

PART = 100
MOST_IN_A_PART = 500


@dataclass(frozen=True, slots=True)
class ToldAnswer:
    """Who said what a device is: its owner, or a collector of this service; and since when it stands."""

    by: ToldByName
    at: datetime


@dataclass(frozen=True, slots=True)
class FormerSerialAnswer:
    """A serial that the inverter had until `ended_at`: its device was `replaced` or `given_away`, it was a typing error
    (`corrected`), or nothing was heard for a year (`silent`).
    """

    serial: str
    why: SerialEndName
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class InverterAnswer:
    """One inverter. `values` are the newest of each quantity, in the units of `/api/quantities`; times are UTC.

    `reading_at` is the newest reading's time, `seen_at` the arrival of its last message of any kind. `told` says by
    field who said `sw_version`, `rated_power_w` and `number_of_mppts`. After `given_away_at` no more readings come.
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
    told: dict[str, ToldAnswer]
    former_serials: list[FormerSerialAnswer]
    given_away_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Known:
    """What other tables know of some inverters."""

    sources: Mapping[UUID, Mapping[str, MetadataSource]]
    former: Mapping[UUID, Sequence[Former]]
    rows: Mapping[UUID, LiveRow]


@dataclass(frozen=True, slots=True)
class InvertersAnswer:
    """One part of the inverters. `next` is the address of the next part, null on the last one."""

    inverters: list[InverterAnswer]
    next: str | None


Cursor = Annotated[
    str | None,
    QueryParameter(
        description="Where this part begins, as `next` of the part before says.",
        schema_extra={"type": "string", "format": "uuid"},
    ),
]
PartSize = Annotated[int, QueryParameter(ge=1, le=MOST_IN_A_PART, description="How many a part may hold.")]


@get(
    "/api/inverters",
    operation_id="listInverters",
    responses=UNCHANGED,
    tags=["Inverters"],
    summary="All inverters that you may see",
    raises=[TooManyRequestsException],
    guards=[limits.not_too_many_looks],
)
async def listed(request: VisitorRequest, cursor: Cursor = None, limit: PartSize = PART) -> Response[InvertersAnswer]:
    """Each once, in no order that means anything. While `next` is not null there are more: ask for that address."""
    parts = parts_of(request)
    async with reading(parts.sessions) as session:
        found, more = await service.part(session, request.user.account_id, _after(cursor), limit, parts.now())
        known = await _known(session, parts.live_engine, found)
    following = None
    if more:
        following = address(request.scope["path"], cursor=str(found[-1].id), limit=str(limit))
    answer = InvertersAnswer([_answer(inverter, known) for inverter in found], following)
    return tagged(request, answer, next_link(following))


@get(
    "/api/inverters/{inverter_id:uuid}",
    operation_id="getInverter",
    responses=UNCHANGED,
    tags=["Inverters"],
    summary="One inverter and its newest values",
)
async def one(request: VisitorRequest, inverter_id: FromPath[UUID]) -> Response[InverterAnswer]:
    """404 for one the account may not see, as for one that does not exist."""
    parts = parts_of(request)
    async with reading(parts.sessions) as session:
        inverter = await service.get(session, request.user.account_id, inverter_id, parts.now())
        if inverter is None:
            raise NotFoundException("No such inverter.")
        known = await _known(session, parts.live_engine, [inverter])
    return tagged(request, _answer(inverter, known))


def _after(cursor: str | None) -> UUID | None:
    # Not Litestar's own conversion: it would take the word "null" for no cursor, and start all over.
    if cursor is None:
        return None
    try:
        found = UUID(cursor)
    except ValueError:
        found = None
    if found is None or str(found) != cursor.lower():
        raise refused("cursor", "must be an id, as next says it")
    return found


async def _known(session: AsyncSession, live_engine: AsyncEngine, found: Sequence[Inverter]) -> _Known:
    ids = [inverter.id for inverter in found]
    return _Known(
        sources=await metadata.sources_by_inverter(session, ids),
        former=await former_by_inverter(session, ids),
        rows=await live.of(live_engine, ids),
    )


def _answer(inverter: Inverter, known: _Known) -> InverterAnswer:
    row, sources = known.rows.get(inverter.id), known.sources.get(inverter.id, {})
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
        told={name: ToldAnswer(ToldBy(one.told_by).value, one.told_at) for name, one in sorted(sources.items())},
        former_serials=[
            FormerSerialAnswer(one.serial, one.why.value, one.ended_at) for one in known.former.get(inverter.id, ())
        ],
        given_away_at=inverter.given_away_at,
    )


HANDLERS: list[Any] = [listed, one]
