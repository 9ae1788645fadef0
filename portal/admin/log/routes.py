"""The audit log to an administrator. HTTP only."""

from litestar import get
from litestar.response import Template

from portal.admin import listing
from portal.admin.log import service
from portal.admin.log.forms import LogSearch
from portal.audit_log.sayings import SAYINGS, saying
from portal.auth import VisitorRequest, only_admins_find_this
from portal.parts import parts_of
from portal.templating import page
from portal.words import _
from schema.database import reading

_LIST = "/admin/log"


@get(_LIST, guards=[only_admins_find_this])
async def listed(request: VisitorRequest) -> Template:
    """Who did what about what and when, the newest first."""
    search, form = listing.asked(request, LogSearch)
    async with reading(parts_of(request).sessions) as session:
        part, head = await service.found(session, search), await service.head(session)
    place = {"before", "after"}
    return page(
        request,
        "admin/log.html",
        part=part,
        head=head,
        search=search,
        searched=search.model_dump(exclude=place) != LogSearch().model_dump(exclude=place),
        form=form,
        address=listing.addresses(_LIST, search),
        saying=saying,
        actions=[(action, _(words)) for action, words in SAYINGS.items()],
        **listing.told(request),
    )


SIGNED_IN = [listed]
