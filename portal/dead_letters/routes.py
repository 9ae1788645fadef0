"""The owner's page of what was set aside, and the administrator's list. HTTP only."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from litestar import get, post
from litestar.exceptions import ClientException, NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect, Template

from portal.accounts.fresh import FORM_PAGE, fresh_enough
from portal.auth import VisitorRequest, only_admins_find_this
from portal.dashboard import stations
from portal.dashboard.numbers import age, of_reader
from portal.dead_letters import service
from portal.dead_letters.forms import Asked, Nothing, Search
from portal.inverters import service as inverters
from portal.parts import parts_of
from portal.submitted import Submitted, check, submitted
from portal.templating import page, see_other
from schema.database import reading
from schema.letters import TITLES
from schema.models import LetterAction

_LIST = "/admin/dead-letters"
_ACT: list[Any] = [only_admins_find_this, fresh_enough]


def _told(request: VisitorRequest) -> dict[str, Any]:
    """What every page here needs for its words."""
    return {"numbers": of_reader(), "now": parts_of(request).now(), "age": age}


@get("/inverters/{inverter_id:uuid}/messages")
async def of_inverter(request: VisitorRequest, inverter_id: FromPath[UUID]) -> Template:
    """Why messages of one inverter were set aside, in its owner's words and time.

    Whoever only looks reads the reasons, and not what was sent, nor through which login.
    """
    parts, account_id = parts_of(request), request.user.account_id
    async with reading(parts.sessions) as session:
        station = await stations.one_visible(session, account_id, inverter_id, parts.now(), parts.sealer)
        kinds = await service.of_inverter(session, account_id, inverter_id, parts.now())
        acts = await inverters.get_owned(session, account_id, inverter_id, parts.now()) is not None
    if station is None:
        raise NotFoundException
    return page(request, "dead_letters/inverter.html", station=station, kinds=kinds, acts=acts, **_told(request))


@get(_LIST, guards=[only_admins_find_this])
async def listed(request: VisitorRequest) -> Template:
    """Everything that was set aside, by login and reason, with what was asked for."""
    typed = Submitted({name: value for name, value in request.query_params.items() if isinstance(value, str)})
    search = check(Search, typed)
    form = search if isinstance(search, Submitted) else typed
    wanted = Search() if isinstance(search, Submitted) else search
    async with reading(parts_of(request).sessions) as session:
        found = await service.listed(session, wanted)
        requests = await service.requests(session)
    if wanted.page > found.pages:
        raise NotFoundException
    return page(
        request,
        "dead_letters/list.html",
        found=found,
        search=wanted,
        form=form,
        titles=TITLES,
        address=lambda **changed: _address(wanted, **changed),
        requests=requests,
        **_told(request),
    )


def _address(search: Search, **changed: object) -> str:
    """The list's own address with something changed; what is as usual is left away."""
    usual = Search().model_dump(mode="json")
    wanted = search.model_copy(update=changed).model_dump(mode="json")
    query = urlencode({name: value for name, value in wanted.items() if value != usual[name]})
    return f"{_LIST}?{query}" if query else _LIST


@get(f"{_LIST}/requests", guards=[only_admins_find_this])
async def requests_part(request: VisitorRequest) -> Template:
    """What was asked for, for an open page that looks again."""
    async with reading(parts_of(request).sessions) as session:
        requests = await service.requests(session)
    return page(request, "dead_letters/requests.html", requests=requests, **_told(request))


@get(f"{_LIST}/{{letter_id:uuid}}", guards=[only_admins_find_this])
async def one(request: VisitorRequest, letter_id: FromPath[UUID]) -> Template:
    """One kind with its newest payload."""
    async with reading(parts_of(request).sessions) as session:
        kind = await service.one(session, letter_id)
    if kind is None:
        raise NotFoundException
    return page(request, "dead_letters/one.html", kind=kind, **_told(request))


@post(f"{_LIST}/{{letter_id:uuid}}/replay", guards=_ACT, opt={FORM_PAGE: f"{_LIST}/{{letter_id}}"})
async def replay_one(request: VisitorRequest, letter_id: FromPath[UUID]) -> Redirect:
    """Ask the bridge to take the originals of one kind up again."""
    return await _about_one(request, letter_id, LetterAction.REPLAY)


@post(f"{_LIST}/{{letter_id:uuid}}/purge", guards=_ACT, opt={FORM_PAGE: f"{_LIST}/{{letter_id}}"})
async def purge_one(request: VisitorRequest, letter_id: FromPath[UUID]) -> Redirect:
    """Ask the bridge to drop one kind for good."""
    return await _about_one(request, letter_id, LetterAction.PURGE)


@post(f"{_LIST}/replay", guards=_ACT, opt={FORM_PAGE: _LIST})
async def replay_all(request: VisitorRequest) -> Redirect:
    """Ask the bridge to take up what a search found."""
    return await _about_all(request, LetterAction.REPLAY)


@post(f"{_LIST}/purge", guards=_ACT, opt={FORM_PAGE: _LIST})
async def purge_all(request: VisitorRequest) -> Redirect:
    """Ask the bridge to drop what a search found."""
    return await _about_all(request, LetterAction.PURGE)


async def _about_one(request: VisitorRequest, letter_id: UUID, action: LetterAction) -> Redirect:
    if isinstance(check(Nothing, await submitted(request)), Submitted):
        raise ClientException(status_code=422)
    parts = parts_of(request)
    async with parts.sessions.begin() as session:
        known = await service.ask_about_one(
            session, action, letter_id, account_id=request.user.account_id, now=parts.now()
        )
    if not known:
        raise NotFoundException
    return see_other(f"{_LIST}#requests")


async def _about_all(request: VisitorRequest, action: LetterAction) -> Redirect:
    asked = check(Asked, await submitted(request))
    if isinstance(asked, Submitted):
        raise ClientException(status_code=422)
    parts = parts_of(request)
    async with parts.sessions.begin() as session:
        await service.ask_about_all(
            session,
            action,
            login=asked.login,
            reason=asked.reason,
            account_id=request.user.account_id,
            now=parts.now(),
        )
    return see_other(f"{_address(Search(login=asked.login, reason=asked.reason))}#requests")


SIGNED_IN = [of_inverter, listed, requests_part, one, replay_one, purge_one, replay_all, purge_all]
