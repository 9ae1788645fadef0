"""Pages of the second factor: switch it on, see new recovery codes once, switch it off. See ``second_factor``."""

import base64
import binascii
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from litestar import get, post
from litestar.response import Redirect, Template
from sqlalchemy.ext.asyncio import AsyncSession

from portal import audit, letters, limits
from portal.accounts import second_factor, sessions, shown_once, totp
from portal.accounts.factor_forms import NewCodes, Nothing, SwitchOn
from portal.accounts.fresh import fresh_enough
from portal.accounts.second_door import count_try, does_not_fit, factor_keys, forget_tries, tell
from portal.accounts.second_factor import Factor, StaleForm
from portal.audit import Action
from portal.auth import VisitorRequest, auth_of
from portal.letters import Letter
from portal.parts import parts_of
from portal.submitted import EMPTY, Submitted, check, submitted
from portal.templating import page, see_other
from portal.words import _
from schema.database import reading
from schema.models import LoginSession
from schema.sealing import CannotUnseal

SECURITY = "/account/security"

_ON, _OFF, _CODES = f"{SECURITY}/on", f"{SECURITY}/off", f"{SECURITY}/codes"
_COOKIE = "recovery"
_OFFER_LIVES = timedelta(hours=1)


@get(SECURITY)
async def security(request: VisitorRequest) -> Template:
    """Whether there is a second factor, and new recovery codes, this once."""
    codes, cookies = shown_once.taken(request, _COOKIE)
    return page(request, "factors/security.html", factor=await _state(request), codes=codes, cookies=cookies)


@get(_ON, guards=[fresh_enough])
async def on_form(request: VisitorRequest) -> Template | Redirect:
    """A new secret, as a picture and as text."""
    if (await _state(request)).on:
        return see_other(SECURITY)
    return _offer_page(request, totp.new_secret(), EMPTY)


@post(_ON, guards=[fresh_enough, limits.not_too_many_mails])
async def on(request: VisitorRequest) -> Template | Redirect:
    """Keep the secret, once a code shows that the app has it. Every other device is logged out."""
    typed = check(SwitchOn, form := await submitted(request))
    secret = _offered(request, form.values.get("offer", ""))
    if secret is None:
        return _offer_page(request, totp.new_secret(), EMPTY.wrong("", _("This took too long: here is a new code.")))
    if isinstance(typed, Submitted):
        return _offer_page(request, secret, typed)
    parts, visitor = parts_of(request), request.user
    await count_try(request, visitor.account_id, typed.code)
    try:
        async with parts.sessions.begin() as session:
            codes = await second_factor.switch_on(
                session, visitor.account_id, secret, typed.code, keys=factor_keys(parts), now=parts.now()
            )
            if codes is not None:
                here = await _alone(session, request)
                await _done(session, request, Action.TOTP_ON, letters.second_factor_on)
    except StaleForm:
        return see_other(SECURITY)
    if codes is None:
        return _offer_page(request, secret, form.wrong("code", does_not_fit()))
    await forget_tries(parts, visitor.account_id)
    shown = shown_once.handed_over(request, _COOKIE, codes, session_id=here.id if here else None)
    return see_other(SECURITY, cookies=[shown, *auth_of(request).renewed_cookies(here)])


@get(_OFF, guards=[fresh_enough])
async def off_form(request: VisitorRequest) -> Template:
    """A button."""
    return page(request, "factors/off.html", factor=await _state(request))


@post(_OFF, guards=[fresh_enough, limits.not_too_many_mails])
async def off(request: VisitorRequest) -> Template | Redirect:
    """From now on the password alone is enough."""
    parts = parts_of(request)
    if isinstance(check(Nothing, await submitted(request)), Submitted):
        return page(request, "factors/off.html", status=422, factor=await _state(request))
    try:
        async with parts.sessions.begin() as session:
            await second_factor.switch_off(session, request.user.account_id)
            await _done(session, request, Action.TOTP_OFF, letters.second_factor_off)
    except StaleForm:
        pass
    return see_other(SECURITY)


@get(_CODES, guards=[fresh_enough])
async def codes_form(request: VisitorRequest) -> Template:
    """A button, and what it does to the present codes."""
    return page(request, "factors/codes.html", factor=await _state(request))


@post(_CODES, guards=[fresh_enough, limits.not_too_many_mails])
async def codes(request: VisitorRequest) -> Template | Redirect:
    """Ten new recovery codes."""
    parts, typed = parts_of(request), check(NewCodes, await submitted(request))
    if isinstance(typed, Submitted):
        return page(request, "factors/codes.html", status=422, factor=await _state(request))
    try:
        async with parts.sessions.begin() as session:
            made = await second_factor.new_codes(
                session, request.user.account_id, instead_of=typed.instead_of, keys=factor_keys(parts)
            )
            await _done(session, request, Action.RECOVERY_CODES_MADE, letters.recovery_codes_made)
    except StaleForm:
        return see_other(SECURITY)
    return see_other(SECURITY, cookies=[shown_once.handed_over(request, _COOKIE, made)])


async def _state(request: VisitorRequest) -> Factor:
    async with reading(parts_of(request).sessions) as session:
        return await second_factor.state(session, request.user.account_id)


async def _alone(session: AsyncSession, request: VisitorRequest) -> LoginSession | None:
    """Other devices came in with the password alone, and a copy of this one's cookie did not even need that."""
    parts, visitor = parts_of(request), request.user
    await sessions.end_others(session, visitor.account_id, visitor.session_id)
    return await sessions.renew(session, visitor.account_id, visitor.session_id, now=parts.now())


async def _done(session: AsyncSession, request: VisitorRequest, action: Action, letter: Callable[..., Letter]) -> None:
    """The entry and the mail that every change leaves."""
    parts, account_id = parts_of(request), request.user.account_id
    await audit.record(session, action, subject=audit.account(account_id), actor=account_id, now=parts.now())
    await tell(session, parts, account_id, letter)


def _offer_page(request: VisitorRequest, secret: str, form: Submitted) -> Template:
    parts = parts_of(request)
    note = json.dumps([secret, (parts.now() + _OFFER_LIVES).timestamp()])
    context: dict[str, Any] = {
        "offer": base64.urlsafe_b64encode(parts.sealer.seal(note, row=_offer_row(request))).decode(),
        "picture": totp.drawn(totp.address(secret, request.user.email)),
        "address": totp.address(secret, request.user.email),
        "secret": totp.in_groups(secret),
    }
    return page(request, "factors/on.html", status=422 if form.errors else 200, form=form, **context)


def _offered(request: VisitorRequest, offer: str) -> str | None:
    """The secret that this session's page showed. It lies in no table before a code has shown that an app has it."""
    parts = parts_of(request)
    try:
        secret, until = json.loads(parts.sealer.open(base64.urlsafe_b64decode(offer), row=_offer_row(request)))
    except (CannotUnseal, binascii.Error, ValueError):
        return None
    return str(secret) if parts.now() <= datetime.fromtimestamp(until, UTC) else None


def _offer_row(request: VisitorRequest) -> str:
    return f"totp-offer:{request.user.account_id}:{request.user.session_id}"


SIGNED_IN = [security, on_form, on, off_form, off, codes_form, codes]
