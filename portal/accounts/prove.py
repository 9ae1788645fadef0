"""The page that asks a signed-in person for the password again, before something dear. See ``fresh``."""

import structlog
from litestar import get, post
from litestar.response import Redirect, Template

from portal import audit, limits
from portal.accounts import second_factor, sessions
from portal.accounts.at_the_door import tried
from portal.accounts.factor_forms import Proof
from portal.accounts.fresh import PROVE
from portal.accounts.second_door import accepted, count_try, does_not_fit, forget_tries
from portal.audit import Action
from portal.auth import VisitorRequest, auth_of
from portal.landing import safe_next
from portal.parts import parts_of
from portal.submitted import Submitted, check, submitted
from portal.templating import page, see_other
from portal.words import _
from schema.database import reading
from schema.models import LoginSession

_log = structlog.get_logger(__name__)

_TEMPLATE = "factors/prove.html"


class _DoesNotFit(Exception):
    """The code is wrong, too old or used."""


@get(PROVE)
async def prove_form(request: VisitorRequest) -> Template:
    """Asks for the password, and remembers where the visitor was going."""
    wanted = safe_next(request.query_params.get("next"))
    again = "yes" if request.query_params.get("again") == "yes" else ""
    return page(request, _TEMPLATE, form=Submitted({"next": wanted, "again": again}), factor=await _has_factor(request))


@post(PROVE, middleware=[limits.LOG_IN], opt={limits.OWN_LIMITS: True})
async def prove(request: VisitorRequest) -> Template | Redirect:
    """From now on this device's log-in is fresh for ten minutes."""
    typed = check(Proof, form := await submitted(request))
    if isinstance(typed, Submitted):
        return page(request, _TEMPLATE, status=422, form=typed, factor=await _has_factor(request))
    account, fits = await tried(request, request.user.email, typed.password, signed_in=True)
    if account is None or not fits:
        return await _refused(request, form.wrong("password", _("That is not your password.")))
    if account.totp_sealed is not None:
        if not typed.code:
            return await _refused(request, form.wrong("code", _("Please fill this in.")))
        await count_try(request, account.id, typed.code)
    try:
        here = await _noted(request, typed.code if account.totp_sealed is not None else None)
    except _DoesNotFit:
        return await _refused(request, form.wrong("code", does_not_fit()))
    return see_other(safe_next(typed.next), cookies=auth_of(request).renewed_cookies(here))


async def _noted(request: VisitorRequest, code: str | None) -> LoginSession | None:
    """Use the code up where one is wanted, and note the proof: this device's session under a new id.

    None where it has ended, or has one already, meanwhile. Raises ``_DoesNotFit``.
    """
    parts, visitor, now = parts_of(request), request.user, parts_of(request).now()
    async with parts.sessions.begin() as session:
        way = await accepted(session, parts, visitor.account_id, code) if code is not None else None
        if code is not None and way is None:
            raise _DoesNotFit
        here = await sessions.renew(session, visitor.account_id, visitor.session_id, now=now, proved=True)
        if here is None:
            return None
        details = {"session": str(here.id), **({"second_factor": way.value} if way else {})}
        subject = audit.account(visitor.account_id)
        await audit.record(session, Action.PROVED, subject=subject, actor=visitor.account_id, details=details, now=now)
    if way is not None:
        await forget_tries(parts, visitor.account_id)
    return here


async def _refused(request: VisitorRequest, form: Submitted) -> Template:
    """Somebody at a signed-in device does not know what its owner knows: an entry, and the page again."""
    parts, account_id = parts_of(request), request.user.account_id
    _log.info("proof.refused")
    async with parts.sessions.begin() as session:
        await audit.record(
            session,
            Action.LOG_IN_REFUSED,
            subject=audit.account(account_id),
            actor=account_id,
            details={"session": str(request.user.session_id)},
            now=parts.now(),
        )
    return page(request, _TEMPLATE, status=422, form=form, factor=await _has_factor(request))


async def _has_factor(request: VisitorRequest) -> bool:
    async with reading(parts_of(request).sessions) as session:
        return (await second_factor.state(session, request.user.account_id)).on


SIGNED_IN = [prove_form, prove]
