"""The administrator's page. HTTP only; everybody else finds nothing here (``auth.only_admins_find_this``)."""

from litestar import get
from litestar.response import Template

from portal.admin import service
from portal.auth import VisitorRequest, only_admins_find_this
from portal.parts import parts_of
from portal.templating import page
from schema.database import reading


@get("/admin", guards=[only_admins_find_this])
async def overview(request: VisitorRequest) -> Template:
    """Counts, what is still being made, what could not be read."""
    async with reading(parts_of(request).sessions) as session:
        found = await service.installation(session)
    return page(request, "admin/overview.html", installation=found)


SIGNED_IN = [overview]
