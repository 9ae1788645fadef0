"""The administrator's list of orphans. HTTP only; there is nothing to press: the portal may not touch InfluxDB."""

from litestar import get
from litestar.response import Template

from portal.admin import listing
from portal.admin.orphans import service
from portal.admin.orphans.forms import OrphanSearch
from portal.auth import VisitorRequest, only_admins_find_this
from portal.parts import parts_of
from schema.database import reading

_LIST = "/admin/orphans"


@get(_LIST, guards=[only_admins_find_this])
async def listed(request: VisitorRequest) -> Template:
    """Organisations, buckets and tokens with a name of ours that no row knows."""
    search, form = listing.asked(request, OrphanSearch)
    async with reading(parts_of(request).sessions) as session:
        found = await service.listed(session, search)
    return listing.shown(request, "admin/orphans.html", search, form, found)


SIGNED_IN = [listed]
