"""Pages of accounts. Each form answers alike whoever has an account; the difference is in the mailbox."""

from typing import Any

from litestar import Request, get, post
from litestar.background_tasks import BackgroundTask
from litestar.params import FromQuery
from litestar.response import Redirect, Template

from portal import limits
from portal.accounts import mailed_tokens, service
from portal.accounts.at_the_door import GUESSED_AT, CodeWanted, GuessedAt, enter, leave
from portal.accounts.forms import Confirmation, LogIn, MailMe, NewPassword, SignUp, email_key
from portal.accounts.known_browsers import marked
from portal.accounts.mailed_tokens import TokenSpent
from portal.accounts.second_door import to_the_second_door
from portal.auth import VisitorRequest, auth_of
from portal.headers import NO_REFERRER
from portal.landing import safe_next
from portal.parts import Parts, parts_of
from portal.submitted import EMPTY, Submitted, check, submitted
from portal.templating import page, see_other
from portal.words import N_, _
from schema.database import reading
from schema.models import Account, Audience, TokenPurpose

AnyRequest = Request[Any, Any, Any]

_NOTICES = {
    "confirmed": N_("Your address is confirmed. Please log in."),
    "password": N_("Your new password is set, and every device is logged out. Please log in."),
    "bye": N_("You are logged out."),
    "address": N_("Your new address is set, and every device is logged out. Please log in with it."),
    "kept": N_("Your account stays. Nothing will be deleted."),
}
_NO_LOG_IN = N_("E-mail and password do not fit, or the address is not confirmed yet.")


@get("/signup")
async def sign_up_form(request: AnyRequest) -> Template | Redirect:
    """An empty form; who is signed in already has no use for it."""
    if request.user is not None:
        return see_other("/")
    return page(request, "accounts/signup.html", form=EMPTY)


@post("/signup", middleware=[limits.SIGN_UP])
async def sign_up(request: AnyRequest) -> Template | Redirect:
    """Sign up; for a known address the answer is the same and takes as long."""
    parts = parts_of(request)
    typed = check(SignUp, await submitted(request))
    if isinstance(typed, Submitted):
        return page(request, "accounts/signup.html", status=422, form=typed)
    await limits.mail_asked(request)
    password_hash = await parts.passwords.hashed(typed.password)
    async with parts.sessions.begin() as session:
        waiting = await service.sign_up(
            session, typed.email, password_hash, typed.time_zone, links=parts.links, now=parts.now()
        )
    parts.mailer.wake()
    # Whoever signs up: on the same connection the next request waits for what is done after the answer.
    return see_other("/signup/sent", after=BackgroundTask(_sign_up_again, parts, waiting, typed.password))


@get("/signup/sent")
async def sign_up_sent(request: AnyRequest) -> Template:
    """Look at your mail."""
    return page(request, "accounts/signup_sent.html", mail_is_kept=parts_of(request).mail_is_kept)


@get("/verify")
async def confirm_form(request: AnyRequest, token: FromQuery[str] = "") -> Template:
    """A button: mail scanners follow links, and a link alone must change nothing."""
    if not await _is_good(parts_of(request), token, TokenPurpose.VERIFY):
        return spent(request, TokenPurpose.VERIFY)
    return page(request, "accounts/verify.html", token=token, headers=NO_REFERRER)


@post("/verify", middleware=[limits.TOKENS])
async def confirm(request: AnyRequest) -> Template | Redirect:
    """Confirm the address."""
    parts = parts_of(request)
    typed = check(Confirmation, await submitted(request))
    if isinstance(typed, Submitted):
        return spent(request, TokenPurpose.VERIFY)
    try:
        async with parts.sessions.begin() as session:
            await service.confirm(session, typed.token, key=parts.links.key, now=parts.now())
    except TokenSpent:
        return spent(request, TokenPurpose.VERIFY)
    return see_other("/login?notice=confirmed")


@get("/verify/again")
async def confirm_again_form(request: AnyRequest) -> Template:
    """An empty form."""
    return page(request, "accounts/verify_again.html", form=EMPTY)


@post("/verify/again", middleware=[limits.MAIL_ME])
async def confirm_again(request: AnyRequest) -> Template | Redirect:
    """Another confirmation link, for whom it concerns."""
    typed = check(MailMe, await submitted(request))
    if isinstance(typed, Submitted):
        return page(request, "accounts/verify_again.html", status=422, form=typed)
    await limits.mail_asked(request)
    # After the answer: looking for the account must not show in the time the answer takes.
    return see_other("/mail-sent", after=BackgroundTask(_mail_confirmation, parts_of(request), typed.email))


@get("/reset")
async def forgotten_form(request: AnyRequest) -> Template:
    """An empty form."""
    return page(request, "accounts/reset.html", form=EMPTY)


@post("/reset", middleware=[limits.MAIL_ME])
async def forgotten(request: AnyRequest) -> Template | Redirect:
    """A link that sets a new password, for whom it concerns."""
    typed = check(MailMe, await submitted(request))
    if isinstance(typed, Submitted):
        return page(request, "accounts/reset.html", status=422, form=typed)
    await limits.mail_asked(request)
    return see_other("/mail-sent", after=BackgroundTask(_mail_reset, parts_of(request), typed.email))


