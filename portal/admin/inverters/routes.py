"""The administrator's list of inverters. HTTP only."""

from litestar import get
from litestar.response import Template

from portal.admin import listing
from portal.admin.inverters import service
from portal.admin.inverters.forms import InverterSearch
from portal.auth import VisitorRequest, only_admins_find_this
from portal.parts import parts_of
from schema.database import reading

_LIST = "/admin/inverters"


@get(_LIST, guards=[only_admins_find_this])
async def listed(request: VisitorRequest) -> Template:
    """All inverters, by serial, name, owner or login."""
    parts = parts_of(request)
    search, form = listing.asked(request, InverterSearch)
    async with reading(parts.sessions) as session:
        found = await service.listed(session, parts.live_engine, search)
    return listing.shown(request, "admin/inverters.html", search, form, found)


SIGNED_IN = [listed]
