"""Pages that list, add, rename and delete inverters. HTTP only."""

from uuid import UUID

from litestar import get, post
from litestar.exceptions import NotFoundException, PermissionDeniedException
from litestar.params import FromPath
from litestar.response import Redirect, Template

from portal.auth import VisitorRequest
from portal.inverters import service
from portal.inverters.forms import NewInverter, Renamed
from portal.inverters.service import AlreadyYours, Enough, NoOwner
from portal.pairing.routes import shown_once
from portal.parts import parts_of
from portal.submitted import EMPTY, Submitted, check, submitted
from portal.templating import page, see_other
from schema.database import reading
from schema.models import Inverter


@get("/inverters")
async def listed(request: VisitorRequest) -> Template:
    """All inverters the account may see."""
    parts = parts_of(request)
    async with reading(parts.sessions) as session:
        found = await service.visible(session, request.user.account_id, parts.now())
    return page(request, "inverters/list.html", inverters=found)


@get("/inverters/new")
async def new_form(request: VisitorRequest) -> Template:
    """An empty form."""
    return page(request, "inverters/new.html", form=EMPTY, known=None)


@post("/inverters")
async def add(request: VisitorRequest) -> Template | Redirect:
    """Add an inverter and go on to its pairing page. Whoever else has the serial makes no difference here."""
    parts = parts_of(request)
    form = await submitted(request)
    typed = check(NewInverter, form)
    if isinstance(typed, Submitted):
        return page(request, "inverters/new.html", status=422, form=typed, known=None)
    try:
        async with parts.sessions.begin() as session:
            added = await service.add(
                session, request.user.account_id, typed, server=parts.store_server, now=parts.now()
            )
    except AlreadyYours as twin:
        form = form.wrong("serial", "You have added an inverter with this serial before.")
        return page(request, "inverters/new.html", status=422, form=form, known=twin.inverter_id)
    except Enough:
        form = form.wrong("", "This is as many as one account may add for now. Please try again tomorrow.")
        return page(request, "inverters/new.html", status=422, form=form, known=None)
    except NoOwner:
        raise PermissionDeniedException("This account has no installation of its own.") from None
    return shown_once(request, added.inverter_id, added.credentials)


@get("/inverters/{inverter_id:uuid}/edit")
async def edit_form(request: VisitorRequest, inverter_id: FromPath[UUID]) -> Template:
    """Rename or delete."""
    inverter = await _owned(request, inverter_id)
    return page(request, "inverters/edit.html", inverter=inverter, form=Submitted({"name": inverter.name}))


@post("/inverters/{inverter_id:uuid}/rename")
async def rename(request: VisitorRequest, inverter_id: FromPath[UUID]) -> Template | Redirect:
    """Give it another name."""
    parts = parts_of(request)
    inverter = await _owned(request, inverter_id)
    typed = check(Renamed, await submitted(request))
    if isinstance(typed, Submitted):
        return page(request, "inverters/edit.html", status=422, inverter=inverter, form=typed)
    async with parts.sessions.begin() as session:
        if not await service.rename(session, request.user.account_id, inverter_id, typed.name, parts.now()):
            raise NotFoundException
    return see_other(f"/inverters/{inverter_id}")


@post("/inverters/{inverter_id:uuid}/delete")
async def delete(request: VisitorRequest, inverter_id: FromPath[UUID]) -> Redirect:
    """Delete it and revoke its logins."""
    parts = parts_of(request)
    async with parts.sessions.begin() as session:
        if not await service.remove(session, request.user.account_id, inverter_id, parts.now()):
            raise NotFoundException
    return see_other("/")


async def _owned(request: VisitorRequest, inverter_id: UUID) -> Inverter:
    """The inverter, if it is the account's to change; else there is nothing here."""
    parts = parts_of(request)
    async with reading(parts.sessions) as session:
        inverter = await service.get_owned(session, request.user.account_id, inverter_id, parts.now())
    if inverter is None:
        raise NotFoundException
    return inverter


SIGNED_IN = [listed, new_form, add, edit_form, rename, delete]
