"""An inverter's present and past for programs: newest values, means of windows, energy by day. HTTP only."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal, NoReturn
from uuid import UUID

from litestar import Response, get
from litestar.exceptions import NotFoundException, ServiceUnavailableException, TooManyRequestsException
from litestar.params import FromPath, QueryParameter

from portal import limits
from portal.auth import VisitorRequest
from portal.dashboard import asked, programs
from portal.dashboard.answers import (
    EnergyAnswer,
    LatestAnswer,
    QuantityAnswer,
    ReadingsAnswer,
    energy_answer,
    energy_rows,
    latest_answer,
    quantity_answer,
    readings_answer,
    readings_rows,
    text_of,
)
from portal.dashboard.asked import NotAsked
from portal.dashboard.history import HistoryAway
from portal.dashboard.production import POWER_QUANTITIES
from portal.dashboard.programs import Archive
from portal.headers import NEVER_STORED
from portal.inverters import service as inverters
from portal.parts import parts_of
from portal.programs.etags import UNCHANGED, tagged
from portal.programs.paging import address, next_link
from portal.programs.strict import refused
from portal.programs.tables import Cell, as_csv
from schema import live
from schema.database import reading
from schema.quantities import CATALOGUE, EXTRA_PREFIX

RETRY_AFTER_S = 10
CSV_TYPE = "text/csv"

_DAY = timedelta(days=1)
_MEANS_OF = [name for name in CATALOGUE if asked.askable(name)]
_EXAMPLE_INSTANT = "2026-06-01T12:00:00Z"

Instant = {"type": "string", "format": "date-time", "examples": [_EXAMPLE_INSTANT]}
CalendarDay = {"type": "string", "format": "date", "examples": ["2026-06-01"]}
Quantities = {
    "type": "array",
    "items": {
        "anyOf": [
            {"type": "string", "enum": _MEANS_OF},
            {"type": "string", "pattern": f"^{EXTRA_PREFIX}[a-z0-9_]{{1,48}}$"},
        ]
    },
    "minItems": 1,
    "maxItems": asked.MOST_QUANTITIES,
    "examples": [["ac_power"]],
}

Since = Annotated[
    str | None,
    QueryParameter(name="from", description="First instant; one day before `to` by default.", schema_extra=Instant),
]
Until = Annotated[
    str | None, QueryParameter(name="to", description="Where the range ends; now by default.", schema_extra=Instant)
]
Names = Annotated[
    list[str] | None,
    QueryParameter(
        description="Names of `/api/quantities` but states, once for each; all powers of the panels, the AC side and "
        "the battery by default.",
        schema_extra=Quantities,
    ),
]
Step = Annotated[
    int,
    QueryParameter(
        ge=asked.SHORTEST_STEP_S,
        le=asked.LONGEST_STEP_S,
        multiple_of=60,
        description="Length of a window in seconds. Windows begin at multiples of it since 1970-01-01T00:00:00Z.",
    ),
]
Format = Annotated[Literal["json", "csv"], QueryParameter(description="`csv` for a spreadsheet.")]
FirstDay = Annotated[
    str | None,
    QueryParameter(name="from", description="First day; six days before `to` by default.", schema_extra=CalendarDay),
]
LastDay = Annotated[
    str | None, QueryParameter(name="to", description="Last day; today by default.", schema_extra=CalendarDay)
]


@get(
    "/api/inverters/{inverter_id:uuid}/latest",
    operation_id="getLatest",
    responses=UNCHANGED,
    tags=["Readings"],
    summary="Newest values of an inverter",
)
async def latest(request: VisitorRequest, inverter_id: FromPath[UUID]) -> Response[LatestAnswer]:
    """To be polled: send the answer's `ETag` as `If-None-Match`, and as long as nothing is new you get 304."""
    parts = parts_of(request)
    async with reading(parts.sessions) as session:
        inverter = await inverters.get(session, request.user.account_id, inverter_id, parts.now())
    if inverter is None:
        raise NotFoundException("No such inverter.")
    row = (await live.of(parts.live_engine, [inverter_id])).get(inverter_id)
    return tagged(request, latest_answer(inverter_id, row))


