"""Pages of the dashboard, the day curve as JSON, and the stream of live events. HTTP only."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from litestar import Response, get
from litestar.exceptions import NotFoundException, ServiceUnavailableException
from litestar.params import FromPath, FromQuery
from litestar.response import ServerSentEvent, ServerSentEventMessage, Template
from litestar.serialization import encode_json

from portal.auth import VisitorRequest
from portal.dashboard import service
from portal.dashboard.energy import EnergySource
from portal.dashboard.events import Event, Stream, Watcher
from portal.dashboard.history import HistoryAway
from portal.dashboard.numbers import Numbers, age, language_of
from portal.dashboard.production import BATTERY, GRID, picked, shown, strings_of
from portal.dashboard.service import Desk, Detail
from portal.parts import parts_of
from portal.templating import page

_EVENT_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_RECONNECT_MS = 3000
_FIRST_DAY = date(2000, 1, 1)
_NO_HISTORY = "History is not available right now."


def _numbers(request: VisitorRequest) -> Numbers:
    return Numbers(language_of(request.headers.get("accept-language", "")))


def _desk(request: VisitorRequest) -> Desk:
    parts = parts_of(request)
    return Desk(
        sessions=parts.sessions,
        live_engine=parts.live_engine,
        history=parts.history,
        sealer=parts.sealer,
        numbers=_numbers(request),
        now=parts.now(),
    )


def _told(desk: Desk) -> dict[str, Any]:
    """What every page here needs for its words."""
    return {"numbers": desk.numbers, "now": desk.now, "age": age}


@get("/")
async def overview(request: VisitorRequest) -> Template:
    """Is everything working, and how well?"""
    desk = _desk(request)
    found = await service.overview(desk, request.user.account_id)
    return page(request, "dashboard/overview.html", overview=found, **_told(desk))


@get("/inverters/{inverter_id:uuid}")
async def inverter(request: VisitorRequest, inverter_id: FromPath[UUID], day: FromQuery[str] = "") -> Template:
    """One inverter: now, the day ``day`` (today by default), seven days."""
    desk = _desk(request)
    found = await service.detail(desk, request.user.account_id, inverter_id, _date(day))
    if found is None:
        raise NotFoundException
    values = found.card.row.values if found.card.row else {}
    return page(
        request,
        "dashboard/inverter.html",
        detail=found,
        previous_day=found.on - timedelta(days=1),
        next_day=found.on + timedelta(days=1) if found.on < found.today else None,
        curve_summary=_summary(found, desk.numbers),
        week_note=_week_note(found),
        strings=strings_of(values),
        battery=picked(values, BATTERY),
        grid=picked(values, GRID),
        values=shown(values),
        **_told(desk),
    )


@get("/inverters/{inverter_id:uuid}/curve")
async def curve(
    request: VisitorRequest, inverter_id: FromPath[UUID], day: FromQuery[str] = ""
) -> Response[dict[str, Any]]:
    """One day's power (W) for the drawing library: Unix seconds, and one list for each line, null in gaps."""
    try:
        found = await service.curve(_desk(request), request.user.account_id, inverter_id, _date(day))
    except HistoryAway:
        raise ServiceUnavailableException(_NO_HISTORY) from None
    if found is None:
        raise NotFoundException
    return Response(
        {
            "start": found.frame.start.timestamp(),
            "end": found.frame.end.timestamp(),
            "times": found.times,
            "lines": found.lines,
        }
    )


@get("/events")
async def events(request: VisitorRequest) -> ServerSentEvent:
    """What changes on the inverters this device may see, until it leaves or its session ends."""
    parts = parts_of(request)
    watcher = Watcher(request.user.account_id, request.user.session_id, _numbers(request))
    stream = Stream(watcher, sessions=parts.sessions, live_engine=parts.live_engine, clock=parts.now)
    return ServerSentEvent(_messages(stream.events(parts.live_feed)), headers=_EVENT_HEADERS)


async def _messages(found: AsyncIterator[Event]) -> AsyncIterator[ServerSentEventMessage]:
    """Events as the wire wants them; an event without data is a comment that keeps the line open."""
    yield ServerSentEventMessage(comment="welcome", retry=_RECONNECT_MS)
    async for event in found:
        if event.data is None:
            yield ServerSentEventMessage(comment="still here")
        else:
            yield ServerSentEventMessage(event=event.name, data=encode_json(event.data).decode())


def _date(text: str) -> date | None:
    """The day an address names, None for today; nonsense, and a day before all inverters, is no page."""
    try:
        found = date.fromisoformat(text) if text else None
    except ValueError:
        raise NotFoundException from None
    if found is not None and found < _FIRST_DAY:
        raise NotFoundException
    return found


def _summary(found: Detail, numbers: Numbers) -> str:
    """The curve in one sentence, for whoever does not see it."""
    drawn = found.curve
    if drawn is None or drawn.peak is None:
        return "No power was measured."
    at, watts = drawn.peak
    clock = numbers.clock(at, found.card.station.zone)
    return f"Highest five-minute mean {numbers.power(watts)} at {clock}."


def _week_note(found: Detail) -> str:
    """Where the seven values come from."""
    sources = {bar.energy.source for bar in found.week if bar.energy.kwh is not None}
    said = []
    if EnergySource.COUNTER in sources:
        said.append("kWh from midnight to midnight by the lifetime counter.")
    if EnergySource.DAY_COUNTER in sources:
        said.append("kWh by the inverter's own day counter.")
    if EnergySource.POWER in sources:
        said.append("Striped days are estimated from power; gaps are not counted.")
    mended = {repair for bar in found.week for repair in bar.energy.repairs if bar.energy.kwh is not None}
    said += sorted(repair for repair in mended if not repair.startswith(("Estimated", "The publisher")))
    return " ".join(said) or "No energy is known for these days yet."


SIGNED_IN = [overview, inverter, curve, events]