@get("/mail-sent")
async def mail_sent(request: AnyRequest) -> Template:
    """Look at your mail, if there is reason to."""
    return page(request, "accounts/mail_sent.html", mail_is_kept=parts_of(request).mail_is_kept)


@get("/reset/set")
async def new_password_form(request: AnyRequest, token: FromQuery[str] = "") -> Template:
    """The form a reset mail leads to."""
    if not await _is_good(parts_of(request), token, TokenPurpose.RESET):
        return spent(request, TokenPurpose.RESET)
    return page(request, "accounts/reset_set.html", token=token, form=EMPTY, headers=NO_REFERRER)


@post("/reset/set", middleware=[limits.TOKENS])
async def new_password(request: AnyRequest) -> Template | Redirect:
    """Set the password; every device is logged out, this one too."""
    parts = parts_of(request)
    form = await submitted(request)
    typed = check(NewPassword, form)
    if isinstance(typed, Submitted):
        token = form.values.get("token", "")
        return page(request, "accounts/reset_set.html", status=422, token=token, form=typed, headers=NO_REFERRER)
    # Hashing is dear: a token that is no good is turned away before it.
    if not await _is_good(parts, typed.token, TokenPurpose.RESET):
        return spent(request, TokenPurpose.RESET)
    password_hash = await parts.passwords.hashed(typed.password)
    try:
        async with parts.sessions.begin() as session:
            account = await service.set_password(
                session,
                typed.token,
                password_hash,
                links=parts.links,
                now=parts.now(),
            )
    except TokenSpent:
        return spent(request, TokenPurpose.RESET)
    parts.mailer.wake()
    return see_other("/login?notice=password", cookies=[marked(request, account)])


@get("/login")
async def log_in_form(request: AnyRequest, notice: FromQuery[str] = "") -> Template | Redirect:
    """An empty form that remembers where the visitor wanted to go; who is signed in already goes there at once."""
    wanted = safe_next(request.query_params.get("next"))
    if request.user is not None:
        return see_other(wanted)
    form = Submitted({"next": wanted})
    return page(request, "accounts/login.html", form=form, notice=_(_NOTICES.get(notice, "")))


@post("/login", middleware=[limits.LOG_IN])
async def log_in(request: AnyRequest) -> Template | Redirect:
    """Sign this device in with a new session, whatever it brought along."""
    typed = check(LogIn, form := await submitted(request))
    if isinstance(typed, Submitted):
        return page(request, "accounts/login.html", status=422, form=typed, notice="")
    try:
        row = await enter(request, typed.email, typed.password, Audience.PAGE)
    except GuessedAt as refused:
        form = form.wrong("", _(GUESSED_AT))
        return page(request, "accounts/login.html", status=429, headers=refused.headers, form=form, notice="")
    if isinstance(row, CodeWanted):
        return to_the_second_door(request, row, then=typed.next, known=marked(request, email_key(typed.email.strip())))
    if row is None:
        return page(request, "accounts/login.html", status=422, form=form.wrong("", _(_NO_LOG_IN)), notice="")
    cookies = [auth_of(request).page_cookie(row), marked(request, email_key(typed.email.strip()))]
    return see_other(safe_next(typed.next), cookies=cookies)


@post("/logout", middleware=[limits.ENDING], opt={limits.OWN_LIMITS: True})
async def log_out(request: VisitorRequest) -> Redirect:
    """End this device's session."""
    await leave(request)
    return see_other("/login?notice=bye", cookies=[auth_of(request).farewell_cookie()])


async def _is_good(parts: Parts, token: str, purpose: TokenPurpose) -> bool:
    async with reading(parts.sessions) as session:
        return await mailed_tokens.is_good(session, token, purpose=purpose, key=parts.links.key, now=parts.now())


def spent(request: AnyRequest, purpose: TokenPurpose) -> Template:
    """What a link leads to that was used already or is too old: the way to a new one."""
    return page(request, "accounts/link_spent.html", status=410, purpose=purpose.value, headers=NO_REFERRER)


async def _sign_up_again(parts: Parts, account: Account | None, password: str) -> None:
    same_password = await parts.passwords.fits(account.password_hash if account else None, password)
    if account is None:
        return
    nobodys_hash = await parts.passwords.nobodys_hash()
    async with parts.sessions.begin() as session:
        await service.sign_up_again(
            session,
            account,
            same_password=same_password,
            nobodys_hash=nobodys_hash,
            links=parts.links,
            now=parts.now(),
        )
    parts.mailer.wake()


async def _mail_confirmation(parts: Parts, email: str) -> None:
    async with parts.sessions.begin() as session:
        await service.send_confirmation_again(session, email, links=parts.links, now=parts.now())
    parts.mailer.wake()


async def _mail_reset(parts: Parts, email: str) -> None:
    async with parts.sessions.begin() as session:
        await service.forgotten_password(session, email, links=parts.links, now=parts.now())
    parts.mailer.wake()


OPEN = [
    sign_up_form, sign_up, sign_up_sent, confirm_form, confirm, confirm_again_form, confirm_again,
    forgotten_form, forgotten, mail_sent, new_password_form, new_password, log_in_form, log_in,
]  # fmt: skip
SIGNED_IN = [log_out]