@get(
    "/api/inverters/{inverter_id:uuid}/readings",
    operation_id="listReadings",
    tags=["Readings"],
    summary="Means of windows",
    raises=[ServiceUnavailableException, TooManyRequestsException],
    guards=[limits.not_too_many_looks],
)
async def readings(
    request: VisitorRequest,
    *,
    inverter_id: FromPath[UUID],
    since: Since = None,
    until: Until = None,
    quantities: Names = None,
    step: Step = 300,
    format: Format = "json",  # noqa: A002  # the parameter's own name
) -> Response[ReadingsAnswer]:
    """At most 1,000 windows of at most 31 days an answer; `next` and the Link header lead on. Times are UTC."""
    archive = _archive(request)
    end = _instant("to", until) or archive.now
    start = _instant("from", since) or max(end, asked.FIRST_INSTANT + _DAY) - _DAY
    span = asked.span(start, end, step, archive.now)
    names = _quantities(quantities)
    try:
        found = await programs.means(archive, request.user.account_id, inverter_id, names=names, span=span, step_s=step)
    except HistoryAway:
        _away()
    if found is None:
        raise NotFoundException("No such inverter.")
    following = None
    if span.following:
        following = address(
            request.scope["path"],
            **{"from": text_of(span.following), "to": text_of(end), "step": str(step)},
            quantities=quantities or [],
            format=format if format == "csv" else "",
        )
    if format == "csv":
        return _table(f"readings-{inverter_id}.csv", readings_rows(found), following)
    return Response(readings_answer(inverter_id, found, step, following), headers=next_link(following))


@get(
    "/api/inverters/{inverter_id:uuid}/energy",
    operation_id="listEnergy",
    tags=["Readings"],
    summary="Energy by day",
    raises=[ServiceUnavailableException, TooManyRequestsException],
    guards=[limits.not_too_many_looks],
)
async def energy(
    request: VisitorRequest,
    *,
    inverter_id: FromPath[UUID],
    since: FirstDay = None,
    until: LastDay = None,
    format: Format = "json",  # noqa: A002  # the parameter's own name
) -> Response[EnergyAnswer]:
    """Days are those of the owner's time zone, both ends included, at most 92 an answer; `next` leads on."""
    first, last = _day("from", since), _day("to", until)
    try:
        found = await programs.energies(_archive(request), request.user.account_id, inverter_id, first=first, last=last)
    except HistoryAway:
        _away()
    if found is None:
        raise NotFoundException("No such inverter.")
    following = None
    if found.span.following:
        following = address(
            request.scope["path"],
            **{"from": found.span.following.isoformat(), "to": last.isoformat() if last else ""},
            format=format if format == "csv" else "",
        )
    if format == "csv":
        return _table(f"energy-{inverter_id}.csv", energy_rows(found), following)
    return Response(energy_answer(inverter_id, found, following), headers=next_link(following))


@get(
    "/api/quantities",
    operation_id="listQuantities",
    responses=UNCHANGED,
    tags=["Readings"],
    summary="What the names of values mean",
)
async def listed_quantities(request: VisitorRequest) -> Response[list[QuantityAnswer]]:
    """The catalogue; names that begin with `x_` are what a device calls a value that the catalogue does not know."""
    return tagged(request, [quantity_answer(quantity) for quantity in CATALOGUE.values()])


def _archive(request: VisitorRequest) -> Archive:
    parts = parts_of(request)
    return Archive(parts.sessions, parts.history, parts.sealer, parts.now())


def _away() -> NoReturn:
    raise ServiceUnavailableException(
        "The store of readings does not answer.", headers={"Retry-After": str(RETRY_AFTER_S)}
    ) from None


def _instant(name: str, text: str | None) -> datetime | None:
    try:
        return None if text is None else asked.instant(text)
    except NotAsked as error:
        raise refused(name, str(error)) from None


def _day(name: str, text: str | None) -> date | None:
    try:
        return None if text is None else asked.day(text)
    except NotAsked as error:
        raise refused(name, str(error)) from None


def _quantities(names: list[str] | None) -> list[str]:
    try:
        return list(POWER_QUANTITIES if names is None else asked.quantities(names))
    except NotAsked as error:
        raise refused("quantities", str(error)) from None


def _table(name: str, found: tuple[Sequence[str], Iterable[Sequence[Cell]]], following: str | None) -> Response[Any]:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', **NEVER_STORED, **next_link(following)}
    return Response(as_csv(*found), media_type=CSV_TYPE, headers=headers)


HANDLERS: list[Any] = [latest, readings, energy, listed_quantities]
