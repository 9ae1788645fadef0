"""The administrator's first page, and all pages of the administration. HTTP only; everybody else finds nothing here
(``auth.only_admins_find_this``).
"""

import asyncio
from dataclasses import replace

from litestar import get
from litestar.response import Template

from portal import health
from portal.admin import listing, machine, service
from portal.admin.claims import routes as claims
from portal.admin.collectors import routes as collectors
from portal.admin.inverters import routes as inverters
from portal.admin.jobs import routes as jobs
from portal.admin.log import routes as log
from portal.admin.log.service import head
from portal.admin.mails import routes as mails
from portal.admin.orphans import routes as orphans
from portal.admin.servers import routes as servers
from portal.admin.servers.service import needing_somebody
from portal.admin.users import routes as users
from portal.auth import VisitorRequest, only_admins_find_this
from portal.parts import parts_of
from portal.templating import page
from schema.database import is_sqlite, reading


@get("/admin", guards=[only_admins_find_this])
async def overview(request: VisitorRequest) -> Template:
    """What needs somebody, what answers, how much there is of everything."""
    parts = parts_of(request)
    answering = await health.looked_at(parts)
    async with reading(parts.sessions) as session:
        found, newest = await service.installation(session), await head(session)
        uneasy = await needing_somebody(session, parts.now())
    if answering["live"]:
        found = replace(found, heard_at=await service.heard_at(parts.live_engine))
    return page(
        request,
        "admin/overview.html",
        installation=found,
        counts=found.counts,
        head=newest,
        uneasy_servers=uneasy,
        answering=answering,
        machine=await asyncio.to_thread(machine.look, parts.settings.data_dir),
        store=parts.settings.store.value,
        database="SQLite" if is_sqlite(parts.settings.database_url) else "PostgreSQL",
        **listing.told(request),
    )


SIGNED_IN = [
    overview,
    *users.SIGNED_IN,
    *inverters.SIGNED_IN,
    *claims.SIGNED_IN,
    *jobs.SIGNED_IN,
    *collectors.SIGNED_IN,
    *servers.SIGNED_IN,
    *orphans.SIGNED_IN,
    *mails.SIGNED_IN,
    *log.SIGNED_IN,
]
