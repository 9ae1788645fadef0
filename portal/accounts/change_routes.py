"""Pages that change password and e-mail address. HTTP only; both want a fresh log-in."""

from uuid import UUID

from litestar import get, post
from litestar.background_tasks import BackgroundTask
from litestar.params import FromQuery
from litestar.response import Redirect, Template

from portal import limits
from portal.accounts import changes, mailed_tokens
from portal.accounts.at_the_door import tried
from portal.accounts.changes import AddressTaken, ChangedMeanwhile
from portal.accounts.forms import Confirmation, email_key, not_about
from portal.accounts.fresh import fresh_enough
from portal.accounts.mailed_tokens import TokenSpent
from portal.accounts.routes import AnyRequest, spent
from portal.accounts.settings_forms import NewAddress, PasswordChange
from portal.auth import VisitorRequest, auth_of
from portal.headers import NO_REFERRER
from portal.parts import Parts, parts_of
from portal.submitted import EMPTY, Submitted, check, submitted
from portal.templating import page, see_other
from portal.words import _
from schema.database import reading
from schema.models import TokenPurpose


@get("/account/password", guards=[fresh_enough])
async def password_form(request: VisitorRequest) -> Template:
    """An empty form."""
    return page(request, "accounts/password.html", form=EMPTY)


@post("/account/password", guards=[fresh_enough], middleware=[limits.LOG_IN], opt={limits.OWN_LIMITS: True})
async def change_password(request: VisitorRequest) -> Template | Redirect:
    """Set another password; this device stays, every other one is logged out."""
    parts, visitor = parts_of(request), request.user
    typed = check(PasswordChange, form := await submitted(request))
    if isinstance(typed, Submitted):
        return page(request, "accounts/password.html", status=422, form=typed)
    try:
        not_about(typed.password, visitor.email, visitor.display_name)
    except ValueError as refused:
        return page(request, "accounts/password.html", status=422, form=form.wrong("password", str(refused)))
    account, fits = await tried(request, visitor.email, typed.old_password, signed_in=True)
    if account is None or not fits:
        form = form.wrong("old_password", _("That is not your password."))
        return page(request, "accounts/password.html", status=422, form=form)
    after = await parts.passwords.hashed(typed.password)
    try:
        async with parts.sessions.begin() as session:
            here = await changes.change_password(
                session,
                visitor.account_id,
                visitor.session_id,
                before=account.password_hash,
                after=after,
                links=parts.links,
                now=parts.now(),
            )
    except ChangedMeanwhile:
        form = form.wrong("", _("The password was changed meanwhile. Please try again."))
        return page(request, "accounts/password.html", status=422, form=form)
    parts.mailer.wake()
    return see_other("/account?notice=password", cookies=auth_of(request).renewed_cookies(here))


@get("/account/email", guards=[fresh_enough])
async def address_form(request: VisitorRequest) -> Template:
    """An empty form."""
    return page(request, "accounts/email.html", form=EMPTY)


@post("/account/email", guards=[fresh_enough], middleware=[limits.MAIL_ME])
async def ask_for_address(request: VisitorRequest) -> Template | Redirect:
    """A link to the new address; the answer is the same whether somebody has it already."""
    typed = check(NewAddress, form := await submitted(request))
    if isinstance(typed, Submitted):
        return page(request, "accounts/email.html", status=422, form=typed)
    if email_key(typed.email) == email_key(request.user.email):
        form = form.wrong("email", _("This is your address already."))
        return page(request, "accounts/email.html", status=422, form=form)
    await limits.mail_asked(request)
    # After the answer: looking for the account must not show in the time the answer takes.
    after = BackgroundTask(_mail_link, parts_of(request), request.user.account_id, typed.email)
    return see_other("/account/email/sent", after=after)


@get("/account/email/sent")
async def address_asked(request: VisitorRequest) -> Template:
    """Look at the mail of the new address."""
    return page(request, "accounts/email_sent.html", mail_is_kept=parts_of(request).mail_is_kept)


@get("/account/email/confirm")
async def new_address_form(request: VisitorRequest, token: FromQuery[str] = "") -> Template:
    """A button, for the person who asked: another account's link is as good as none."""
    if not await _is_good(parts_of(request), token, TokenPurpose.CHANGE_EMAIL, request.user.account_id):
        return spent(request, TokenPurpose.CHANGE_EMAIL)
    return page(request, "accounts/email_confirm.html", token=token, headers=NO_REFERRER)


@post("/account/email/confirm", middleware=[limits.TOKENS])
async def change_address(request: VisitorRequest) -> Template | Redirect:
    """The new address is proved: it is the one to log in with, and every device has to."""
    parts = parts_of(request)
    typed = check(Confirmation, await submitted(request))
    if isinstance(typed, Submitted):
        return spent(request, TokenPurpose.CHANGE_EMAIL)
    try:
        async with parts.sessions.begin() as session:
            await changes.change_address(
                session, request.user.account_id, typed.token, links=parts.links, now=parts.now()
            )
    except (TokenSpent, AddressTaken):
        return spent(request, TokenPurpose.CHANGE_EMAIL)
    parts.mailer.wake()
    return see_other("/login?notice=address", cookies=[auth_of(request).farewell_cookie()])


@get("/account/email/undo")
async def undo_form(request: AnyRequest, token: FromQuery[str] = "") -> Template:
    """A button, for whoever reads the mail of the old address; he may be signed in nowhere any more."""
    if not await _is_good(parts_of(request), token, TokenPurpose.UNDO_EMAIL, None):
        return spent(request, TokenPurpose.UNDO_EMAIL)
    return page(request, "accounts/email_undo.html", token=token, headers=NO_REFERRER)


@post("/account/email/undo", middleware=[limits.TOKENS])
async def undo_address(request: AnyRequest) -> Template | Redirect:
    """The old address has its account back; on to a new password."""
    parts = parts_of(request)
    typed = check(Confirmation, await submitted(request))
    if isinstance(typed, Submitted):
        return spent(request, TokenPurpose.UNDO_EMAIL)
    nobodys_hash = await parts.passwords.nobodys_hash()
    try:
        async with parts.sessions.begin() as session:
            token = await changes.undo_address(
                session, typed.token, nobodys_hash=nobodys_hash, links=parts.links, now=parts.now()
            )
    except (TokenSpent, AddressTaken):
        return spent(request, TokenPurpose.UNDO_EMAIL)
    return see_other(f"/reset/set?token={token}", cookies=[auth_of(request).farewell_cookie()])


async def _is_good(parts: Parts, token: str, purpose: TokenPurpose, account_id: UUID | None) -> bool:
    async with reading(parts.sessions) as session:
        return await mailed_tokens.is_good(
            session, token, purpose=purpose, key=parts.links.key, now=parts.now(), account_id=account_id
        )


async def _mail_link(parts: Parts, account_id: UUID, email: str) -> None:
    async with parts.sessions.begin() as session:
        await changes.ask_for_address(session, account_id, email, links=parts.links, now=parts.now())
    parts.mailer.wake()


OPEN = [undo_form, undo_address]
SIGNED_IN = [
    password_form, change_password, address_form, ask_for_address, address_asked, new_address_form, change_address,
]  # fmt: skip
