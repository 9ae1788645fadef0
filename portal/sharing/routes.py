"""Pages about homes and who may see them, and the forms that invite somebody or end a look. HTTP only."""

from uuid import UUID

from litestar import get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect, Template

from portal import limits
from portal.accounts.forms import email_key
from portal.accounts.fresh import fresh_enough
from portal.auth import VisitorRequest
from portal.dashboard.numbers import of_reader
from portal.parts import parts_of
from portal.sharing import inviting, service
from portal.sharing.forms import KEEPING, LOOKING, NewOwner, NewReader
from portal.sharing.inviting import OPEN_FOR, TooManyOpen, Wish
from portal.sharing.service import Home
from portal.submitted import EMPTY, Submitted, check, submitted
from portal.templating import page, see_other
from portal.words import _
from schema.database import reading
from schema.models import Role

_HOME = "/homes/{owner_id:uuid}"
_INVITATION = f"{_HOME}/invitations/{{invitation_id:uuid}}"


@get("/homes")
async def listed(request: VisitorRequest) -> Template:
    """The homes that the account owns, installs or may look at."""
    parts = parts_of(request)
    async with reading(parts.sessions) as session:
        found = await service.places(session, request.user.account_id, parts.now())
    return page(request, "sharing/homes.html", places=found, numbers=of_reader())


@get(f"{_HOME}/people")
async def people(request: VisitorRequest, owner_id: FromPath[UUID]) -> Template:
    """Who may see this home, who is invited, and whose secrets somebody else knows."""
    return await _people(request, owner_id)


@get(f"{_HOME}/invite", guards=[fresh_enough])
async def reader_form(request: VisitorRequest, owner_id: FromPath[UUID]) -> Template:
    """An empty form."""
    return await _reader_page(request, owner_id, Submitted({"days": "0"}))


@post(f"{_HOME}/invite", guards=[fresh_enough])
async def invite_reader(request: VisitorRequest, owner_id: FromPath[UUID]) -> Template | Redirect:
    """Let somebody look; the answer is the same whether the address has an account."""
    form = await submitted(request)
    typed = check(NewReader, form)
    if isinstance(typed, Submitted):
        return await _reader_page(request, owner_id, typed)
    if email_key(typed.email) == email_key(request.user.email):
        return await _reader_page(request, owner_id, form.wrong("email", _("This is your own address.")))
    try:
        await _invite(request, owner_id, Wish(Role.READER, typed.email, int(typed.days)))
    except TooManyOpen:
        return await _reader_page(request, owner_id, form.wrong("", _too_many()))
    return see_other(f"/homes/{owner_id}/people#invited")


@get(f"{_HOME}/hand-over", guards=[fresh_enough])
async def hand_over_form(request: VisitorRequest, owner_id: FromPath[UUID]) -> Template:
    """An empty form."""
    return await _hand_over_page(request, owner_id, EMPTY)


@post(f"{_HOME}/hand-over", guards=[fresh_enough])
async def hand_over(request: VisitorRequest, owner_id: FromPath[UUID]) -> Template | Redirect:
    """Mail the home's new owner a link; nothing changes before it is accepted."""
    form = await submitted(request)
    typed = check(NewOwner, form)
    if isinstance(typed, Submitted):
        return await _hand_over_page(request, owner_id, typed)
    if email_key(typed.email) == email_key(request.user.email):
        return await _hand_over_page(request, owner_id, form.wrong("email", _("This is your own address.")))
    try:
        await _invite(request, owner_id, Wish(Role.OWNER, typed.email, int(typed.days)))
    except TooManyOpen:
        return await _hand_over_page(request, owner_id, form.wrong("", _too_many()))
    return see_other(f"/homes/{owner_id}/people#invited")


@post(f"{_INVITATION}/again")
async def send_again(request: VisitorRequest, owner_id: FromPath[UUID], invitation_id: FromPath[UUID]) -> Redirect:
    """Another link to the same address."""
    parts, account_id = parts_of(request), request.user.account_id
    await limits.invitation_asked(request, account_id)
    async with parts.sessions.begin() as session:
        if not await inviting.send_again(
            session, account_id, owner_id, invitation_id, links=parts.links, now=parts.now()
        ):
            raise NotFoundException
    parts.mailer.wake()
    return see_other(f"/homes/{owner_id}/people#invited")


