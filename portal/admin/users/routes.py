"""The administrator's pages about accounts. HTTP only."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from litestar import get, post
from litestar.exceptions import ClientException, NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect, Template

from portal.accounts.fresh import FORM_PAGE, fresh_enough
from portal.admin import listing
from portal.admin.users import acts, service
from portal.admin.users.acts import NoSuchAccount, NotPossible
from portal.admin.users.forms import GlobalRole, UserSearch, WhichRole
from portal.auth import VisitorRequest, only_admins_find_this
from portal.parts import Parts, parts_of
from portal.submitted import Submitted, check, submitted
from portal.templating import page, see_other
from portal.words import N_
from schema.database import reading

_LIST = "/admin/users"
_ONE = f"{_LIST}/{{account_id:uuid}}"
_ACT: dict[str, Any] = {
    "guards": [only_admins_find_this, fresh_enough],
    "opt": {FORM_PAGE: f"{_LIST}/{{account_id}}"},
}
# What was done, for the page that follows; the word stands in the address.
_DONE = {
    "given": N_("The role is given."),
    "taken": N_("The role is taken, and the account is logged out everywhere."),
    "ended": N_("The account is logged out everywhere."),
    "disabled": N_("The account is disabled and logged out everywhere."),
    "enabled": N_("The account can log in again."),
    "mailed": N_("Another confirmation link is on its way, unless several went there within the last hour."),
}


@get(_LIST, guards=[only_admins_find_this])
async def listed(request: VisitorRequest) -> Template:
    """All accounts, by address or name."""
    search, form = listing.asked(request, UserSearch)
    async with reading(parts_of(request).sessions) as session:
        found = await service.listed(session, search)
    return listing.shown(request, "admin/users.html", search, form, found)


@get(_ONE, guards=[only_admins_find_this, fresh_enough])
async def one(request: VisitorRequest, account_id: FromPath[UUID]) -> Template:
    """One account and what can be done about it."""
    return await _shown(request, account_id, _DONE.get(request.query_params.get("done", ""), ""))


@post(f"{_ONE}/give", **_ACT)
async def give(request: VisitorRequest, account_id: FromPath[UUID]) -> Redirect | Template:
    """Give the role that the button names."""
    role = await _role(request)
    by, now = request.user.account_id, parts_of(request).now()
    return await _done(
        request, account_id, "given", lambda session: acts.give(session, role, account_id, by=by, now=now)
    )


@post(f"{_ONE}/take", **_ACT)
async def take(request: VisitorRequest, account_id: FromPath[UUID]) -> Redirect | Template:
    """Take the role that the button names."""
    role = await _role(request)
    by, now = request.user.account_id, parts_of(request).now()
    return await _done(
        request, account_id, "taken", lambda session: acts.take(session, role, account_id, by=by, now=now)
    )


@post(f"{_ONE}/end-sessions", **_ACT)
async def end_sessions(request: VisitorRequest, account_id: FromPath[UUID]) -> Redirect | Template:
    """Log the account out everywhere."""
    await listing.pressed(request)
    by, now = request.user.account_id, parts_of(request).now()
    return await _done(
        request, account_id, "ended", lambda session: acts.end_sessions(session, account_id, by=by, now=now)
    )


@post(f"{_ONE}/disable", **_ACT)
async def disable(request: VisitorRequest, account_id: FromPath[UUID]) -> Redirect | Template:
    """Let the account in no more."""
    await listing.pressed(request)
    by, now = request.user.account_id, parts_of(request).now()
    return await _done(
        request, account_id, "disabled", lambda session: acts.disable(session, account_id, by=by, now=now)
    )


@post(f"{_ONE}/enable", **_ACT)
async def enable(request: VisitorRequest, account_id: FromPath[UUID]) -> Redirect | Template:
    """Let the account in again."""
    await listing.pressed(request)
    by, now = request.user.account_id, parts_of(request).now()
    return await _done(request, account_id, "enabled", lambda session: acts.enable(session, account_id, by=by, now=now))


@post(f"{_ONE}/confirm-again", **_ACT)
async def confirm_again(request: VisitorRequest, account_id: FromPath[UUID]) -> Redirect | Template:
    """Mail another confirmation link."""
    await listing.pressed(request)
    parts, by = parts_of(request), request.user.account_id
    answer = await _done(
        request,
        account_id,
        "mailed",
        lambda session: acts.confirm_again(session, account_id, by=by, links=parts.links, now=parts.now()),
    )
    parts.mailer.wake()
    return answer


async def _role(request: VisitorRequest) -> GlobalRole:
    """The role that a button names; nobody types it."""
    typed = check(WhichRole, await submitted(request))
    if isinstance(typed, Submitted):
        raise ClientException(status_code=422)
    return typed.role


async def _done(
    request: VisitorRequest, account_id: UUID, word: str, act: Callable[[Any], Awaitable[None]]
) -> Redirect | Template:
    """Do it in one transaction; the page says what was done, or why not."""
    parts: Parts = parts_of(request)
    try:
        async with parts.sessions.begin() as session:
            await act(session)
    except NoSuchAccount:
        raise NotFoundException from None
    except NotPossible as refusal:
        return await _shown(request, account_id, refused=str(refusal))
    return see_other(f"{_LIST}/{account_id}?done={word}")


async def _shown(request: VisitorRequest, account_id: UUID, done: str = "", *, refused: str = "") -> Template:
    parts = parts_of(request)
    async with reading(parts.sessions) as session:
        found = await service.detail(session, account_id, now=parts.now())
    if found is None:
        raise NotFoundException
    status = 409 if refused else 200
    context: dict[str, Any] = {"detail": found, "user": found.user, "done": done, "refused": refused}
    return page(request, "admin/user.html", status=status, **context, **listing.told(request))


SIGNED_IN = [listed, one, give, take, end_sessions, disable, enable, confirm_again]
