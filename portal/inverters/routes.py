"""Pages that list, add, edit, delete and bring back inverters. HTTP only."""

from uuid import UUID

from litestar import get, post
from litestar.exceptions import NotFoundException, PermissionDeniedException
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect, Template

from portal.auth import VisitorRequest
from portal.dashboard.numbers import of_reader
from portal.homes import service as homes
from portal.inverters import editing, ending, metadata, service
from portal.inverters.forms import Edited, NewInverter
from portal.inverters.service import AlreadyYours, Enough, NoOwner, WhichHome
from portal.pairing.routes import shown_once
from portal.parts import parts_of
from portal.submitted import Submitted, check, submitted
from portal.templating import page, see_other
from portal.words import _
from schema.database import reading
from schema.models import Inverter, MetadataSource, ToldBy


@get("/inverters")
async def listed(request: VisitorRequest) -> Template:
    """All inverters the account may see, and those it has deleted and can bring back."""
    return await _list(request)


@get("/inverters/new")
async def new_form(request: VisitorRequest, home: FromQuery[str] = "") -> Template:
    """An empty form; who owns several homes is asked which one, and ``home`` is the one chosen beforehand."""
    return await _new_page(request, Submitted({"home": home}))


@post("/inverters")
async def add(request: VisitorRequest) -> Template | Redirect:
    """Add an inverter and go on to its pairing page. Whoever else has the serial makes no difference here."""
    parts = parts_of(request)
    form = await submitted(request)
    typed = check(NewInverter, form)
    if isinstance(typed, Submitted):
        return await _new_page(request, typed)
    try:
        async with parts.sessions.begin() as session:
            added = await service.add(session, request.user.account_id, typed, now=parts.now())
    except AlreadyYours as twin:
        form = form.wrong("serial", _("You have added an inverter with this serial before."))
        return await _new_page(request, form, known=twin.inverter_id)
    except Enough:
        form = form.wrong("", _("This is as many as one account may add for now. Please try again tomorrow."))
        return await _new_page(request, form)
    except WhichHome:
        return await _new_page(request, form.wrong("home", _("Please choose one of these.")))
    except NoOwner:
        raise PermissionDeniedException("This account has no installation of its own.") from None
    return shown_once(request, added.inverter_id, added.credentials)


@get("/inverters/{inverter_id:uuid}/edit")
async def edit_form(request: VisitorRequest, inverter_id: FromPath[UUID]) -> Template:
    """Its name, what the device is, and its end."""
    inverter = await _owned(request, inverter_id)
    names = ("name", *metadata.NAMES)
    present = {name: str(value) for name in names if (value := getattr(inverter, name)) is not None}
    return await _edit_page(request, inverter, Submitted(present))


@post("/inverters/{inverter_id:uuid}/edit")
async def edit(request: VisitorRequest, inverter_id: FromPath[UUID]) -> Template | Redirect:
    """Keep what its owner says."""
    parts = parts_of(request)
    inverter = await _owned(request, inverter_id)
    typed = check(Edited, await submitted(request))
    if isinstance(typed, Submitted):
        return await _edit_page(request, inverter, typed)
    async with parts.sessions.begin() as session:
        if not await editing.edit(session, request.user.account_id, inverter_id, typed, parts.now()):
            raise NotFoundException
    return see_other(f"/inverters/{inverter_id}")


async def _edit_page(request: VisitorRequest, inverter: Inverter, form: Submitted) -> Template:
    async with reading(parts_of(request).sessions) as session:
        sources = await metadata.sources_of(session, inverter.id)
    status = 422 if form.errors else 200
    said_by = {name: _said_by(sources.get(name)) for name in metadata.NAMES if getattr(inverter, name) is not None}
    return page(request, "inverters/edit.html", status=status, inverter=inverter, form=form, said_by=said_by)


def _said_by(source: MetadataSource | None) -> str:
    """Who told a value, and when; one from before that was noted came from a collector."""
    if source is None:
        return _("Told by a collector of this service.")
    day = of_reader().day(source.told_at.date())
    if source.told_by == ToldBy.OWNER:
        return _("Said here on %(day)s. No collector changes it.", day=day)
    return _("Told by a collector of this service on %(day)s.", day=day)


@post("/inverters/{inverter_id:uuid}/delete")
async def delete(request: VisitorRequest, inverter_id: FromPath[UUID]) -> Redirect:
    """Stop it at once; it can be brought back for some days."""
    parts = parts_of(request)
    async with parts.sessions.begin() as session:
        if not await ending.remove(session, request.user.account_id, inverter_id, parts.now()):
            raise NotFoundException
    return see_other("/inverters#deleted")


@post("/inverters/{inverter_id:uuid}/bring-back")
async def bring_back(request: VisitorRequest, inverter_id: FromPath[UUID]) -> Template | Redirect:
    """Undo its deletion."""
    parts = parts_of(request)
    try:
        async with parts.sessions.begin() as session:
            if not await ending.bring_back(session, request.user.account_id, inverter_id, parts.now()):
                raise NotFoundException
    except AlreadyYours as twin:
        return await _list(request, twin=twin.inverter_id)
    except Enough:
        return await _list(request, full=True)
    return see_other(f"/inverters/{inverter_id}")


async def _list(request: VisitorRequest, *, twin: UUID | None = None, full: bool = False) -> Template:
    """``twin`` and ``full`` say why one could not be brought back."""
    parts, account_id = parts_of(request), request.user.account_id
    async with reading(parts.sessions) as session:
        found = await service.visible(session, account_id, parts.now())
        deleted = await ending.deleted(session, account_id, parts.now())
    return page(
        request,
        "inverters/list.html",
        status=409 if twin or full else 200,
        inverters=found,
        deleted=deleted,
        twin=twin,
        full=full,
        numbers=of_reader(),
    )


async def _new_page(request: VisitorRequest, form: Submitted, *, known: UUID | None = None) -> Template:
    """The form; ``known`` is the inverter that has this serial already."""
    parts = parts_of(request)
    async with reading(parts.sessions) as session:
        mine = await homes.owned(session, request.user.account_id, parts.now())
    status = 422 if form.errors else 200
    choices = [(home.id, home.called) for home in mine]
    return page(request, "inverters/new.html", status=status, form=form, homes=choices, known=known)


async def _owned(request: VisitorRequest, inverter_id: UUID) -> Inverter:
    """The inverter, if it is the account's to change; else there is nothing here."""
    parts = parts_of(request)
    async with reading(parts.sessions) as session:
        inverter = await service.get_owned(session, request.user.account_id, inverter_id, parts.now())
    if inverter is None:
        raise NotFoundException
    return inverter


SIGNED_IN = [listed, new_form, add, edit_form, edit, delete, bring_back]
