"""Pages of API keys: the list, a new one shown once, and its end. See ``api_keys``."""

from uuid import UUID
from zoneinfo import ZoneInfo

from litestar import get, post
from litestar.exceptions import ClientException, NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect, Template

from portal import audit, letters, limits
from portal.accounts import api_keys, shown_once
from portal.accounts.api_keys import NameTaken, TooManyKeys
from portal.accounts.factor_forms import KEY_DAYS, NewKey, Nothing
from portal.accounts.fresh import fresh_enough
from portal.accounts.owners import acts_for
from portal.accounts.second_door import tell
from portal.audit import Action
from portal.auth import VisitorRequest
from portal.dashboard.numbers import of_reader
from portal.keys import KeyUse, derived
from portal.parts import parts_of
from portal.submitted import EMPTY, Submitted, check, submitted
from portal.templating import page, see_other
from portal.words import _
from schema.database import reading

KEYS = "/account/keys"

_COOKIE = "new_key"


@get(KEYS, guards=[fresh_enough])
async def keys(request: VisitorRequest) -> Template:
    """The account's keys, a form for another one, and a new one's characters this once."""
    return await _page(request, EMPTY)


@post(KEYS, guards=[fresh_enough, limits.not_too_many_mails])
async def make(request: VisitorRequest) -> Template | Redirect:
    """Make a key."""
    typed = check(NewKey, form := await submitted(request))
    if isinstance(typed, Submitted):
        return await _page(request, typed)
    parts, account_id, now = parts_of(request), request.user.account_id, parts_of(request).now()
    key = derived(parts.settings.auth_secret.get_secret_value(), KeyUse.API_KEYS)
    try:
        async with parts.sessions.begin() as session:
            made = await api_keys.make(session, account_id, name=typed.name, days=typed.days, key=key, now=now)
            await audit.record(
                session,
                Action.KEY_MADE,
                subject=_subject(made.id),
                actor=account_id,
                details={"name": typed.name, "days": typed.days, "scope": api_keys.SCOPE},
                now=now,
            )
            await tell(session, parts, account_id, letters.api_key_made)
    except NameTaken:
        return await _page(request, form.wrong("name", _("You have a key of this name already.")))
    except TooManyKeys:
        return await _page(request, form.wrong("", _("You have as many keys as one account may have. Revoke one.")))
    return see_other(KEYS, cookies=[shown_once.handed_over(request, _COOKIE, [typed.name, made.key])])


@post(f"{KEYS}/{{key_id:uuid}}/revoke", guards=[fresh_enough], opt={"form_page": KEYS})
async def revoke(request: VisitorRequest, key_id: FromPath[UUID]) -> Redirect:
    """End a key at once."""
    if isinstance(check(Nothing, await submitted(request)), Submitted):
        raise ClientException(status_code=422)
    parts, account_id, now = parts_of(request), request.user.account_id, parts_of(request).now()
    async with parts.sessions.begin() as session:
        if not await api_keys.exists(session, account_id, key_id):
            raise NotFoundException
        if await api_keys.revoke(session, account_id, key_id, now=now):
            await audit.record(session, Action.KEY_REVOKED, subject=_subject(key_id), actor=account_id, now=now)
    return see_other(KEYS)


def _subject(key_id: UUID) -> str:
    return f"api_key:{key_id}"


async def _page(request: VisitorRequest, form: Submitted) -> Template:
    parts, now = parts_of(request), parts_of(request).now()
    async with reading(parts.sessions) as session:
        found = await api_keys.listed(session, request.user.account_id, now=now)
        homes = await acts_for(session, request.user.account_id, now)
    fresh, cookies = shown_once.taken(request, _COOKIE) if not form.errors else ([], [])
    return page(
        request,
        "factors/keys.html",
        status=422 if form.errors else 200,
        form=form,
        living=[key for key in found if key.revoked_at is None and key.expires_at > now],
        ended=[key for key in found if key.revoked_at is not None or key.expires_at <= now],
        choices=KEY_DAYS,
        made=fresh,
        numbers=of_reader(),
        zone=ZoneInfo(homes[0].time_zone if homes else "UTC"),
        cookies=cookies,
    )


SIGNED_IN = [keys, make, revoke]
