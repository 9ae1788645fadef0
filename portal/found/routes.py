"""Adopting and hiding devices that were found on a login. HTTP only; the pages that show them are others'."""

from uuid import UUID

from litestar import post
from litestar.exceptions import ClientException, NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect, Template

from portal.auth import VisitorRequest
from portal.found import service
from portal.found.forms import Adopted, Chosen
from portal.found.service import NeedsSerial
from portal.inverters.service import Enough
from portal.parts import parts_of
from portal.submitted import Submitted, check, submitted
from portal.templating import page, see_other
from portal.words import _

_FOUND = "/inverters/{inverter_id:uuid}/found"


@post(f"{_FOUND}/adopt")
async def adopt(request: VisitorRequest, inverter_id: FromPath[UUID]) -> Template | Redirect:
    """Make it an inverter of its own. One that tells no serial is asked for it first."""
    form = await submitted(request)
    typed = check(Adopted, form)
    if isinstance(typed, Submitted):
        if typed.errors.keys() != {"serial"}:
            raise ClientException(status_code=422)
        return _asked(request, inverter_id, typed)
    parts = parts_of(request)
    try:
        async with parts.sessions.begin() as session:
            adopted = await service.adopt(session, request.user.account_id, inverter_id, typed, parts.now())
            if adopted is None:
                raise NotFoundException
    except NeedsSerial:
        return _asked(request, inverter_id, form)
    except Enough:
        sentence = _("This is as many as one account may add for now. Please try again tomorrow.")
        return _asked(request, inverter_id, form.wrong("", sentence))
    return see_other(f"/inverters/{adopted}")


@post(f"{_FOUND}/hide")
async def hide(request: VisitorRequest, inverter_id: FromPath[UUID]) -> Redirect:
    """It is not to be told any more."""
    typed = check(Chosen, await submitted(request))
    if isinstance(typed, Submitted):
        raise ClientException(status_code=422)
    parts = parts_of(request)
    async with parts.sessions.begin() as session:
        if not await service.hide(session, request.user.account_id, inverter_id, typed, parts.now()):
            raise NotFoundException
    return see_other(f"/inverters/{inverter_id}")


def _asked(request: VisitorRequest, inverter_id: UUID, form: Submitted) -> Template:
    """The form for the serial that the device does not tell."""
    status = 422 if form.errors else 200
    return page(request, "found/adopt.html", status=status, inverter_id=inverter_id, form=form)


SIGNED_IN = [adopt, hide]
