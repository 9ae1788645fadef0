"""The administrator's list of mails that wait. HTTP only."""

from litestar import get
from litestar.response import Template

from portal.admin import listing
from portal.admin.mails import service
from portal.admin.search import Search
from portal.auth import VisitorRequest, only_admins_find_this
from portal.parts import parts_of
from schema.database import reading

_LIST = "/admin/mails"


@get(_LIST, guards=[only_admins_find_this])
async def listed(request: VisitorRequest) -> Template:
    """Mails that have not gone out yet, by address."""
    parts = parts_of(request)
    search, form = listing.asked(request, Search)
    async with reading(parts.sessions) as session:
        found = await service.listed(session, search)
    return listing.shown(request, "admin/mails.html", search, form, found, kept=parts.mail_is_kept)


SIGNED_IN = [listed]
