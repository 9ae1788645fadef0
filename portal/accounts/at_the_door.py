"""Log-in, for pages and for programs: the pause between tries, the password, the new session, and its end."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from litestar import Request
from litestar.exceptions import TooManyRequestsException
from sqlalchemy.ext.asyncio import AsyncSession

from portal import audit, limits
from portal.accounts import known_browsers, service, sessions
from portal.accounts.forms import email_key
from portal.audit import Action
from portal.auth import VisitorRequest
from portal.parts import Parts, parts_of
from portal.throttle import Standing
from portal.words import N_
from schema.database import reading
from schema.models import Account, Audience, LoginSession

_log = structlog.get_logger(__name__)

GUESSED_AT = N_(
    "Passwords are being tried for this address from elsewhere, so new devices have to wait. A device on which you "
    "have logged in before need not, and a new password by mail lets this one in."
)


class GuessedAt(TooManyRequestsException):
    """Strangers are guessing at this account, and the caller is none who is known: nothing was checked."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__(GUESSED_AT, headers=limits.retry_after(wait))


@dataclass(frozen=True, slots=True)
class CodeWanted:
    """The password was right, and the account has a second factor: ``second_door`` goes on from here."""

    account_id: UUID
    password_hash: str = field(repr=False)


async def enter(
    request: Request[Any, Any, Any], email: str, password: str, audience: Audience
) -> LoginSession | CodeWanted | None:
    """A new session, or None: unknown address, wrong password or unconfirmed address, which nobody can tell apart.

    ``CodeWanted`` where the password alone is not enough. Raises ``TooManyRequestsException`` with the seconds to wait,
    ``GuessedAt`` among them; then nothing was checked.
    """
    parts, key, now = parts_of(request), email_key(email.strip()), parts_of(request).now()
    account, fits = await tried(request, email, password)
    if account is None or not fits:
        _log.info("login.refused", audience=audience)
        await _note_refusal(parts, account.id if account else None, key, audience, now)
        return None
    outdated = parts.passwords.outdated(account.password_hash)
    renewed = await parts.passwords.hashed(password) if outdated else account.password_hash
    async with parts.sessions.begin() as session:
        now_is = await service.held(session, account.id)
        if now_is is None or now_is.password_hash != account.password_hash:
            # Comparing takes its time: whoever changed the password meanwhile has ended all sessions that there were.
            _log.info("login.overtaken", audience=audience)
            return None
        if outdated:
            await service.keep_hash(session, account.id, renewed, instead_of=account.password_hash)
        if now_is.totp_sealed is not None:
            return CodeWanted(account.id, renewed)
        return await admit(session, request, account.id, audience)


async def leave(request: VisitorRequest) -> None:
    """End the session that asks; others of the account live on."""
    parts = parts_of(request)
    async with parts.sessions.begin() as session:
        if await sessions.end(session, request.user.account_id, request.user.session_id):
            await audit.record(
                session,
                Action.SESSION_ENDED,
                subject=f"session:{request.user.session_id}",
                actor=request.user.account_id,
                now=parts.now(),
            )


async def admit(
    session: AsyncSession,
    request: Request[Any, Any, Any],
    account_id: UUID,
    audience: Audience,
    **details: audit.Detail,
) -> LoginSession:
    """Begin the session of somebody who has shown everything that the account asks for."""
    now = parts_of(request).now()
    row = await sessions.begin(
        session, account_id, audience=audience, user_agent=request.headers.get("user-agent", ""), now=now
    )
    await audit.record(
        session,
        Action.LOGGED_IN,
        subject=audit.account(account_id),
        actor=account_id,
        details={"audience": audience.value, "session": str(row.id), **details},
        now=now,
    )
    return row


async def tried(
    request: Request[Any, Any, Any], email: str, password: str, *, signed_in: bool = False
) -> tuple[Account | None, bool]:
    """The account of this address and whether it may enter with this password; each try is counted.

    ``signed_in`` is for forms that ask a signed-in person for the own password again: whoever has stolen a cookie must
    not guess there what log-in slows down, and strangers must not keep its owner from it. Raises
    ``TooManyRequestsException`` with the seconds to wait, ``GuessedAt`` where it is strangers who have to; then nothing
    was checked.
    """
    parts, key, now = parts_of(request), email_key(email.strip()), parts_of(request).now()
    caller, standing = limits.address_of(request), Standing.SIGNED_IN
    if not signed_in:
        caller, standing = await _caller(request, key, now)
    wait = await parts.throttle.try_now(caller, key, now, standing)
    if wait and standing is Standing.STRANGER and await parts.throttle.is_others_doing(caller, key, now):
        raise GuessedAt(wait)
    limits.refuse_for(wait)
    async with reading(parts.sessions) as session:
        account = await service.find(session, email.strip())
    # A password costs the same whether there is an account or not.
    fits = await parts.passwords.fits(account.password_hash if account else None, password)
    if account is None or not fits or account.verified_at is None or account.disabled_at is not None:
        return account, False
    await parts.throttle.succeeded(caller, key, now)
    return account, True


async def _caller(request: Request[Any, Any, Any], key: str, now: datetime) -> tuple[str, Standing]:
    """As whose a log-in's tries are counted."""
    address = limits.address_of(request)
    if number := known_browsers.number_of(request, key):
        return number, Standing.KNOWN
    known = await parts_of(request).throttle.is_known(address, key, now)
    return address, Standing.KNOWN if known else Standing.STRANGER


async def _note_refusal(
    parts: Parts, account_id: UUID | None, email_key: str, audience: Audience, now: datetime
) -> None:
    """One entry whether there is an account or not: the time of the answer must not tell."""
    secret = parts.settings.auth_secret.get_secret_value()
    known_by = audit.known_by(secret, email_key)
    subject = audit.account(account_id) if account_id else known_by
    details = {"audience": audience.value}
    async with parts.sessions.begin() as session:
        await audit.record(
            session, Action.LOG_IN_REFUSED, subject=subject, actor=audit.NOBODY, details=details, now=now
        )
