"""Pages that delete an account, and keep it after all. HTTP only; asking wants a fresh log-in, keeping does not."""

from datetime import datetime
from zoneinfo import ZoneInfo

from litestar import get, post
from litestar.params import FromQuery
from litestar.response import Redirect, Template

from portal import limits
from portal.accounts import deletion, mailed_tokens, profile
from portal.accounts.deletion import GRACE, LastAdministrator
from portal.accounts.forms import Confirmation
from portal.accounts.fresh import fresh_enough
from portal.accounts.mailed_tokens import TokenSpent
from portal.accounts.routes import AnyRequest, spent
from portal.accounts.settings_forms import Deletion
from portal.auth import VisitorRequest
from portal.dashboard.days import zone_named
from portal.dashboard.numbers import of_reader
from portal.headers import NO_REFERRER
from portal.parts import parts_of
from portal.submitted import EMPTY, Submitted, check, submitted
from portal.templating import page, see_other
from portal.words import _
from schema.database import reading
from schema.models import TokenPurpose


@get("/account/delete", guards=[fresh_enough])
async def delete_form(request: VisitorRequest) -> Template:
    """What will happen, and a button; after it the day, and another button."""
    return await _delete_page(request, EMPTY)


@post("/account/delete", guards=[fresh_enough, limits.not_too_many_mails])
async def ask_for_deletion(request: VisitorRequest) -> Template | Redirect:
    """Delete the account in seven days. Until then everything works as before."""
    parts, now = parts_of(request), parts_of(request).now()
    typed = check(Deletion, await submitted(request))
    if isinstance(typed, Submitted):
        return await _delete_page(request, typed, status=422)
    day = _day(now + GRACE, await _zone(request))
    try:
        async with parts.sessions.begin() as session:
            await deletion.ask(session, request.user.account_id, links=parts.links, day=day, now=now)
    except LastAdministrator:
        refused = EMPTY.wrong("", _("You are the only administrator. Please appoint another one first."))
        return await _delete_page(request, refused, status=422)
    parts.mailer.wake()
    return see_other("/account/delete")


@post("/account/keep")
async def keep(request: VisitorRequest) -> Redirect:
    """Keep the account after all; pressed twice it is kept all the same."""
    parts = parts_of(request)
    async with parts.sessions.begin() as session:
        await deletion.keep(session, request.user.account_id, now=parts.now())
    return see_other("/account?notice=kept")


@get("/account/delete/cancel")
async def cancel_form(request: AnyRequest, token: FromQuery[str] = "") -> Template:
    """A button, for whoever reads the account's mail."""
    parts = parts_of(request)
    async with reading(parts.sessions) as session:
        good = await mailed_tokens.is_good(
            session, token, purpose=TokenPurpose.CANCEL_DELETION, key=parts.links.key, now=parts.now()
        )
    if not good:
        return spent(request, TokenPurpose.CANCEL_DELETION)
    return page(request, "accounts/delete_cancel.html", token=token, headers=NO_REFERRER)


@post("/account/delete/cancel", middleware=[limits.TOKENS])
async def cancel(request: AnyRequest) -> Template | Redirect:
    """Keep the account."""
    parts = parts_of(request)
    typed = check(Confirmation, await submitted(request))
    if isinstance(typed, Submitted):
        return spent(request, TokenPurpose.CANCEL_DELETION)
    try:
        async with parts.sessions.begin() as session:
            await deletion.keep_by_mail(session, typed.token, key=parts.links.key, now=parts.now())
    except TokenSpent:
        return spent(request, TokenPurpose.CANCEL_DELETION)
    return see_other("/login?notice=kept")


async def _delete_page(request: VisitorRequest, form: Submitted, *, status: int = 200) -> Template:
    on = request.user.delete_after
    day = _day(on, await _zone(request)) if on else ""
    return page(request, "accounts/delete.html", status=status, form=form, day=day)


async def _zone(request: VisitorRequest) -> ZoneInfo:
    parts = parts_of(request)
    async with reading(parts.sessions) as session:
        return zone_named(await profile.zone_of(session, request.user.account_id, parts.now()))


def _day(at: datetime, zone: ZoneInfo) -> str:
    return of_reader().day(at.astimezone(zone).date())


OPEN = [cancel_form, cancel]
SIGNED_IN = [delete_form, ask_for_deletion, keep]
