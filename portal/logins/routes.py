"""The page of an inverter's logins: names, what is in use, quarantine, the end of one. HTTP only.

Secrets are not shown here: the pairing page shows a new one, once.
"""

from typing import Any
from uuid import UUID

from litestar import get, post
from litestar.exceptions import ClientException, NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect, Template

from portal.auth import VisitorRequest
from portal.dashboard.numbers import age, of_reader
from portal.logins import service
from portal.logins.forms import Chosen, LetSpeak, Named
from portal.logins.service import Logins
from portal.notices.sentences import quarantine
from portal.parts import parts_of
from portal.submitted import EMPTY, Submitted, check, submitted
from portal.templating import page, see_other
from schema.database import reading

_PAGE = "/inverters/{inverter_id:uuid}/logins"


@get(_PAGE)
async def listed(request: VisitorRequest, inverter_id: FromPath[UUID]) -> Template:
    """All logins of one inverter."""
    return await logins_page(request, inverter_id)


@get(f"{_PAGE}/list")
async def list_part(request: VisitorRequest, inverter_id: FromPath[UUID]) -> Template:
    """The lists alone, for an open page that waits for the broker."""
    found = await _found(request, inverter_id)
    return page(request, "logins/list.html", wrong=EMPTY, **_told(request, found))


@post(f"{_PAGE}/name")
async def name(request: VisitorRequest, inverter_id: FromPath[UUID]) -> Template | Redirect:
    """Call the program behind a login something."""
    typed = check(Named, await submitted(request))
    if isinstance(typed, Submitted):
        return await logins_page(request, inverter_id, wrong=typed)
    parts = parts_of(request)
    async with parts.sessions.begin() as session:
        if not await service.name(
            session, request.user.account_id, inverter_id, typed.login, label=typed.label, now=parts.now()
        ):
            raise NotFoundException
    return see_other(f"/inverters/{inverter_id}/logins#{typed.login}")


@post(f"{_PAGE}/revoke")
async def revoke(request: VisitorRequest, inverter_id: FromPath[UUID]) -> Redirect:
    """End a login at once."""
    typed = check(Chosen, await submitted(request))
    if isinstance(typed, Submitted):
        raise ClientException(status_code=422)
    parts = parts_of(request)
    async with parts.sessions.begin() as session:
        if not await service.revoke(session, request.user.account_id, inverter_id, typed.login, parts.now()):
            raise NotFoundException
    return see_other(f"/inverters/{inverter_id}/logins#{typed.login}")


@post(f"{_PAGE}/let-speak")
async def let_speak(request: VisitorRequest, inverter_id: FromPath[UUID]) -> Redirect:
    """End a login's quarantine."""
    typed = check(LetSpeak, await submitted(request))
    if isinstance(typed, Submitted):
        raise ClientException(status_code=422)
    parts = parts_of(request)
    async with parts.sessions.begin() as session:
        if not await service.let_speak(
            session,
            request.user.account_id,
            inverter_id,
            typed.login,
            parts.now(),
            replay=typed.replay is not None,
        ):
            raise NotFoundException
    return see_other(f"/inverters/{inverter_id}/logins#{typed.login}")


async def logins_page(
    request: VisitorRequest, inverter_id: UUID, *, form: Submitted = EMPTY, wrong: Submitted = EMPTY
) -> Template:
    """The whole page. ``form`` is a wrong form for another login, ``wrong`` one for another name."""
    found = await _found(request, inverter_id)
    status = 422 if form.errors or wrong.errors else 200
    return page(request, "logins/logins.html", status=status, form=form, wrong=wrong, **_told(request, found))


async def _found(request: VisitorRequest, inverter_id: UUID) -> Logins:
    parts = parts_of(request)
    async with reading(parts.sessions) as session:
        found = await service.of_inverter(session, parts.live_engine, request.user.account_id, inverter_id, parts.now())
    if found is None:
        raise NotFoundException
    return found


def _told(request: VisitorRequest, found: Logins) -> dict[str, Any]:
    return {
        "found": found,
        "inverter": found.inverter,
        "quarantine": quarantine,
        "numbers": of_reader(),
        "now": parts_of(request).now(),
        "age": age,
    }


SIGNED_IN = [listed, list_part, name, revoke, let_speak]
