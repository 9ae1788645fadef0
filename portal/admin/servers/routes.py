"""The administrator's page about InfluxDB servers. HTTP only."""

from litestar import get
from litestar.response import Template

from portal.admin import listing
from portal.admin.servers import service
from portal.auth import VisitorRequest, only_admins_find_this
from portal.parts import parts_of
from portal.templating import page
from schema.database import reading
from schema.timeseries.kinds import StoreKind

_PAGE = "/admin/servers"


@get(_PAGE, guards=[only_admins_find_this])
async def shown(request: VisitorRequest) -> Template:
    """How full each server is, what is left, and who moves."""
    parts = parts_of(request)
    async with reading(parts.sessions) as session:
        found = await service.standing(session, parts.now())
    embedded = parts.settings.store is StoreKind.EMBEDDED
    return page(
        request, "admin/servers.html", standing=found, embedded=embedded, pace=service.PACE, **listing.told(request)
    )


SIGNED_IN = [shown]
