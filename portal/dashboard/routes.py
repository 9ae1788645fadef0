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

from portal import limits
from portal.auth import VisitorRequest
from portal.dashboard import service
from portal.dashboard.energy import FROM_POWER, OWN_DAY_COUNTER, EnergySource
from portal.dashboard.events import Event, Stream, Watcher
from portal.dashboard.history import HistoryAway
from portal.dashboard.numbers import Numbers, age, of_reader
from portal.dashboard.production import BATTERY, GRID, picked, shown, strings_of
from portal.dashboard.service import Desk, Detail
from portal.dead_letters import service as set_aside
from portal.found import service as devices
from portal.inverters import ending
from portal.notices import service as notices
from portal.parts import parts_of
from portal.serials import requests
from portal.templating import page
from portal.words import _
from schema.database import reading

_EVENT_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_RECONNECT_MS = 3000
_FIRST_DAY = date(2000, 1, 1)
_MOST_SHOWN = 200


def _desk(request: VisitorRequest) -> Desk:
    parts = parts_of(request)
    return Desk(
        sessions=parts.sessions,
        live_engine=parts.live_engine,
        history=parts.history,
        sealer=parts.sealer,
        numbers=of_reader(),
        now=parts.now(),
    )


def _told(desk: Desk) -> dict[str, Any]:
    """What every page here needs for its words."""
    return {"numbers": desk.numbers, "now": desk.now, "age": age}


@get("/", guards=[limits.not_too_many_looks])
async def overview(request: VisitorRequest) -> Template:
    """Is everything working, and how well?"""
    desk = _desk(request)
    found = await service.overview(desk, request.user.account_id)
    async with reading(desk.sessions) as session:
        known = await notices.told(session, request.user.account_id, desk.now)
        asked = await requests.questions(session, request.user.account_id, desk.now)
        deleted = await ending.deleted(session, request.user.account_id, desk.now)
    return page(
        request,
        "dashboard/overview.html",
        overview=found,
        notices=known,
        questions=asked,
        deleted=len(deleted),
        **_told(desk),
    )


@get("/inverters/{inverter_id:uuid}", guards=[limits.not_too_many_looks])
async def inverter(request: VisitorRequest, inverter_id: FromPath[UUID], day: FromQuery[str] = "") -> Template:
    """One inverter: now, the day ``day`` (today by default), seven days."""
    desk = _desk(request)
    found = await service.detail(desk, request.user.account_id, inverter_id, _date(day))
    if found is None:
        raise NotFoundException
    async with reading(desk.sessions) as session:
        aside = await set_aside.of_inverter(session, request.user.account_id, inverter_id, desk.now)
        known = await notices.told(session, request.user.account_id, desk.now, inverter_id=inverter_id)
        asked = await requests.questions(session, request.user.account_id, desk.now, inverter_id=inverter_id)
        heard = await devices.of_inverter(session, request.user.account_id, inverter_id, desk.now)
    values = found.card.row.values if found.card.row else {}
    return page(
        request,
        "dashboard/inverter.html",
        detail=found,
        previous_day=found.on - timedelta(days=1),
        next_day=found.on + timedelta(days=1) if found.on < found.today else None,
        curve_summary=_summary(found, desk.numbers),
        week_note=_week_note(found),
        set_aside=aside,
        notices=known,
        questions=asked,
        found=heard,
        strings=strings_of(values),
        battery=picked(values, BATTERY),
        grid=picked(values, GRID),
        values=shown(values),
        **_told(desk),
    )


@get("/inverters/{inverter_id:uuid}/curve", guards=[limits.not_too_many_looks])
async def curve(
    request: VisitorRequest, inverter_id: FromPath[UUID], day: FromQuery[str] = ""
) -> Response[dict[str, Any]]:
    """One day's power (W) for the drawing library: Unix seconds, and one list for each line, null in gaps."""
    try:
        found = await service.curve(_desk(request), request.user.account_id, inverter_id, _date(day))
    except HistoryAway:
        raise ServiceUnavailableException from None
    if found is None:
        raise NotFoundException
    return Response(
        {
            "start": found.frame.start.timestamp(),
            "end": found.frame.end.timestamp(),
            "times": found.times,
            "lines": found.lines,
            "names": {line: _line(line) for line in found.lines},
        }
    )


@get("/events")
async def events(request: VisitorRequest, only: FromQuery[str] = "") -> ServerSentEvent:
    """What changes on the inverters this device may see, until it leaves or its session ends. ``only`` are the ids of
    those that the page shows, with commas between them; all of them without it.
    """
    parts = parts_of(request)
    watcher = Watcher(request.user.account_id, request.user.session_id, of_reader(), _ids(only))
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


def _line(name: str) -> str:
    """A line of the curve in the reader's words; the data know it as ``total``, ``battery`` or ``string 1``."""
    if name == "battery":
        return _("Battery")
    kind, _blank, number = name.partition(" ")
    return _("String %(number)s", number=number) if kind == "string" else name


def _date(text: str) -> date | None:
    """The day an address names, None for today; nonsense, and a day before all inverters, is no page."""
    try:
        found = date.fromisoformat(text) if text else None
    except ValueError:
        raise NotFoundException from None
    if found is not None and found < _FIRST_DAY:
        raise NotFoundException
    return found


def _ids(text: str) -> frozenset[UUID]:
    """The inverters that an address names; nonsense, and more than any page shows, is no page."""
    try:
        found = frozenset(UUID(one) for one in text.split(",") if one)
    except ValueError:
        raise NotFoundException from None
    if len(found) > _MOST_SHOWN:
        raise NotFoundException
    return found


def _summary(found: Detail, numbers: Numbers) -> str:
    """The curve in one sentence, for whoever does not see it."""
    drawn = found.curve
    if drawn is None or drawn.peak is None:
        return _("No power was measured.")
    at, watts = drawn.peak
    clock = numbers.clock(at, found.card.station.zone)
    return _("Highest five-minute mean %(power)s at %(clock)s.", power=numbers.power(watts), clock=clock)


def _week_note(found: Detail) -> str:
    """Where the seven values come from."""
    sources = {bar.energy.source for bar in found.week if bar.energy.kwh is not None}
    said = []
    if EnergySource.COUNTER in sources:
        said.append(_("kWh from midnight to midnight by the lifetime counter."))
    if EnergySource.DAY_COUNTER in sources:
        said.append(_("kWh by the inverter's own day counter."))
    if EnergySource.POWER in sources:
        said.append(_("Striped days are estimated from power; gaps are not counted."))
    mended = {repair for bar in found.week for repair in bar.energy.repairs if bar.energy.kwh is not None}
    said += sorted(mended - {FROM_POWER, OWN_DAY_COUNTER})
    return " ".join(said) or _("No energy is known for these days yet.")


SIGNED_IN = [overview, inverter, curve, events]