@post(f"{_INVITATION}/revoke")
async def revoke_invitation(
    request: VisitorRequest, owner_id: FromPath[UUID], invitation_id: FromPath[UUID]
) -> Redirect:
    """Its link ends."""
    parts = parts_of(request)
    async with parts.sessions.begin() as session:
        if not await inviting.revoke(session, request.user.account_id, owner_id, invitation_id, parts.now()):
            raise NotFoundException
    return see_other(f"/homes/{owner_id}/people")


@post(f"{_HOME}/people/{{grant_id:uuid}}/revoke")
async def revoke(request: VisitorRequest, owner_id: FromPath[UUID], grant_id: FromPath[UUID]) -> Redirect:
    """Somebody may look no longer, from his next request on."""
    parts = parts_of(request)
    async with parts.sessions.begin() as session:
        if not await service.revoke(
            session, request.user.account_id, owner_id, grant_id, links=parts.links, now=parts.now()
        ):
            raise NotFoundException
    parts.mailer.wake()
    return see_other(f"/homes/{owner_id}/people")


@post(f"{_HOME}/leave")
async def leave(request: VisitorRequest, owner_id: FromPath[UUID]) -> Redirect:
    """The reader himself looks no longer."""
    parts = parts_of(request)
    async with parts.sessions.begin() as session:
        if not await service.leave(session, request.user.account_id, owner_id, parts.now()):
            raise NotFoundException
    return see_other("/homes")


async def _invite(request: VisitorRequest, owner_id: UUID, wish: Wish) -> None:
    """Raises ``TooManyOpen``; a home that is none of the account's business is not found before anything is counted."""
    parts, account_id = parts_of(request), request.user.account_id
    async with reading(parts.sessions) as session:
        if not await inviting.may_invite(session, account_id, owner_id, wish.role, parts.now()):
            raise NotFoundException
    await limits.invitation_asked(request, account_id)
    async with parts.sessions.begin() as session:
        if not await inviting.invite(session, account_id, owner_id, wish, links=parts.links, now=parts.now()):
            raise NotFoundException
    parts.mailer.wake()


async def _people(request: VisitorRequest, owner_id: UUID) -> Template:
    return page(
        request,
        "sharing/people.html",
        home=await _home(request, owner_id),
        numbers=of_reader(),
        mail_is_kept=parts_of(request).mail_is_kept,
    )


async def _reader_page(request: VisitorRequest, owner_id: UUID, form: Submitted) -> Template:
    found = await _home(request, owner_id)
    if found.is_site:
        raise NotFoundException
    return _form_page(request, "sharing/invite.html", found, form, LOOKING)


async def _hand_over_page(request: VisitorRequest, owner_id: UUID, form: Submitted) -> Template:
    found = await _home(request, owner_id)
    usual = "365" if found.is_site else "0"
    shown = form if form.values else Submitted({"days": usual}, form.errors)
    return _form_page(request, "sharing/hand_over.html", found, shown, KEEPING)


def _form_page(request: VisitorRequest, name: str, home: Home, form: Submitted, choices: dict[str, str]) -> Template:
    status = 422 if form.errors else 200
    offered = [(days, _(words)) for days, words in choices.items()]
    return page(request, name, status=status, home=home, form=form, choices=offered, days=OPEN_FOR.days)


async def _home(request: VisitorRequest, owner_id: UUID) -> Home:
    """The home, if the account acts for it; else there is nothing here."""
    parts = parts_of(request)
    async with reading(parts.sessions) as session:
        found = await service.home(session, request.user.account_id, owner_id, parts.now())
    if found is None:
        raise NotFoundException
    return found


def _too_many() -> str:
    return _("So many people are invited already that have not answered. Withdraw an invitation first.")


SIGNED_IN = [
    listed, people, reader_form, invite_reader, hand_over_form, hand_over, send_again, revoke_invitation, revoke, leave,
]  # fmt: skip
