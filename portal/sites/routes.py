"""An installer's pages on site: the list of sites, one site with its devices, the sheet of settings. HTTP only."""

from typing import Any
from uuid import UUID

from litestar import get, post
from litestar.datastructures import Cookie
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect, Template

from portal.accounts.profile import zone_of
from portal.auth import VisitorRequest, only_installers_find_this
from portal.cookies import cookie_name
from portal.dashboard.days import zone_named
from portal.dashboard.numbers import age, of_reader
from portal.headers import CAMERA, NEVER_STORED
from portal.inverters.service import AlreadyYours, Enough
from portal.pairing.recipes import Connection
from portal.pairing.routes import broker_of, note_cookie
from portal.parts import parts_of
from portal.sites import kept, service
from portal.sites.forms import NewDevice, NewSite
from portal.sites.kept import Kept
from portal.sites.rows import Row, rows
from portal.sites.service import KnownSite, Site, TooMany
from portal.submitted import EMPTY, Submitted, check, submitted
from portal.templating import page, see_other
from portal.words import _
from schema.database import reading

_COOKIE = "site"
_SITE = "/sites/{site_id:uuid}"


@get("/sites", guards=[only_installers_find_this])
async def listed(request: VisitorRequest) -> Template:
    """The sites that are not handed over yet, and a form for a new one."""
    return await _list(request, EMPTY)


@post("/sites", guards=[only_installers_find_this])
async def make(request: VisitorRequest) -> Template | Redirect:
    """Make a site and go on to its devices."""
    parts, account_id = parts_of(request), request.user.account_id
    form = await submitted(request)
    typed = check(NewSite, form)
    if isinstance(typed, Submitted):
        return await _list(request, typed)
    try:
        async with parts.sessions.begin() as session:
            zone = await zone_of(session, account_id, parts.now())
            made = await service.make(session, account_id, typed, zone=zone, now=parts.now())
    except KnownSite as twin:
        return await _list(request, form.wrong("name", _("You have a site of this name.")), known=twin.site_id)
    except TooMany:
        full = _("These are as many sites as one installer may have. Hand some over, or try again tomorrow.")
        return await _list(request, form.wrong("", full))
    return see_other(f"/sites/{made}")


@get(_SITE, guards=[only_installers_find_this])
async def site(request: VisitorRequest, site_id: FromPath[UUID]) -> Template:
    """One site: the settings of the device just added, the form for the next one, and how far each has come."""
    return await _page(request, site_id, EMPTY)


@get(f"{_SITE}/devices", guards=[only_installers_find_this])
async def devices_part(request: VisitorRequest, site_id: FromPath[UUID]) -> Template:
    """The list alone, for the open page: it must not load itself again, for that would lose the secret it shows."""
    found, listed_rows = await _found(request, site_id)
    return page(request, "sites/devices.html", headers=NEVER_STORED, site=found, rows=listed_rows, **_told(request))


@post(f"{_SITE}/devices", guards=[only_installers_find_this])
async def add_device(request: VisitorRequest, site_id: FromPath[UUID]) -> Template | Redirect:
    """Add a device and show its settings. Whoever else has the serial makes no difference here."""
    parts = parts_of(request)
    form = await submitted(request)
    typed = check(NewDevice, form)
    if isinstance(typed, Submitted):
        return await _page(request, site_id, typed)
    try:
        async with parts.sessions.begin() as session:
            added = await service.add_device(session, request.user.account_id, site_id, typed, now=parts.now())
    except AlreadyYours as twin:
        form = form.wrong("serial", _("This site has a device with this serial."))
        return await _page(request, site_id, form, known=twin.inverter_id)
    except Enough:
        full = _("These are as many devices as one site may have for now. Please try again tomorrow.")
        return await _page(request, site_id, form.wrong("", full))
    if added is None:
        raise NotFoundException
    notes = _kept(request, site_id).with_one_more(added.credentials)
    return see_other(f"/sites/{site_id}", cookies=[_cookie(request, site_id, notes)])


