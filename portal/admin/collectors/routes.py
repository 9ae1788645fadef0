"""The administrator's pages about outside collectors. HTTP only."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from litestar import get, post
from litestar.exceptions import ClientException, NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect, Template

from portal.accounts import shown_once
from portal.accounts.fresh import FORM_PAGE, fresh_enough
from portal.admin import listing
from portal.admin.collectors import service
from portal.admin.collectors.forms import (
    DAYS,
    OVERLAPS_H,
    ChangedCollector,
    CollectorSearch,
    GoOn,
    NewCollector,
    NewKey,
)
from portal.auth import VisitorRequest, only_admins_find_this
from portal.credentials import identities
from portal.credentials.identities import HasEnded, KeyReplacedMeanwhile, NameTaken, NoSuchIdentity, NotStopped, Wish
from portal.keys import KeyUse, derived
from portal.parts import Parts, parts_of
from portal.submitted import EMPTY, Submitted, check, submitted
from portal.templating import page, see_other
from portal.words import N_
from schema.database import reading

_LIST = "/admin/collectors"
_NEW = f"{_LIST}/new"
_ONE = f"{_LIST}/{{collector_id:uuid}}"
_ACT: dict[str, Any] = {
    "guards": [only_admins_find_this, fresh_enough],
    "opt": {FORM_PAGE: f"{_LIST}/{{collector_id}}"},
}
# What was done, for the page that follows; the word stands in the address.
_DONE = {
    "changed": N_("It is changed."),
    "revoked": N_("It is revoked: its keys open nothing any more."),
    "going-on": N_("It is answered again."),
}
_REFUSED: dict[type[Exception], str] = {
    HasEnded: N_("It has ended meanwhile."),
    NotStopped: N_("It is answered already."),
    KeyReplacedMeanwhile: N_("Its key was replaced meanwhile: look at what stands here now."),
}
_NAME_TAKEN = N_("There is a collector of this name already.")


@get(_LIST, guards=[only_admins_find_this])
async def listed(request: VisitorRequest) -> Template:
    """All collectors, and the alarms of the last month."""
    parts = parts_of(request)
    search, form = listing.asked(request, CollectorSearch)
    async with reading(parts.sessions) as session:
        found = await service.listed(session, search, now=parts.now())
        alarms = await service.alarms(session, now=parts.now())
    more = {"alarms": alarms, "settings": parts.settings}
    return listing.shown(request, "admin/collectors.html", search, form, found, **more)


@get(_NEW, guards=[only_admins_find_this, fresh_enough])
async def new_form(request: VisitorRequest) -> Template:
    """An empty form."""
    return _form(request, EMPTY)


@post(_LIST, guards=[only_admins_find_this, fresh_enough], opt={FORM_PAGE: _NEW})
async def make(request: VisitorRequest) -> Template | Redirect:
    """Make an identity and go on to its page, which shows the key once."""
    typed = check(NewCollector, form := await submitted(request))
    if isinstance(typed, Submitted):
        return _form(request, typed)
    parts = parts_of(request)
    wish = Wish(typed.name, typed.networks, typed.days, fleet=bool(typed.fleet))
    try:
        async with parts.sessions.begin() as session:
            made = await identities.make(session, wish, by=request.user.account_id, key=_key(parts), now=parts.now())
    except NameTaken:
        return _form(request, form.wrong("name", _NAME_TAKEN))
    return _shown_once(request, made)


@get(_ONE, guards=[only_admins_find_this, fresh_enough])
async def one(request: VisitorRequest, collector_id: FromPath[UUID]) -> Template:
    """One collector and what can be done about it."""
    return await _shown(request, collector_id, done=_DONE.get(request.query_params.get("done", ""), ""))


@post(f"{_ONE}/change", **_ACT)
async def change(request: VisitorRequest, collector_id: FromPath[UUID]) -> Template | Redirect:
    """Another name, other networks."""
    typed = check(ChangedCollector, form := await submitted(request))
    if isinstance(typed, Submitted):
        return await _shown(request, collector_id, form=typed)
    by, now = request.user.account_id, parts_of(request).now()
    try:
        return await _done(
            request,
            collector_id,
            "changed",
            lambda session: identities.change(
                session, collector_id, name=typed.name, networks=typed.networks, by=by, now=now
            ),
        )
    except NameTaken:
        return await _shown(request, collector_id, form=form.wrong("name", _NAME_TAKEN))


@post(f"{_ONE}/key", **_ACT)
async def rotate(request: VisitorRequest, collector_id: FromPath[UUID]) -> Template | Redirect:
    """Another key, shown once; the present one goes on working for a while."""
    typed = check(NewKey, await submitted(request))
    if isinstance(typed, Submitted):
        return await _shown(request, collector_id, rotating=typed)
    parts = parts_of(request)
    try:
        async with parts.sessions.begin() as session:
            made = await identities.rotate(
                session,
                collector_id,
                instead_of=typed.instead_of,
                overlap=timedelta(hours=typed.overlap),
                days=typed.days,
                by=request.user.account_id,
                key=_key(parts),
                now=parts.now(),
            )
    except NoSuchIdentity:
        raise NotFoundException from None
    except (HasEnded, KeyReplacedMeanwhile) as why:
        return await _shown(request, collector_id, refused=_REFUSED[type(why)])
    return _shown_once(request, made)


@post(f"{_ONE}/revoke", **_ACT)
async def revoke(request: VisitorRequest, collector_id: FromPath[UUID]) -> Template | Redirect:
    """End it at once."""
    await listing.pressed(request)
    by, now = request.user.account_id, parts_of(request).now()
    return await _done(
        request, collector_id, "revoked", lambda session: identities.revoke(session, collector_id, by=by, now=now)
    )


@post(f"{_ONE}/go-on", **_ACT)
async def go_on(request: VisitorRequest, collector_id: FromPath[UUID]) -> Template | Redirect:
    """Answer it again after an alarm."""
    typed = check(GoOn, await submitted(request))
    if isinstance(typed, Submitted):
        raise ClientException(status_code=422)
    by, now, fleet = request.user.account_id, parts_of(request).now(), bool(typed.fleet)
    return await _done(
        request,
        collector_id,
        "going-on",
        lambda session: identities.let_go_on(session, collector_id, fleet=fleet, by=by, now=now),
    )


async def _done(
    request: VisitorRequest, collector_id: UUID, word: str, act: Callable[[Any], Awaitable[None]]
) -> Redirect | Template:
    """Do it in one transaction; the page says what was done, or why not."""
    try:
        async with parts_of(request).sessions.begin() as session:
            await act(session)
    except NoSuchIdentity:
        raise NotFoundException from None
    except (HasEnded, NotStopped) as why:
        return await _shown(request, collector_id, refused=_REFUSED[type(why)])
    return see_other(f"{_LIST}/{collector_id}?done={word}")


def _form(request: VisitorRequest, form: Submitted) -> Template:
    status = 422 if form.errors else 200
    return page(request, "admin/collector_new.html", status=status, form=form, days=DAYS, **listing.told(request))


def _shown_once(request: VisitorRequest, made: identities.Made) -> Redirect:
    return see_other(f"{_LIST}/{made.id}", cookies=[shown_once.handed_over(request, _cookie(made.id), [made.key])])


async def _shown(
    request: VisitorRequest,
    collector_id: UUID,
    *,
    done: str = "",
    refused: str = "",
    form: Submitted = EMPTY,
    rotating: Submitted = EMPTY,
) -> Template:
    parts = parts_of(request)
    async with reading(parts.sessions) as session:
        found = await service.detail(session, collector_id, now=parts.now())
    if found is None:
        raise NotFoundException
    wrong = bool(form.errors or rotating.errors)
    fresh, cookies = ([], []) if wrong or refused else shown_once.taken(request, _cookie(collector_id))
    values = form if form.values else Submitted({"name": found.known.name, "networks": found.known.networks})
    return page(
        request,
        "admin/collector.html",
        status=409 if refused else 422 if wrong else 200,
        cookies=cookies,
        detail=found,
        collector=found.known,
        made=fresh,
        done=done,
        refused=refused,
        form=values,
        rotating=rotating,
        days=DAYS,
        overlaps=OVERLAPS_H,
        settings=parts.settings,
        base_url=parts.links.base_url,
        **listing.told(request),
    )


def _cookie(collector_id: UUID) -> str:
    return f"collector-{collector_id.hex}"


def _key(parts: Parts) -> str:
    return derived(parts.settings.auth_secret.get_secret_value(), KeyUse.COLLECTOR_KEYS)


SIGNED_IN = [listed, new_form, make, one, change, rotate, revoke, go_on]
