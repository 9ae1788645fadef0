"""The second half of log-in, for accounts with a second factor: the code. Between the halves there is no session, only
a sealed note in a cookie: who gave the right password a moment ago. It opens nothing by itself.
"""

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from litestar import Request, get, post
from litestar.datastructures import Cookie
from litestar.response import Redirect, Template
from sqlalchemy.ext.asyncio import AsyncSession

from portal import audit, letters, limits
from portal.accounts import recovery, second_factor, service
from portal.accounts.at_the_door import CodeWanted, admit
from portal.accounts.factor_forms import Code
from portal.accounts.second_factor import FactorKeys, Way
from portal.audit import Action
from portal.auth import auth_of
from portal.cookies import cookie_name, own_cookie
from portal.keys import KeyUse, derived, keyed_hash
from portal.landing import safe_next
from portal.letters import Letter
from portal.mail import owe
from portal.parts import Parts, parts_of
from portal.submitted import EMPTY, Submitted, check, submitted
from portal.templating import page, see_other
from portal.words import _
from schema.database import reading
from schema.models import Account, Audience, LoginSession
from schema.sealing import CannotUnseal

AnyRequest = Request[Any, Any, Any]

PATH = "/login/code"
LIFETIME = timedelta(minutes=5)

_ROW = "log-in:code"
_COOKIE = "code"
_TEMPLATE = "factors/code.html"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Ticket:
    account_id: UUID
    next: str
    mark: str


def factor_keys(parts: Parts) -> FactorKeys:
    """What the rules of the second factor need of the application."""
    return FactorKeys(parts.sealer, derived(parts.settings.auth_secret.get_secret_value(), KeyUse.RECOVERY_CODES))


def to_the_second_door(request: AnyRequest, wanted: CodeWanted, *, then: str, known: Cookie) -> Redirect:
    """The answer to a right password where a code is wanted too; ``known`` goes along."""
    parts = parts_of(request)
    until = (parts.now() + LIFETIME).timestamp()
    note = json.dumps([str(wanted.account_id), password_mark(parts, wanted.password_hash), safe_next(then), until])
    value = base64.urlsafe_b64encode(parts.sealer.seal(note, row=_ROW)).decode()
    return see_other(PATH, cookies=[_cookie(parts, value, int(LIFETIME.total_seconds())), known])


@get(PATH)
async def code_form(request: AnyRequest) -> Template | Redirect:
    """Asks for the code; whoever has not given a password here lately starts at the beginning."""
    if await _ticket(request) is None:
        return see_other("/login")
    return page(request, _TEMPLATE, form=EMPTY)


@post(PATH, middleware=[limits.LOG_IN])
async def code(request: AnyRequest) -> Template | Redirect:
    """Sign this device in."""
    ticket, typed = await _ticket(request), check(Code, form := await submitted(request))
    if ticket is None:
        return see_other("/login")
    if isinstance(typed, Submitted):
        return page(request, _TEMPLATE, status=422, form=typed)
    row = await enter_with_code(request, ticket.account_id, ticket.mark, typed.code, Audience.PAGE)
    if row is None:
        return page(request, _TEMPLATE, status=422, form=form.wrong("code", does_not_fit()))
    cookies = [auth_of(request).page_cookie(row), _cookie(parts_of(request), "", 0)]
    return see_other(ticket.next, cookies=cookies)


def does_not_fit() -> str:
    """What a form says of a code that was not taken."""
    return _("This code does not fit, or it was used already. Codes change every 30 seconds.")


async def enter_with_code(
    request: AnyRequest, account_id: UUID, mark: str, typed: str, audience: Audience
) -> LoginSession | None:
    """A new session for whoever gave the password before and a code that fits now, else None. ``mark`` is
    ``password_mark`` of what the password was then.

    Raises ``TooManyRequestsException``; then nothing was checked.
    """
    parts = parts_of(request)
    await count_try(request, account_id, typed)
    async with parts.sessions.begin() as session:
        account = await service.held(session, account_id)
        same = account is not None and password_mark(parts, account.password_hash) == mark
        way = await accepted(session, parts, account_id, typed) if same else None
        if way is None:
            _log.info("login.code_refused", audience=audience)
            await _note_refusal(session, account_id, audience, parts.now())
            return None
        row = await admit(session, request, account_id, audience, second_factor=way.value)
    await forget_tries(parts, account_id)
    return row


async def _note_refusal(session: AsyncSession, account_id: UUID, audience: Audience, now: datetime) -> None:
    await audit.record(
        session,
        Action.LOG_IN_REFUSED,
        subject=audit.account(account_id),
        actor=audit.NOBODY,
        details={"audience": audience.value, "second_factor": "refused"},
        now=now,
    )


async def count_try(request: AnyRequest, account_id: UUID, typed: str) -> None:
    """Count a try at the account's codes. Raises ``TooManyRequestsException``."""
    limit = second_factor.RECOVERY_TRIES if second_factor.is_recovery(typed) else second_factor.TRIES
    await limits.ask(request, limit, str(account_id))


async def forget_tries(parts: Parts, account_id: UUID) -> None:
    """A code was right: its owner starts afresh. Never call it inside a transaction."""
    await parts.tries.forget(second_factor.TRIES.kind, str(account_id))


async def accepted(session: AsyncSession, parts: Parts, account_id: UUID, typed: str) -> Way | None:
    """Use the code up, and say by mail when it was a recovery code."""
    now = parts.now()
    way = await second_factor.accept(session, account_id, typed, keys=factor_keys(parts), now=now)
    if way is Way.RECOVERY_CODE:
        left = await recovery.left(session, account_id)
        await tell(session, parts, account_id, partial(letters.recovery_code_used, left=left))
    return way


async def tell(session: AsyncSession, parts: Parts, account_id: UUID, letter: Callable[..., Letter]) -> None:
    """Owe the account's person a mail about what was done in this transaction. ``letter`` is one of ``letters``."""
    account = await session.get_one(Account, account_id)
    written = letter(parts.links.base_url, language=account.language)
    await owe(session, account.email, written, sealer=parts.sealer, now=parts.now(), always=True)
    parts.mailer.wake()


async def _ticket(request: AnyRequest) -> _Ticket | None:
    """Who gave the password at this browser, unless that is long ago or it was changed meanwhile."""
    parts = parts_of(request)
    try:
        sealed = base64.urlsafe_b64decode(request.cookies.get(_cookie_name(parts), ""))
        account_id, mark, wanted, until = json.loads(parts.sealer.open(sealed, row=_ROW))
    except (CannotUnseal, binascii.Error, ValueError):
        return None
    if parts.now() > datetime.fromtimestamp(until, UTC):
        return None
    async with reading(parts.sessions) as session:
        account = await session.get(Account, UUID(account_id))
    if account is None or account.verified_at is None or account.disabled_at is not None:
        return None
    if password_mark(parts, account.password_hash) != mark:
        return None
    return _Ticket(account.id, safe_next(wanted), mark)


def password_mark(parts: Parts, password_hash: str) -> str:
    """What tells later whether the password is still the same; it goes to the browser, sealed."""
    return keyed_hash(factor_keys(parts).recovery, f"password:{password_hash}")


def _cookie_name(parts: Parts) -> str:
    return cookie_name(_COOKIE, secure=parts.settings.cookie_secure)


def _cookie(parts: Parts, value: str, max_age_s: int) -> Cookie:
    return own_cookie(_COOKIE, value, max_age_s, secure=parts.settings.cookie_secure)


OPEN = [code_form, code]