@get(f"{_SITE}/settings", guards=[only_installers_find_this])
async def settings(request: VisitorRequest, site_id: FromPath[UUID]) -> Template:
    """The settings of all devices on one sheet, to be printed; a secret stands there once."""
    parts, notes = parts_of(request), _kept(request, site_id)
    found, listed_rows = await _found(request, site_id)
    async with reading(parts.sessions) as session:
        good = await service.never_renewed(session, request.user.account_id, site_id, notes.secrets, parts.now())
    secrets = {login: secret for login, secret in notes.secrets.items() if login in good}
    sheet = [
        (row, Connection(broker_of(parts), row.login, secrets.get(row.login)) if row.login else None)
        for row in reversed(listed_rows)
    ]
    return page(
        request,
        "sites/settings.html",
        headers=NEVER_STORED,
        cookies=_forgotten(request),
        site=found,
        sheet=sheet,
        broker=broker_of(parts),
        day=of_reader().day(parts.now().astimezone(zone_named(found.time_zone)).date()),
    )


async def _list(request: VisitorRequest, form: Submitted, *, known: UUID | None = None) -> Template:
    """``known`` is the site that has the name already."""
    parts = parts_of(request)
    async with reading(parts.sessions) as session:
        mine = await service.listed(session, request.user.account_id, parts.now())
    return page(
        request,
        "sites/list.html",
        status=422 if form.errors else 200,
        sites=mine,
        form=form,
        known=known,
        numbers=of_reader(),
    )


async def _page(request: VisitorRequest, site_id: UUID, form: Submitted, *, known: UUID | None = None) -> Template:
    """``known`` is the device that has the serial already."""
    parts, notes = parts_of(request), _kept(request, site_id)
    found, listed_rows = await _found(request, site_id)
    added = next((row for row in listed_rows if notes.fresh and row.login == notes.fresh), None)
    connection = Connection(broker_of(parts), notes.fresh, notes.secrets.get(notes.fresh)) if added else None
    return page(
        request,
        "sites/site.html",
        status=422 if form.errors else 200,
        headers={**NEVER_STORED, **CAMERA},
        cookies=[_cookie(request, site_id, notes.once_shown())] if added else None,
        site=found,
        rows=listed_rows,
        added=added,
        connection=connection,
        form=form,
        known=known,
        **_told(request),
    )


async def _found(request: VisitorRequest, site_id: UUID) -> tuple[Site, list[Row]]:
    parts, account_id, now = parts_of(request), request.user.account_id, parts_of(request).now()
    async with reading(parts.sessions) as session:
        found = await service.get(session, account_id, site_id, now)
        if found is None:
            raise NotFoundException
        paired = await service.devices(session, parts.live_engine, account_id, site_id, now)
    return found, list(rows(paired, zone_named(found.time_zone), now, of_reader()))


def _told(request: VisitorRequest) -> dict[str, Any]:
    """What the list needs for its words."""
    return {"numbers": of_reader(), "now": parts_of(request).now(), "age": age, "zone_named": zone_named}


def _cookie_of(request: VisitorRequest) -> str | None:
    return request.cookies.get(cookie_name(_COOKIE, secure=parts_of(request).settings.cookie_secure))


def _kept(request: VisitorRequest, site_id: UUID) -> Kept:
    parts, session_id = parts_of(request), request.user.session_id
    return kept.opened(_cookie_of(request), parts.sealer, session_id=session_id, site_id=site_id, now=parts.now())


def _cookie(request: VisitorRequest, site_id: UUID, notes: Kept) -> Cookie:
    parts, session_id = parts_of(request), request.user.session_id
    value = kept.sealed(notes, parts.sealer, session_id=session_id, site_id=site_id, now=parts.now())
    return note_cookie(parts, _COOKIE, value, int(kept.LIFETIME.total_seconds()))


def _forgotten(request: VisitorRequest) -> list[Cookie] | None:
    return [note_cookie(parts_of(request), _COOKIE, "", 0)] if _cookie_of(request) else None


SIGNED_IN = [listed, make, site, devices_part, add_device, settings]
