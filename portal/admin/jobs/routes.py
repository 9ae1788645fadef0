"""The administrator's list of places that are still to be made or to be erased. HTTP only."""

from typing import Any
from uuid import UUID

from litestar import get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect, Template

from portal.accounts.fresh import FORM_PAGE, fresh_enough
from portal.admin import listing
from portal.admin.jobs import service
from portal.admin.jobs.forms import JobSearch, Kind
from portal.auth import VisitorRequest, only_admins_find_this
from portal.parts import parts_of
from portal.templating import see_other
from schema.database import reading

_LIST = "/admin/jobs"
_ACT: dict[str, Any] = {"guards": [only_admins_find_this, fresh_enough], "opt": {FORM_PAGE: _LIST}}


@get(_LIST, guards=[only_admins_find_this])
async def listed(request: VisitorRequest) -> Template:
    """Organisations and buckets that are not made, or not erased, yet."""
    parts = parts_of(request)
    search, form = listing.asked(request, JobSearch)
    async with reading(parts.sessions) as session:
        found = await service.listed(session, search)
    asked = request.query_params.get("done") == "asked"
    return listing.shown(request, "admin/jobs.html", search, form, found, asked=asked)


@post(f"{_LIST}/owners/{{owner_id:uuid}}/retry", **_ACT)
async def retry_owner(request: VisitorRequest, owner_id: FromPath[UUID]) -> Redirect:
    """Go on with an owner's organisation now."""
    return await _retry(request, Kind.OWNER, owner_id)


@post(f"{_LIST}/inverters/{{inverter_id:uuid}}/retry", **_ACT)
async def retry_inverter(request: VisitorRequest, inverter_id: FromPath[UUID]) -> Redirect:
    """Go on with an inverter's bucket now."""
    return await _retry(request, Kind.INVERTER, inverter_id)


async def _retry(request: VisitorRequest, kind: Kind, place_id: UUID) -> Redirect:
    await listing.pressed(request)
    parts = parts_of(request)
    async with parts.sessions.begin() as session:
        known = await service.retry(session, kind, place_id, by=request.user.account_id, now=parts.now())
    if not known:
        raise NotFoundException
    return see_other(f"{_LIST}?done=asked")


SIGNED_IN = [listed, retry_owner, retry_inverter]
