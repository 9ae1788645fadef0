"""The page about an inverter's serial (given away, replaced, mistyped, bought used), and the answer to who asks.

HTTP only.
"""

from typing import Any
from uuid import UUID

from litestar import get, post
from litestar.exceptions import ClientException, NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect, Template

from portal import limits
from portal.accounts.fresh import FORM_PAGE, fresh_enough
from portal.auth import VisitorRequest
from portal.dashboard.numbers import of_reader
from portal.homes import service as homes
from portal.inverters.serial_help import hint
from portal.inverters.service import AlreadyYours, get_owned
from portal.parts import parts_of
from portal.serials import requests, service
from portal.serials.forms import Another, Answer, GivenAway
from portal.submitted import EMPTY, Submitted, check, submitted
from portal.templating import page, see_other
from portal.words import _
from schema.database import reading

_PAGE = "/inverters/{inverter_id:uuid}/serial"


@get(_PAGE)
async def shown(request: VisitorRequest, inverter_id: FromPath[UUID]) -> Template:
    """What the serial is, was, and can become."""
    return await _shown(request, inverter_id)


@post(f"{_PAGE}/change")
async def change(request: VisitorRequest, inverter_id: FromPath[UUID]) -> Template | Redirect:
    """Another serial for the same inverter. Whoever else has it makes no difference here."""
    form = await submitted(request)
    typed = check(Another, form)
    if isinstance(typed, Submitted):
        return await _shown(request, inverter_id, changed=typed)
    await limits.serial_asked(request, request.user.account_id)
    parts = parts_of(request)
    try:
        async with parts.sessions.begin() as session:
            if not await service.replace(session, request.user.account_id, inverter_id, typed, parts.now()):
                raise NotFoundException
    except AlreadyYours as twin:
        form = form.wrong("serial", _("You have added an inverter with this serial before."))
        return await _shown(request, inverter_id, changed=form, twin=twin.inverter_id)
    return see_other(f"/inverters/{inverter_id}/serial")


@post(f"{_PAGE}/give-away", guards=[fresh_enough], opt={FORM_PAGE: "/inverters/{inverter_id}/serial"})
async def give_away(request: VisitorRequest, inverter_id: FromPath[UUID]) -> Template | Redirect:
    """The device belongs to somebody else now."""
    form = await submitted(request)
    if isinstance(check(GivenAway, form), Submitted):
        wrong = Submitted(form.values, {"sure": _("Please tick this if you mean it.")})
        return await _shown(request, inverter_id, given=wrong)
    parts = parts_of(request)
    async with parts.sessions.begin() as session:
        if not await service.give_away(session, request.user.account_id, inverter_id, parts.now()):
            raise NotFoundException
    return see_other(f"/inverters/{inverter_id}")


@post(f"{_PAGE}/ask")
async def ask(request: VisitorRequest, inverter_id: FromPath[UUID]) -> Redirect:
    """Ask whoever holds the serial to leave it. The answer is the same whether there is somebody or not."""
    await limits.serial_asked(request, request.user.account_id)
    parts = parts_of(request)
    async with parts.sessions.begin() as session:
        if not await requests.ask(session, request.user.account_id, inverter_id, parts.now()):
            raise NotFoundException
    return see_other(f"/inverters/{inverter_id}/serial#asked")


@post("/serials/{request_id:uuid}/answer", guards=[fresh_enough], opt={FORM_PAGE: "/"})
async def answer(request: VisitorRequest, request_id: FromPath[UUID]) -> Redirect:
    """Yes or no to somebody who asks for a serial that the account holds."""
    typed = check(Answer, await submitted(request))
    if isinstance(typed, Submitted):
        raise ClientException(status_code=422)
    parts, granted = parts_of(request), typed.answer == "yes"
    async with parts.sessions.begin() as session:
        if not await requests.answer(
            session, request.user.account_id, request_id, granted=granted, links=parts.links, now=parts.now()
        ):
            raise NotFoundException
    parts.mailer.wake()
    return see_other("/")


async def _shown(
    request: VisitorRequest,
    inverter_id: UUID,
    *,
    changed: Submitted = EMPTY,
    given: Submitted = EMPTY,
    twin: UUID | None = None,
) -> Template:
    """``changed`` and ``given`` are forms with what is wrong; ``twin`` is the owner's own with the wanted serial."""
    parts, account_id, now = parts_of(request), request.user.account_id, parts_of(request).now()
    async with reading(parts.sessions) as session:
        inverter = await get_owned(session, account_id, inverter_id, now)
        if inverter is None:
            raise NotFoundException
        context: dict[str, Any] = {
            "inverter": inverter,
            "former": await service.former(session, inverter_id),
            "asked": await requests.asked(session, inverter, now),
            "questions": await requests.questions(session, account_id, now, inverter_id=inverter_id),
            "zone": await homes.zone_of(session, inverter.owner_id),
        }
    status = 422 if changed.errors or given.errors else 200
    context |= {"hint": hint(inverter.serial), "changed": changed, "given": given, "twin": twin}
    return page(request, "serials/serial.html", status=status, now=now, numbers=of_reader(), **context)


SIGNED_IN = [shown, change, give_away, ask, answer]
