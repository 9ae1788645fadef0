"""The fleet as a page. HTTP only."""

from litestar import get
from litestar.response import Template

from portal import limits
from portal.admin import listing
from portal.auth import VisitorRequest
from portal.dashboard.numbers import of_reader
from portal.fleet import service
from portal.fleet.forms import FleetSearch
from portal.parts import parts_of
from schema.database import reading


@get("/fleet", guards=[limits.not_too_many_looks])
async def fleet(request: VisitorRequest) -> Template:
    """All inverters that the account may see, those that need somebody first."""
    parts = parts_of(request)
    search, form = listing.asked(request, FleetSearch)
    async with reading(parts.sessions) as session:
        found = await service.fleet(
            session, parts.live_engine, request.user.account_id, search, now=parts.now(), numbers=of_reader()
        )
    return listing.shown(request, "fleet/fleet.html", search, form, found.found, fleet=found)


SIGNED_IN = [fleet]
