"""The page that an invitation's mail leads to, and its buttons. HTTP only.

Looking changes nothing. Who has an account logs in and accepts; who has none chooses a password, for the link has
proved the address already.
"""

from typing import Any

from litestar import Request, get, post
from litestar.params import FromQuery
from litestar.response import Redirect, Template

from portal import limits
from portal.accounts import sessions, zones
from portal.accounts.forms import DEFAULT_ZONE, email_key, not_about
from portal.accounts.known_browsers import marked
from portal.auth import VisitorRequest, auth_of
from portal.dashboard.numbers import of_reader
from portal.headers import NO_REFERRER
from portal.homes.service import called
from portal.parts import parts_of
from portal.sharing import accepting
from portal.sharing.accepting import HasAccount, Offer, SomebodyElse, Spent, Taken
from portal.sharing.forms import Answered, Joined
from portal.submitted import EMPTY, Submitted, check, submitted
from portal.templating import page, see_other
from schema.database import reading
from schema.models import Audience, Role

AnyRequest = Request[Any, Any, Any]

_PAGE = "/invitation"


@get(_PAGE)
async def offered(request: AnyRequest, token: FromQuery[str] = "") -> Template:
    """What somebody is invited to, with a button for whoever it is meant for."""
    return await _offer_page(request, token, EMPTY)


@post(f"{_PAGE}/accept", middleware=[limits.TOKENS])
async def accept(request: VisitorRequest) -> Template | Redirect:
    """The account that is signed in takes it, if its address is the invited one."""
    parts = parts_of(request)
    typed = check(Answered, await submitted(request))
    if isinstance(typed, Submitted):
        return _spent(request)
    try:
        async with parts.sessions.begin() as session:
            taken = await accepting.accept(
                session, request.user.account_id, typed.token, links=parts.links, now=parts.now()
            )
    except Spent:
        return _spent(request)
    except SomebodyElse:
        return await _offer_page(request, typed.token, EMPTY, status=409)
    parts.mailer.wake()
    return see_other(_there(taken))


@post(f"{_PAGE}/join", middleware=[limits.TOKENS])
async def join(request: AnyRequest) -> Template | Redirect:
    """A new account of the invited address takes it, and this device is signed in."""
    parts = parts_of(request)
    typed = check(Joined, form := await submitted(request))
    if isinstance(typed, Submitted):
        return await _offer_page(request, form.values.get("token", ""), typed, status=422)
    # Hashing is dear: a link that is no good is turned away before it.
    offer = await _offer(request, typed.token)
    if offer is None:
        return _spent(request)
    try:
        not_about(typed.password, offer.email)
    except ValueError as refused:
        return await _offer_page(request, typed.token, form.wrong("password", str(refused)), status=422)
    password_hash = await parts.passwords.hashed(typed.password)
    zone, now = zones.meant(typed.time_zone) or DEFAULT_ZONE, parts.now()
    try:
        async with parts.sessions.begin() as session:
            taken = await accepting.join(session, typed.token, password_hash, zone, links=parts.links, now=now)
            agent = request.headers.get("user-agent", "")
            row = await sessions.begin(session, taken.account_id, audience=Audience.PAGE, user_agent=agent, now=now)
    except Spent:
        return _spent(request)
    except HasAccount:
        return await _offer_page(request, typed.token, EMPTY, status=409)
    parts.mailer.wake()
    cookies = [auth_of(request).page_cookie(row), marked(request, email_key(offer.email))]
    return see_other(_there(taken), cookies=cookies)


@post(f"{_PAGE}/decline", middleware=[limits.TOKENS])
async def decline(request: AnyRequest) -> Template | Redirect:
    """No, thank you. It takes no account: whoever reads the mail may say so."""
    parts, visitor = parts_of(request), request.scope.get("user")
    typed = check(Answered, await submitted(request))
    if isinstance(typed, Submitted):
        return _spent(request)
    account = (visitor.account_id, visitor.email) if visitor else None
    try:
        async with parts.sessions.begin() as session:
            await accepting.decline(session, typed.token, account=account, links=parts.links, now=parts.now())
    except Spent:
        return _spent(request)
    except SomebodyElse:
        return await _offer_page(request, typed.token, EMPTY, status=409)
    parts.mailer.wake()
    return see_other(f"{_PAGE}/declined")


@get(f"{_PAGE}/declined")
async def declined(request: AnyRequest) -> Template:
    """That was all; it names nobody, so it is the same for everybody."""
    return page(request, "sharing/declined.html")


async def _offer(request: AnyRequest, token: str) -> Offer | None:
    parts = parts_of(request)
    async with reading(parts.sessions) as session:
        try:
            return await accepting.offer(session, token, key=parts.links.key, now=parts.now())
        except Spent:
            return None


async def _offer_page(request: AnyRequest, token: str, form: Submitted, *, status: int = 200) -> Template:
    offer = await _offer(request, token)
    if offer is None:
        return _spent(request)
    return page(
        request,
        "sharing/offer.html",
        status=status,
        headers=NO_REFERRER,
        offer=offer,
        home=called(offer.home),
        is_hand_over=offer.role is Role.OWNER,
        token=token,
        form=form,
        numbers=of_reader(),
    )


def _spent(request: AnyRequest) -> Template:
    """What a link leads to that was used already, withdrawn, or is too old: whom to ask for another one."""
    return page(request, "accounts/link_spent.html", status=410, purpose="invitation", headers=NO_REFERRER)


def _there(taken: Taken) -> str:
    """A new owner sees who else may look and what is to be done; a reader sees the watts."""
    return f"/homes/{taken.owner_id}/people" if taken.role is Role.OWNER else "/"


OPEN = [offered, join, decline, declined]
SIGNED_IN = [accept]
