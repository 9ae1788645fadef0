"""The administrator's pages about contested serials. HTTP only."""

from typing import Any

from litestar import get, post
from litestar.exceptions import ClientException, NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect, Template

from portal.accounts.fresh import FORM_PAGE, fresh_enough
from portal.admin import listing
from portal.admin.claims import evidence, past, service, settling
from portal.admin.claims.forms import ClaimSearch, Decision
from portal.admin.claims.settling import NothingToSettle
from portal.admin.search import Found, Search
from portal.auth import VisitorRequest, only_admins_find_this
from portal.parts import parts_of
from portal.submitted import Submitted, check, submitted
from portal.templating import page, see_other
from schema.database import reading

_LIST = "/admin/claims"
_ONE = f"{_LIST}/{{serial:str}}"
_ACT: dict[str, Any] = {
    "guards": [only_admins_find_this, fresh_enough],
    "opt": {FORM_PAGE: f"{_LIST}/{{serial}}"},
}


@get(_LIST, guards=[only_admins_find_this])
async def listed(request: VisitorRequest) -> Template:
    """Serials that several claim."""
    search, form = listing.asked(request, ClaimSearch)
    async with reading(parts_of(request).sessions) as session:
        found = await service.listed(session, search)
    return listing.shown(request, "admin/claims.html", search, form, found)


@get(_ONE, guards=[only_admins_find_this, fresh_enough])
async def one(request: VisitorRequest, serial: FromPath[str]) -> Template:
    """Who claims it, and what speaks for whom."""
    return await _shown(request, serial, done=request.query_params.get("done") == "settled")


@post(f"{_ONE}/settle", **_ACT)
async def settle(request: VisitorRequest, serial: FromPath[str]) -> Redirect | Template:
    """Decide whose it is."""
    decision = check(Decision, await submitted(request))
    if isinstance(decision, Submitted):
        raise ClientException(status_code=422)
    parts = parts_of(request)
    try:
        async with parts.sessions.begin() as session:
            await settling.settle(
                session,
                serial,
                decision.inverter,
                by=request.user.account_id,
                links=parts.links,
                now=parts.now(),
            )
    except NothingToSettle:
        return await _shown(request, serial, refused=True)
    parts.mailer.wake()
    return see_other(f"{_LIST}/{serial}?done=settled")


async def _shown(request: VisitorRequest, serial: str, *, done: bool = False, refused: bool = False) -> Template:
    parts, search = parts_of(request), listing.asked(request, Search)[0]
    async with reading(parts.sessions) as session:
        found = await service.sides(session, parts.live_engine, serial, search) if serial.isalnum() else Found((), 0)
        if not found.rows:
            raise NotFoundException
        context: dict[str, Any] = {
            "serial": serial,
            "found": found,
            "search": search,
            "address": listing.addresses(f"{_LIST}/{serial}", search),
            "counters": evidence.counters(found.rows),
            "former": await past.former_holders(session, serial),
            "wishes": await past.wishes(session, serial, parts.now()),
        }
    status = 409 if refused else 200
    return page(
        request, "admin/claim.html", status=status, done=done, refused=refused, **context, **listing.told(request)
    )


SIGNED_IN = [listed, one, settle]
